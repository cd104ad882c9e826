"""Measure how well each comparator separates products: Grocery Store, official split.

    python -m benchmarks.representation

For every comparator: verification over all pairs of test photos, retrieval among them, and top-1 of
the nearest training photo. Networks are trained on the train split's coarse classes and selected on
the validation split (by benchmarks/siamese_runs.py and metric_learning_runs.py, if they are not
cached); nothing is chosen on the test split. Writes benchmarks/results/representation.json.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.common import (
    StoredEmbedder,
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    stored,
    write_results,
)
from similarity_lab import ImageDataset, grocery_store
from similarity_lab.distances import Cosine
from similarity_lab.embedders import Embedder
from similarity_lab.evaluation import Between, evaluate_retrieval, nearest_labels, pair_distances
from similarity_lab.evaluation.intervals import bootstrap_interval, wilson_interval

SEED = 0
REPEATS = 50
BASELINE = "cosine, colour lite0"
FAULTLESS = ("architecture 1", "architecture 2")
FAULTY = ("architecture 1, categorical cross-entropy", "architecture 2, every negative is image 0")


@dataclass(frozen=True)
class Measurement:
    """One comparator's figures, and those of each test photo, for paired differences."""

    figures: dict[str, object]
    by_photo: dict[str, np.ndarray]


def datasets() -> dict[str, ImageDataset]:
    """Return the train and test photos with coarse and with fine labels, in the same order."""
    root = photos_folder() / "grocery-store"
    return {
        f"{split} {level}": grocery_store(root, split, level)
        for split in ("train", "test")
        for level in ("coarse", "fine")
    }


def measure(data: dict[str, ImageDataset], embedder: Embedder, between: Between) -> Measurement:
    """Return the figures of one comparator."""
    test = embedder.embed(data["test coarse"].paths).vectors
    pairs = pair_distances(test, data["test coarse"].labels, between)
    retrieval = evaluate_retrieval(test, data["test coarse"].labels, distance=between, seed=SEED)
    figures: dict[str, object] = {
        "verification_auc": pairs.auc,
        "verification_auc_interval": pairs.auc_interval(seed=SEED, repeats=REPEATS),
        "equal_error_rate": pairs.equal_error_rate,
    }
    intervals = retrieval.intervals(seed=SEED)
    for name, value in retrieval.means().items():
        figures |= {name: value, f"{name}_interval": intervals[name]}
    queries = retrieval.queries
    by_photo = {
        "recall@1": queries["recall@1"].to_numpy(),
        "map": queries["average_precision"].to_numpy(),
    }
    for level in ("coarse", "fine"):
        gallery, test_photos = data[f"train {level}"], data[f"test {level}"]
        vectors = embedder.embed(gallery.paths).vectors
        test_vectors = embedder.embed(test_photos.paths).vectors
        is_correct = (
            nearest_labels(test_vectors, vectors, gallery.labels, between) == test_photos.labels
        )
        by_photo[f"top1_{level}"] = is_correct.astype(float)
        figures[f"top1_{level}"] = float(is_correct.mean())
        figures[f"top1_{level}_interval"] = wilson_interval(int(is_correct.sum()), len(is_correct))
    return Measurement(figures, by_photo)


def differences(one: Measurement, other: Measurement) -> dict[str, tuple[float, float]]:
    """Return paired bootstrap intervals of one comparator's figures minus the other's."""
    return {
        f"{name}_minus_baseline_interval": bootstrap_interval(
            lambda indices, gain=one.by_photo[name] - other.by_photo[name]: float(
                gain[indices].mean()
            ),
            len(one.by_photo[name]),
            seed=SEED,
        )
        for name in one.by_photo
    }


def main() -> None:
    """Measure every comparator and print the table."""
    make_parser(__doc__).parse_args()
    # deferred: what imports this module does not need TensorFlow
    from benchmarks.metric_learning_runs import SETTINGS as METRIC
    from benchmarks.metric_learning_runs import trained as trained_metric
    from benchmarks.siamese_runs import EPOCHS, STEPS, STRONG, trained
    from similarity_lab.metric_learning import HeadEmbedder

    require_clean_tree()
    data = datasets()
    paths = sorted({path for dataset in data.values() for path in dataset.paths})
    cosine = Cosine().pairwise
    measurements = {}
    for name, embedder, color in (
        ("cosine, gray lite0", "efficientnet-lite0", "gray"),
        (BASELINE, "efficientnet-lite0", "rgb"),
        ("cosine, colour lite2", "efficientnet-lite2", "rgb"),
    ):
        measurements[name] = measure(data, stored(embedder, color, paths), cosine)
    for name in (*FAULTY, *FAULTLESS, STRONG):
        # The study kept the last epoch; choosing one on validation photos would hide the fault.
        comparator = trained(name, keep="last" if name in FAULTY else "best").comparator
        embedder = StoredEmbedder(comparator.embedder, paths)
        measurements[name] = measure(data, embedder, comparator.between)
    frozen = stored("efficientnet-lite0", "rgb", paths)
    for name in METRIC:
        comparator = trained_metric(name).comparator
        head = comparator.embedder
        # A head on frozen features needs only their cached vectors, no photos.
        embedder = (
            HeadEmbedder(frozen, head.head)
            if head.base.name == frozen.name
            else StoredEmbedder(head, paths)
        )
        measurements[name] = measure(data, embedder, comparator.between)
    rows = {
        name: result.figures
        | ({} if name == BASELINE else differences(result, measurements[BASELINE]))
        for name, result in measurements.items()
    }
    settings = {"seed": SEED, "epochs": EPOCHS, "steps": STEPS, "bootstrap": REPEATS}
    results = {"origin": origin("python -m benchmarks.representation", **settings), "rows": rows}
    columns = [
        "verification_auc",
        "equal_error_rate",
        "recall@1",
        "map",
        "top1_coarse",
        "top1_fine",
    ]
    print(pd.DataFrame(rows).T[columns].astype(float).round(4).to_string())
    print(f"written to {write_results('representation', results)}")


if __name__ == "__main__":
    main()
