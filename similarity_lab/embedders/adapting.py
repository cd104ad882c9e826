"""Fine-tune an embedder on the photos of a library: better vectors for it, at a price in time."""

import warnings
from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from similarity_lab.backend import keras
from similarity_lab.datasets import load_dataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.embedders.keras_models import KerasEmbedder, Split, split_efficientnet_lite
from similarity_lab.embedders.lite import VARIANTS
from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.images import image_size
from similarity_lab.images.augmentation import Augmentation
from similarity_lab.images.decoding import decoded_batches
from similarity_lab.images.sources import Source

layers = keras.layers

Activations = npt.NDArray[np.float16]

_BATCH = 32
_SHARPNESS = 16.0  # of the classifier: cosines times this are its logits
_SMOOTHING = 0.1
_MEMORY = 4 * 2**30  # bytes of activations beyond which it asks for less
_CHANGES = Augmentation(rotation=25, zoom=0.4, shift=0.15, brightness=0.2, contrast=0.4, color=0.25)


def adapt_embedder(
    library: DatasetSource,
    embedder: str = "efficientnet-lite0",
    *,
    input_size: int | tuple[int, int] | None = None,
    blocks: int = 4,
    views: int = 4,
    epochs: int = 20,
    learning_rate: float = 3e-4,
    keep: float = 0.5,
    seed: int = 0,
    progress: bool = True,
) -> KerasEmbedder:
    """Return a new embedder that tells the products of a library apart better.

    The last blocks learn to tell the library's products by cosine; batch normalisation keeps its
    statistics; the weights are then averaged with the untouched ones, which keeps most of what the
    network knew of other things. The frozen part runs once per photo and view, not once per step.

    Parameters
    ----------
    library : folder, zip, mapping or ImageDataset
        As `load_dataset` takes it; two products or more.
    embedder : {"efficientnet-lite0", "efficientnet-lite2"}
        What to start from.
    input_size : int or (height, width), optional
        Of the photos; default: the network's own.
    blocks : int
        How many of the last blocks learn, 1…number of blocks.
    views : int
        How many versions of each photo are learnt from: itself and views − 1 that are turned,
        zoomed, shifted and lit differently. Memory and time grow with it.
    epochs : int
        Passes over the photos, each in one of its views.
    learning_rate : float
        At the start; it falls to 0 along half a cosine.
    keep : float
        Weight of the untouched network in the average, 0…1; 1 changes nothing.
    seed : int
    progress : bool

    Returns
    -------
    KerasEmbedder
        Named by its weights. Keep it with ``embedder.model.save("adapted.keras")``;
        ``load_embedder("adapted.keras")`` reads it.

    Raises
    ------
    ValueError
        For one product only, a parameter out of range, or activations that would not fit in
        memory.

    Notes
    -----
    Averaged weights: M. Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022,
    https://arxiv.org/abs/2109.01903. Cosine classifier: H. Wang et al., "CosFace", CVPR 2018,
    https://arxiv.org/abs/1801.09414.

    Examples
    --------
    >>> adapted = adapt_embedder("library/")                       # doctest: +SKIP
    >>> RelevanceScorer("almonds", embedder=adapted).fit("library/")  # doctest: +SKIP
    """
    if embedder not in VARIANTS:
        raise InputError(
            f"embedder must be one of {', '.join(VARIANTS)}, got {embedder!r}."
            f"{did_you_mean(embedder, VARIANTS)}"
        )
    if not 0 <= keep <= 1:
        raise InputError(f"keep must be from 0 to 1, got {keep}")
    for name, number in (("views", views), ("epochs", epochs)):
        if number < 1:
            raise InputError(f"{name} must be at least 1, got {number}")
    photos = load_dataset(library, progress=progress)
    products, labels = np.unique(photos.labels, return_inverse=True)
    if len(products) < 2:
        raise InputError(
            f"learning to tell products apart takes two or more, got {len(products)}: "
            f"{', '.join(photos.classes)}"
        )
    size = image_size(input_size) if input_size else None
    split = split_efficientnet_lite(embedder, blocks, size)
    activations, kept = _activations(split, photos.sources, views, seed, progress=progress)
    unread = len(photos.skipped) + len(photos) - len(kept)
    if unread:
        warnings.warn(
            f"{unread} files could not be read and taught nothing; load_dataset and a fitted "
            "RelevanceScorer list what they skip",
            stacklevel=2,
        )
    before = split.back.get_weights()
    _train(split, activations, labels[kept], epochs, learning_rate, seed, progress=progress)
    after = split.back.get_weights()
    split.back.set_weights([keep * a + (1 - keep) * b for a, b in zip(before, after, strict=True)])
    pixels = keras.Input(split.front.input_shape[1:], name="pixels")
    model = keras.Model(pixels, split.back(split.front(pixels)), name=f"{embedder}-adapted")
    return KerasEmbedder(model)


def _activations(
    split: Split, sources: Sequence[Source], views: int, seed: int, *, progress: bool
) -> tuple[Activations, list[int]]:
    """Return what the frozen part makes of each view of each readable photo, ``(views, n, …)``."""
    shape = split.front.output_shape[1:]
    needed = views * len(sources) * int(np.prod(shape)) * 2
    if needed > _MEMORY:
        raise InputError(
            f"{len(sources)} photos in {views} views would take {needed / 2**30:.1f} GB of memory, "
            f"more than {_MEMORY / 2**30:.0f}; pass fewer views, fewer blocks or fewer photos"
        )
    activations = np.empty((views, len(sources), *shape), np.float16)
    rng = np.random.default_rng(seed)
    kept: list[int] = []
    size = split.front.input_shape[1:3]
    with tqdm(total=len(sources), desc="looking", unit="photo", disable=not progress) as bar:
        for pixels, indices, bad in decoded_batches(sources, size, "rgb", _BATCH):
            if indices:
                rows = slice(len(kept), len(kept) + len(indices))
                for view in range(views):
                    seen = _CHANGES(pixels, rng) if view else pixels.astype(np.float32) / 255
                    activations[view, rows] = split.front.predict_on_batch(seen)
            kept.extend(indices)
            bar.update(len(indices) + len(bad))
    return activations[:, : len(kept)], kept


def _train(
    split: Split,
    activations: Activations,
    labels: npt.NDArray[np.intp],
    epochs: int,
    learning_rate: float,
    seed: int,
    *,
    progress: bool,
) -> None:
    """Let the learning part tell the products apart; batch normalisation stays as it is."""
    for layer in split.back.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    classes = int(labels.max()) + 1
    entrance = keras.Input(split.back.input_shape[1:])
    unit = layers.UnitNormalization()(split.back(entrance, training=False))
    start = keras.initializers.Orthogonal(seed=seed)
    logits = layers.Dense(
        classes,
        use_bias=False,
        kernel_initializer=start,
        kernel_constraint=keras.constraints.UnitNorm(axis=0),
    )(unit)
    classifier = keras.Model(entrance, layers.Rescaling(_SHARPNESS)(logits))
    batches = -(-len(labels) // _BATCH)
    fall = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * batches)
    classifier.compile(
        keras.optimizers.Adam(fall),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=_SMOOTHING),
    )
    chances = (1 / np.bincount(labels))[labels]  # every product is seen equally often
    rng = np.random.default_rng([seed, 1])
    targets = np.eye(classes, dtype=np.float32)[labels]
    with tqdm(total=epochs, desc="adapting", unit="epoch", disable=not progress) as bar:
        for _ in range(epochs):
            losses = []
            drawn = rng.choice(len(labels), batches * _BATCH, p=chances / chances.sum())
            for indices in drawn.reshape(batches, _BATCH):
                view = rng.integers(len(activations), size=len(indices))
                batch = activations[view, indices].astype(np.float32)
                losses.append(
                    float(cast(float, classifier.train_on_batch(batch, targets[indices])))
                )
            bar.set_postfix(loss=f"{np.mean(losses):.3f}")
            bar.update()
