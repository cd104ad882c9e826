"""Train the networks of benchmarks/representation.py and notebooks/02_siamese_networks.ipynb.

    python -m benchmarks.siamese_runs [--only NAME]

Grocery Store, coarse classes, train and validation split. Each training is kept under
benchmarks/.cache/siamese/ and resumes from there; the notebook reads them.
"""

from typing import Literal

from benchmarks.common import CACHE, make_parser, photos_folder
from similarity_lab import grocery_store
from similarity_lab.siamese import TrainingRun, train_strong
from similarity_lab.study import EXPERIMENTS, run_experiment

RUNS = CACHE / "siamese"
SEED, EPOCHS, STEPS = 0, 8, 30
STRONG = "strong"


def trained(name: str, *, keep: Literal["best", "last"] = "best") -> TrainingRun:
    """Return one training run, from the cache if it is complete there."""
    root = photos_folder() / "grocery-store"
    photos, validation = (grocery_store(root, split, "coarse") for split in ("train", "val"))
    if name == STRONG:
        settings = {"epochs": (3, 6), "steps": STEPS, "patience": 6, "seed": SEED}
        return train_strong(photos, validation, folder=RUNS / STRONG, **settings)
    settings = {"epochs": EPOCHS, "steps": STEPS, "seed": SEED}
    return run_experiment(name, photos, validation, keep=keep, folder=RUNS, **settings)


def main() -> None:
    """Train all, or one, and print validation AUCs."""
    parser = make_parser(__doc__)
    parser.add_argument("--only", choices=[*EXPERIMENTS, STRONG])
    only = parser.parse_args().only
    for name in [only] if only else [STRONG, *EXPERIMENTS]:
        run = trained(name)
        print(f"{name}: validation AUC {run.history['val_auc'].max():.3f} (epoch {run.best_epoch})")


if __name__ == "__main__":
    main()
