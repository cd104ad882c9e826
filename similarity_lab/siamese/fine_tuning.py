"""Train the strong Siamese network: first its projection, then its last blocks as well."""

from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from similarity_lab._version import versions
from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.siamese.run import TrainingRun
from similarity_lab.siamese.run_folder import write_weights
from similarity_lab.siamese.strong import Blocks, fit_projection, strong_tower, unfreeze
from similarity_lab.siamese.training import Loss, train

PHASES = ("projection", "blocks")


def train_strong(
    photos: ImageDataset,
    validation: ImageDataset,
    *,
    embedder: str = "efficientnet-lite0",
    dimension: int = 256,
    blocks: Blocks = 5,
    epochs: tuple[int, int] = (5, 15),
    learning_rates: tuple[float, float] = (1e-3, 1e-4),
    loss: Loss = "triplet",
    augment: bool = True,
    seed: int = 0,
    folder: str | PathLike[str] | None = None,
    **settings: Any,  # noqa: ANN401
) -> TrainingRun:
    """Train EfficientNet-Lite with a projection on labelled photos, in two phases.

    The projection starts as the principal components of the photos and learns alone; then the last
    blocks learn with it, slower. What comes back is the best epoch of both phases.

    Parameters
    ----------
    photos, validation : ImageDataset
        As for `train`.
    embedder, dimension
        As for `strong_tower`.
    blocks : int or "all"
        How many of the last blocks learn in the second phase, see `unfreeze`.
    epochs, learning_rates : (first phase, second phase)
    loss : {"triplet", "contrastive", "binary-crossentropy"}
    augment : bool
    seed : int
    folder : path, optional
        Keep the run here, each phase in a folder of its own; the same call goes on.
    **settings
        More of those of `train`: batch_size, steps, patience, margin, head, mine_from, progress.

    Returns
    -------
    TrainingRun
        Its history has a column ``phase``; epochs are counted through.
    """
    tower = strong_tower(embedder, dimension=dimension, seed=seed)
    _start(tower, photos, folder, progress=bool(settings.get("progress", True)))
    runs: list[TrainingRun] = []
    weights = []
    for number, phase in enumerate(PHASES):
        unfreeze(tower, blocks if number else 0)
        run = train(
            tower,
            photos,
            validation,
            loss=loss,
            augment=augment,
            epochs=epochs[number],
            learning_rate=learning_rates[number],
            seed=seed + number,  # else the second phase would see the batches of the first again
            folder=None if folder is None else Path(folder) / phase,
            **settings,
        )
        runs.append(run)
        weights.append(run.network.get_weights())
    best = max((0, 1), key=lambda number: runs[number].history["val_auc"].max())
    runs[1].network.set_weights(weights[best])
    result = TrainingRun(
        runs[-1].network,
        _joined([run.history for run in runs]),
        {"phases": {p: run.configuration for p, run in zip(PHASES, runs, strict=True)}},
        versions(),
    )
    if folder is not None:
        result.save(folder)
    return result


def _start(
    tower: keras.Model, photos: ImageDataset, folder: str | PathLike[str] | None, *, progress: bool
) -> None:
    """Fit the projection, or read it where an earlier call kept it."""
    kept = None if folder is None else Path(folder) / "start.weights.h5"
    if kept is not None and kept.is_file():
        tower.load_weights(kept)
        return
    fit_projection(tower, photos.sources, progress=progress)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_weights(tower, kept)


def _joined(histories: list[pd.DataFrame]) -> pd.DataFrame:
    parts = [h.assign(phase=phase) for h, phase in zip(histories, PHASES, strict=True)]
    parts[1] = parts[1].assign(epoch=parts[1]["epoch"] + len(parts[0]))
    return pd.concat(parts, ignore_index=True)
