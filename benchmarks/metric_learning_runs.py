"""Train the metric-learning models of benchmarks/representation.py and notebook 03.

    python -m benchmarks.metric_learning_runs [--only NAME]

Grocery Store, coarse classes, train split; the validation split chooses the epoch. Each trained
model is kept under benchmarks/.cache/metric-learning/ with the train photos as its index.
"""

from pathlib import Path

from benchmarks.common import CACHE, make_parser, photos_folder, stored
from similarity_lab import grocery_store, load_embedder
from similarity_lab.metric_learning import EfficientNetTower, FeatureTower, MetricLearner

RUNS = CACHE / "metric-learning"
SEED = 0
FEATURES, END_TO_END = "metric learning, head on features", "metric learning, last 5 blocks"
SETTINGS: dict[str, dict[str, object]] = {
    FEATURES: {"epochs": 20},
    END_TO_END: {"epochs": 6, "patience": 3},
}


def trained(name: str) -> MetricLearner:
    """Return one model, trained before or now."""
    folder = RUNS / name.split(", ")[1].replace(" ", "-")
    if not (folder / "manifest.json").is_file():
        train(name, folder)
    frozen = name == FEATURES and load_embedder("efficientnet-lite0", runtime="keras")
    return MetricLearner.load(folder, embedder=frozen or None)


def train(name: str, folder: Path) -> None:
    """Train one model on the stored vectors of its photos, and save it."""
    root = photos_folder() / "grocery-store"
    photos, validation = (grocery_store(root, split, "coarse") for split in ("train", "val"))
    tower: FeatureTower | EfficientNetTower = EfficientNetTower()
    if name == FEATURES:
        paths = sorted({*photos.paths, *validation.paths})
        tower = FeatureTower(stored("efficientnet-lite0", "rgb", paths))
    learner = MetricLearner(tower, seed=SEED, **SETTINGS[name]).fit(photos, validation=validation)
    learner.index(photos).save(folder)


def main() -> None:
    """Train all, or one, and print their histories."""
    parser = make_parser(__doc__)
    parser.add_argument("--only", choices=list(SETTINGS))
    only = parser.parse_args().only
    for name in [only] if only else SETTINGS:
        learner = trained(name)
        print(name, learner.history_.round(3).to_string(index=False), sep="\n")
        print(f"kept: epoch {learner.best_epoch_}")


if __name__ == "__main__":
    main()
