"""The strong network: EfficientNet-Lite with a projection, fine-tuned in two phases."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy.linalg import eigh

from similarity_lab._version import versions
from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset, load_dataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.embedders import embed_all
from similarity_lab.embedders.base import Images
from similarity_lab.embedders.keras_models import KerasEmbedder, efficientnet_lite
from similarity_lab.embedders.lite import VARIANTS, LiteWeights
from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.images.augmentation import Augmentation
from similarity_lab.siamese.heads import Head
from similarity_lab.siamese.run import TrainingRun, write_weights
from similarity_lab.siamese.training import STATE, Loss, train

layers = keras.layers

Blocks = int | Literal["all"]
PHASES = ("projection", "blocks")
_START = "start.weights.h5"


def strong_tower(
    embedder: str = "efficientnet-lite0",
    *,
    dimension: int = 256,
    unfrozen: Blocks = 0,
    seed: int = 0,
) -> keras.Model:
    """Return EfficientNet-Lite with its ImageNet weights and a linear projection to unit length.

    The projection starts orthonormal, so that distances start close to the cosine distances of
    the frozen network (with ``dimension=1280`` they rank pairs exactly alike); `fit_projection`
    adapts the start to your images. Batch normalisation always uses its stored statistics, also in
    layers that are unfrozen: a small batch of pairs would spoil them.

    Parameters
    ----------
    embedder : {"efficientnet-lite0", "efficientnet-lite2"}
        224 or 260 pixels, colour.
    dimension : int
        Length of a vector, 1…1280.
    unfrozen : int or "all"
        How many of the last blocks are trained, see `unfreeze`. 0 = only the projection.
    seed : int
        Of the projection.

    Returns
    -------
    keras.Model
        float32 ``(n, height, width, 3)`` in 0…1, RGB → float32 ``(n, dimension)`` of length 1.

    Raises
    ------
    InputError
        For an unknown embedder, or a dimension or number of blocks out of range.

    Examples
    --------
    >>> tower = strong_tower(dimension=64)
    >>> tower.output_shape, [weight.path for weight in tower.trainable_weights]
    ((None, 64), ['projection/kernel', 'projection/bias'])
    """
    if embedder not in VARIANTS:
        raise InputError(
            f"Unknown embedder {embedder!r}.{did_you_mean(embedder, VARIANTS)} "
            f"Expected one of {', '.join(VARIANTS)}"
        )
    base = efficientnet_lite(LiteWeights(embedder))
    if not 1 <= dimension <= base.output_shape[1]:
        raise InputError(f"dimension must be from 1 to {base.output_shape[1]}, got {dimension}")
    pixels = keras.Input(base.input_shape[1:], name="pixels")
    # training=False is part of the graph, and of the file: whatever is unfrozen later, batch
    # normalisation stays in inference mode.
    x = layers.UnitNormalization(name="unit_features")(base(pixels, training=False))
    x = layers.Dense(
        dimension,
        kernel_initializer=keras.initializers.Orthogonal(seed=seed),
        name="projection",
    )(x)
    x = layers.UnitNormalization(name="unit_length")(x)
    tower = keras.Model(pixels, x, name=f"{embedder}-{dimension}")
    unfreeze(tower, unfrozen)
    return tower


def unfreeze(tower: keras.Model, blocks: Blocks) -> None:
    """Make the last `blocks` blocks of a strong tower trainable, and freeze those before.

    Compile the model again afterwards.

    Parameters
    ----------
    tower : keras.Model
        From `strong_tower`.
    blocks : int or "all"
        0 = only the projection; n = the last n blocks and the convolution after them as well
        (lite0 has 16 blocks; the last 5 are its last two stages); ``"all"`` = everything. Batch
        normalisation stays frozen throughout.

    Raises
    ------
    InputError
        For another kind of tower, or a number of blocks out of range.

    Examples
    --------
    >>> tower = strong_tower()
    >>> unfreeze(tower, 5)
    >>> tower.get_layer("efficientnet-lite0").trainable_weights[0].path
    'block11_expand_conv/kernel'
    """
    base = _base(tower)
    n_blocks = 1 + max(_block(layer.name, after=-1) for layer in base.layers)
    if blocks != "all" and not (isinstance(blocks, int) and 0 <= blocks <= n_blocks):
        raise InputError(f'blocks must be from 0 to {n_blocks}, or "all"; got {blocks!r}')
    first = -1 if blocks == "all" else n_blocks - blocks
    base.trainable = True  # otherwise no layer of it would be trained
    for layer in base.layers:
        is_unfrozen = blocks != 0 and _block(layer.name, after=n_blocks) >= first
        layer.trainable = is_unfrozen and not isinstance(layer, layers.BatchNormalization)


def fit_projection(tower: keras.Model, images: Images, *, progress: bool = True) -> None:
    """Set the projection to the principal components of `images`, in the frozen features.

    This removes the mean of all images, and the directions in which they hardly differ: a better
    start than a random projection.

    Parameters
    ----------
    tower : keras.Model
        From `strong_tower`; its projection is overwritten.
    images : sequence of paths, bytes, file objects, PIL images or arrays
        Training images, never test images; preferably more than `dimension`.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ImageError
        If one of them cannot be read.
    InputError
        For another kind of tower, or no images.

    Examples
    --------
    >>> from similarity_lab.samples import load_image
    >>> tower = strong_tower(dimension=16)
    >>> fit_projection(tower, [load_image("almonds", n) for n in range(4)], progress=False)
    """
    features = embed_all(KerasEmbedder(_base(tower)), images, progress=progress).astype(np.float64)
    if not len(features):
        raise InputError("expected images to fit the projection to, got none")
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    mean = features.mean(axis=0)
    features -= mean
    # Eigenvectors of the covariance, unlike an SVD, are enough also with few images.
    projection, size = tower.get_layer("projection"), features.shape[1]
    strongest = (size - projection.units, size - 1)
    _, axes = eigh(features.T @ features, subset_by_index=strongest)
    projection.set_weights([axes, -mean @ axes])


def train_strong(
    dataset: DatasetSource,
    validation: DatasetSource,
    *,
    embedder: str = "efficientnet-lite0",
    dimension: int = 256,
    blocks: Blocks = 5,
    epochs: tuple[int, int] = (5, 15),
    learning_rates: tuple[float, float] = (1e-3, 1e-4),
    loss: Loss = "triplet",
    head: Head | None = None,
    margin: float | None = None,
    patience: int = 10,
    batch_size: int = 64,
    steps: int | None = None,
    augment: bool | Augmentation = True,
    mine_from: int | None = None,
    seed: int = 0,
    folder: str | PathLike[str] | None = None,
    progress: bool = True,
) -> TrainingRun:
    """Fine-tune EfficientNet-Lite with a projection on labelled images, in two phases.

    The projection starts as the principal components of the images and is trained alone; then the
    last blocks are trained with it, more slowly. The result is the best epoch of both phases.

    Parameters
    ----------
    dataset, validation : ImageDataset, or what `load_dataset` takes
        As for `train`.
    embedder, dimension
        As for `strong_tower`.
    blocks : int or "all"
        How many of the last blocks are trained in the second phase, see `unfreeze`.
    epochs, learning_rates : (first phase, second phase)
    loss : {"triplet", "contrastive", "binary-crossentropy"}
    head, margin, patience, batch_size, steps, augment, mine_from, seed, progress
        As for `train`; of each phase.
    folder : path, optional
        Save the run here, each phase in a folder of its own; the same call resumes.

    Returns
    -------
    TrainingRun
        Its history has a column ``phase``; epochs are numbered across both phases.
    """
    dataset = load_dataset(dataset, progress=progress)
    tower = strong_tower(embedder, dimension=dimension, seed=seed)
    _initialise(tower, dataset, folder, progress=progress)
    runs: list[TrainingRun] = []
    weights = []
    for number, phase in enumerate(PHASES):
        unfreeze(tower, blocks if number else 0)
        run = train(
            tower,
            dataset,
            validation,
            loss=loss,
            head=head,
            margin=margin,
            epochs=epochs[number],
            patience=patience,
            batch_size=batch_size,
            steps=steps,
            learning_rate=learning_rates[number],
            augment=augment,
            mine_from=mine_from,
            seed=seed + number,  # otherwise the second phase would repeat the batches of the first
            folder=None if folder is None else Path(folder) / phase,
            progress=progress,
        )
        runs.append(run)
        weights.append(run.network.get_weights())
    best = max((0, 1), key=lambda number: runs[number].history["val_auc"].max())
    runs[1].network.set_weights(weights[best])
    result = TrainingRun(
        runs[1].network,
        _join([run.history for run in runs]),
        {"phases": {p: run.configuration for p, run in zip(PHASES, runs, strict=True)}},
        versions(),
    )
    if folder is not None:
        result.save(folder)
    return result


def _initialise(
    tower: keras.Model, dataset: ImageDataset, folder: str | PathLike[str] | None, *, progress: bool
) -> None:
    """Fit the projection, or read it where an earlier call wrote it."""
    file = None if folder is None else Path(folder) / STATE / _START
    if file is not None and file.is_file():
        tower.load_weights(file)
        return
    fit_projection(tower, dataset.sources, progress=progress)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_weights(tower, file)


def _join(histories: list[pd.DataFrame]) -> pd.DataFrame:
    parts = [h.assign(phase=phase) for h, phase in zip(histories, PHASES, strict=True)]
    parts[1] = parts[1].assign(epoch=parts[1]["epoch"] + len(parts[0]))
    return pd.concat(parts, ignore_index=True)


def _base(tower: keras.Model) -> keras.Model:
    for layer in tower.layers:
        if layer.name in VARIANTS:
            return layer
    raise InputError(
        f"tower {tower.name!r} contains no {' or '.join(VARIANTS)}; pass what strong_tower returns"
    )


def _block(layer: str, *, after: int) -> int:
    """Return the number of a layer's block; -1 for the stem, `after` for what follows."""
    name = layer.partition("_")[0]
    if name.startswith("block"):
        return int(name.removeprefix("block"))
    return after if name in ("head", "features") else -1
