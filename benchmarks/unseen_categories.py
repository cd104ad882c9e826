"""Evaluate metric learning on categories it was not trained on: Grocery Store, coarse labels.

    python -m benchmarks.unseen_categories [--choose]

Trains on half of the categories (train split; the epoch is selected on validation photos of the
same half) and evaluates retrieval among the test photos of the *other* half, with trained and with
frozen vectors. Five random halves. Intervals of the difference are paired and resample test photos,
each with its results in all halves.

``--choose`` first compares heads and losses on three other halves, on *train* photos of the
untrained half, so that nothing is chosen on the test split. Writes
benchmarks/results/unseen_categories.json.
"""

import json

import numpy as np
import pandas as pd

from benchmarks.common import (
    RESULTS,
    StoredEmbedder,
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    stored,
    write_results,
)
from similarity_lab import ImageDataset, grocery_store
from similarity_lab.evaluation import evaluate_retrieval
from similarity_lab.evaluation.intervals import bootstrap_interval
from similarity_lab.metric_learning import FeatureTower, MetricLearner
from similarity_lab.metric_learning.losses import Loss
from similarity_lab.metric_learning.towers import Head

SEEDS, CHOICE_SEEDS = range(5), (100, 101, 102)
EPOCHS = 20
FIGURES = {"recall@1": "recall@1", "average_precision": "map"}
CHOSEN: dict[str, object] = {"head": "projection", "loss": "multisimilarity"}
CANDIDATES: dict[str, dict[str, object]] = {
    "projection, multisimilarity": CHOSEN,
    "residual, multisimilarity": {"head": "residual"},
    "beside, multisimilarity": {"head": "beside"},
    "projection, circle": {"loss": "circle"},
    "projection, triplet": {"loss": "triplet"},
    "projection, soft-nearest-neighbour": {"loss": "soft-nearest-neighbour"},
}


def of_categories(photos: ImageDataset, categories: np.ndarray) -> ImageDataset:
    """Return the photos of some categories."""
    return photos.subset(np.flatnonzero(np.isin(photos.labels, categories)))


def retrieval(
    embedder: StoredEmbedder, photos: ImageDataset, learner: MetricLearner | None
) -> pd.DataFrame:
    """Return Recall@1 and average precision of each photo, searched among the others."""
    source = embedder if learner is None else learner.embedder_
    vectors = source.embed(photos.paths, progress=False).vectors
    queries = evaluate_retrieval(vectors, photos.labels, k=[1]).queries
    queries.index = pd.Index([photos.paths[index] for index in queries.index])
    return queries[list(FIGURES)]


def one_half(
    data: dict[str, ImageDataset],
    embedder: StoredEmbedder,
    photos: ImageDataset,
    seed: int,
    head: Head = "projection",
    loss: Loss = "multisimilarity",
) -> tuple[pd.DataFrame, pd.DataFrame, MetricLearner]:
    """Train on a random half of the categories; return frozen and trained results on the other."""
    order = np.random.default_rng(seed).permutation(len(photos.classes))
    half, unseen = order[: len(order) // 2], order[len(order) // 2 :]
    tower = FeatureTower(embedder, head=head)
    learner = MetricLearner(tower, loss=loss, epochs=EPOCHS, seed=seed, progress=False)
    learner.fit(of_categories(data["train"], half), validation=of_categories(data["val"], half))
    unseen_photos = of_categories(photos, unseen)
    return (
        retrieval(embedder, unseen_photos, None),
        retrieval(embedder, unseen_photos, learner),
        learner,
    )


def choose(data: dict[str, ImageDataset], embedder: StoredEmbedder) -> list[dict[str, object]]:
    """Return what each candidate gains on train photos of categories it was not trained on."""
    rows = []
    for name, settings in CANDIDATES.items():
        gains, validation = [], []
        for seed in CHOICE_SEEDS:
            frozen, trained, learner = one_half(data, embedder, data["train"], seed, **settings)
            gains.append((trained - frozen).mean())
            validation.append(learner.history_["val_map"].max())
        mean = pd.concat(gains, axis=1).mean(axis=1)
        rows.append(
            {
                "head and loss": name,
                "Recall@1, unseen, minus frozen": float(mean["recall@1"]),
                "mAP, unseen, minus frozen": float(mean["average_precision"]),
                "mAP, seen, validation": float(np.mean(validation)),
            }
        )
        print(rows[-1], flush=True)
    return rows


def summary(frozen: pd.DataFrame, trained: pd.DataFrame) -> dict[str, object]:
    """Return both means and the paired interval of their difference, resampling photos."""
    row: dict[str, object] = {"queries": len(frozen), "photos": frozen.index.nunique()}
    photo, _ = pd.factorize(frozen.index)
    n_queries = np.bincount(photo)
    for column, name in FIGURES.items():
        gain = np.bincount(photo, (trained[column] - frozen[column]).to_numpy())
        row |= {
            f"{name}_frozen": float(frozen[column].mean()),
            f"{name}_trained": float(trained[column].mean()),
            f"{name}_gain": float(gain.sum() / n_queries.sum()),
            f"{name}_gain_interval": bootstrap_interval(
                lambda indices, gain=gain: float(gain[indices].sum() / n_queries[indices].sum()),
                len(n_queries),
                seed=0,
            ),
        }
    return row


def main() -> None:
    """Measure; with --choose, compare heads and losses first."""
    parser = make_parser(__doc__)
    parser.add_argument("--choose", action="store_true", help="compare heads and losses first")
    has_choice = parser.parse_args().choose
    require_clean_tree()
    root = photos_folder() / "grocery-store"
    data = {split: grocery_store(root, split, "coarse") for split in ("train", "val", "test")}
    paths = sorted({path for dataset in data.values() for path in dataset.paths})
    embedder = stored("efficientnet-lite0", "rgb", paths)
    file = RESULTS / "unseen_categories.json"
    stored_choice = json.loads(file.read_text())["choice"] if file.exists() else []
    choice = choose(data, embedder) if has_choice else stored_choice
    rows, all_frozen, all_trained = {}, [], []
    for seed in SEEDS:
        frozen, trained, learner = one_half(data, embedder, data["test"], seed, **CHOSEN)
        rows[f"half {seed}"] = summary(frozen, trained) | {"epoch": learner.best_epoch_}
        print(rows[f"half {seed}"], flush=True)
        all_frozen.append(frozen)
        all_trained.append(trained)
    rows["all five"] = summary(pd.concat(all_frozen), pd.concat(all_trained))
    print(pd.DataFrame(rows).T.to_string())
    settings = {"seeds": len(SEEDS), "epochs": EPOCHS, **CHOSEN}
    command = "python -m benchmarks.unseen_categories" + (" --choose" if has_choice else "")
    results = {"origin": origin(command, **settings), "choice": choice, "rows": rows}
    print(f"written to {write_results('unseen_categories', results)}")


if __name__ == "__main__":
    main()
