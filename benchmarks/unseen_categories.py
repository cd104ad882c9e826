"""Metric learning on categories it was not trained on: Grocery Store, coarse labels.

    python -m benchmarks.unseen_categories [--choose]

Half of the categories are trained on (train split; the validation split's photos of the same
categories choose the epoch), then test photos of the *other* half look for each other, with the
trained vectors and with the frozen ones. Five random halves. Intervals of the difference are paired
and resample test photos; a photo keeps its results in all halves that ask it.

``--choose`` compares heads and losses before that, on three other halves, and judges on *train*
photos of the untrained half: the test split chooses nothing. Writes
benchmarks/results/unseen_categories.json.
"""

import argparse
import json

import numpy as np
import pandas as pd

from benchmarks.common import (
    RESULTS,
    StoredEmbedder,
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
    embedder: StoredEmbedder, judged: ImageDataset, learner: MetricLearner | None
) -> pd.DataFrame:
    """Return what each photo finds among the others: Recall@1 and average precision."""
    source = embedder if learner is None else learner.embedder_
    vectors = source.embed(judged.paths, progress=False).vectors
    queries = evaluate_retrieval(vectors, judged.labels, k=[1]).queries
    queries.index = pd.Index([judged.paths[at] for at in queries.index])
    return queries[list(FIGURES)]


def one_half(
    data: dict[str, ImageDataset],
    embedder: StoredEmbedder,
    judged: ImageDataset,
    seed: int,
    head: Head = "projection",
    loss: Loss = "multisimilarity",
) -> tuple[pd.DataFrame, pd.DataFrame, MetricLearner]:
    """Train on a random half of the categories; return frozen and trained results on the rest."""
    order = np.random.default_rng(seed).permutation(len(judged.classes))
    seen, unseen = order[: len(order) // 2], order[len(order) // 2 :]
    tower = FeatureTower(embedder, head=head)
    learner = MetricLearner(tower, loss=loss, epochs=EPOCHS, seed=seed, progress=False)
    learner.fit(of_categories(data["train"], seen), validation=of_categories(data["val"], seen))
    rest = of_categories(judged, unseen)
    return retrieval(embedder, rest, None), retrieval(embedder, rest, learner), learner


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
                lambda at, gain=gain: float(gain[at].sum() / n_queries[at].sum()),
                len(n_queries),
                seed=0,
            ),
        }
    return row


def main() -> None:
    """Measure, and with --choose compare first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--choose", action="store_true", help="compare heads and losses first")
    choosing = parser.parse_args().choose
    require_clean_tree()
    root = photos_folder() / "grocery-store"
    data = {split: grocery_store(root, split, "coarse") for split in ("train", "val", "test")}
    paths = sorted({path for dataset in data.values() for path in dataset.paths})
    embedder = stored("efficientnet-lite0", "rgb", paths)
    file = RESULTS / "unseen_categories.json"
    stored_choice = json.loads(file.read_text())["choice"] if file.exists() else []
    choice = choose(data, embedder) if choosing else stored_choice
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
    command = "python -m benchmarks.unseen_categories" + (" --choose" if choosing else "")
    results = {"origin": origin(command, **settings), "choice": choice, "rows": rows}
    print(f"written to {write_results('unseen_categories', results)}")


if __name__ == "__main__":
    main()
