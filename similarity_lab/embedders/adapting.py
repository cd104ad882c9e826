"""Fine-tune EfficientNet-Lite on the images of a library."""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt

from similarity_lab._progress import tqdm
from similarity_lab.backend import keras
from similarity_lab.datasets import load_dataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.embedders.keras_models import KerasEmbedder, Split, split_efficientnet_lite
from similarity_lab.embedders.lite import VARIANTS
from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.files.listing import count_lost
from similarity_lab.images import image_size, read_image
from similarity_lab.images.augmentation import Augmentation
from similarity_lab.images.decoding import decoded_batches
from similarity_lab.images.sources import Source

layers = keras.layers

Activations = npt.NDArray[np.float16]
"""Outputs of the frozen blocks, ``(views, n, h, w, c)``."""

_BATCH = 32
_LOGIT_SCALE = 16.0  # inverse temperature: the logits are cosines times this
_LABEL_SMOOTHING = 0.1
_MAX_ACTIVATION_BYTES = 4 * 2**30
_AUGMENTATION = Augmentation(
    rotation=25, zoom=0.4, shift=0.15, brightness=0.2, contrast=0.4, color=0.25
)


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
    """Return an embedder that separates the products of a library better.

    The last blocks are fine-tuned with a cosine classifier of the library's products, with the
    statistics of batch normalisation frozen. Their weights are then averaged with the pretrained
    ones, which preserves most of what the network knows about other images. The frozen blocks run
    once per image and view, not once per step.

    Parameters
    ----------
    library : folder, zip, mapping or ImageDataset
        As `load_dataset` takes it, with at least two products.
    embedder : {"efficientnet-lite0", "efficientnet-lite2"}
        The pretrained network.
    input_size : int or (height, width), optional
        Input size in pixels; default: the network's own.
    blocks : int
        Number of blocks that are fine-tuned, from the last; 1…number of blocks.
    views : int
        Number of versions of each image: the original and views − 1 augmented ones (rotation,
        zoom, shift, brightness, contrast, colour). Memory and time are proportional to it.
    epochs : int
        Passes over the images; each pass takes a random view of an image.
    learning_rate : float
        Initial learning rate; it decays to 0 along half a cosine.
    keep : float
        Weight of the pretrained network in the average, 0…1; 1 changes nothing.
    seed : int
    progress : bool
        Show progress bars.

    Returns
    -------
    KerasEmbedder
        Its name includes a digest of its weights. ``embedder.model.save("adapted.keras")`` saves it
        and ``load_embedder("adapted.keras")`` loads it.

    Raises
    ------
    InputError
        The library has a single product, a parameter is out of range, or the activations would
        take more than 4 GB.

    Warns
    -----
    UserWarning
        Files of the library could not be read.

    Notes
    -----
    It runs in Keras on TensorFlow, which uses a GPU if it finds one; that has not been measured.
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
    dataset = load_dataset(library, progress=progress)
    products, labels = np.unique(dataset.labels, return_inverse=True)
    if len(products) < 2:
        raise InputError(
            f"expected a library of at least two products, got {len(products)}: "
            f"{', '.join(dataset.classes)}"
        )
    size = image_size(input_size) if input_size else None
    split = split_efficientnet_lite(embedder, blocks, size)
    activations, positions = _activations(split, dataset.sources, views, seed, progress=progress)
    n_skipped = count_lost(dataset.skipped) + len(dataset) - len(positions)
    if n_skipped:
        warnings.warn(
            f"{n_skipped} files could not be read and are not used; load_dataset(library).skipped "
            "lists them",
            stacklevel=2,
        )
    pretrained = split.back.get_weights()
    _train(split, activations, labels[positions], epochs, learning_rate, seed, progress=progress)
    pairs = zip(pretrained, split.back.get_weights(), strict=True)
    split.back.set_weights([keep * a + (1 - keep) * b for a, b in pairs])
    pixels = keras.Input(split.front.input_shape[1:], name="pixels")
    model = keras.Model(pixels, split.back(split.front(pixels)), name=f"{embedder}-adapted")
    return KerasEmbedder(model)


def _activations(
    split: Split, sources: Sequence[Source], views: int, seed: int, *, progress: bool
) -> tuple[Activations, list[int]]:
    """Return the outputs of the frozen blocks, and the positions of the readable images."""
    shape = split.front.output_shape[1:]
    n_bytes = views * len(sources) * int(np.prod(shape)) * 2
    if n_bytes > _MAX_ACTIVATION_BYTES:
        needed, limit = n_bytes / 2**30, _MAX_ACTIVATION_BYTES / 2**30
        raise InputError(
            f"{len(sources)} images in {views} views would take {needed:.1f} GB of memory; "
            f"the limit is {limit:.0f} GB: pass fewer views, blocks or images"
        )
    activations = np.empty((views, len(sources), *shape), np.float16)
    rng = np.random.default_rng(seed)
    positions: list[int] = []
    read = partial(read_image, size=split.front.input_shape[1:3])
    with tqdm(total=len(sources), desc="embedding", unit="image", disable=not progress) as bar:
        for images, indices, errors in decoded_batches(read, sources, _BATCH):
            if indices:
                pixels = np.stack(images)
                rows = slice(len(positions), len(positions) + len(indices))
                for view in range(views):
                    values = _AUGMENTATION(pixels, rng) if view else pixels.astype(np.float32) / 255
                    activations[view, rows] = split.front.predict_on_batch(values)
            positions.extend(indices)
            bar.update(len(indices) + len(errors))
    return activations[:, : len(positions)], positions


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
    """Fine-tune `split.back` with a cosine classifier, batch normalisation frozen."""
    for layer in split.back.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    classes = int(labels.max()) + 1
    inputs = keras.Input(split.back.input_shape[1:])
    unit_vectors = layers.UnitNormalization()(split.back(inputs, training=False))
    cosines = layers.Dense(
        classes,
        use_bias=False,
        kernel_initializer=keras.initializers.Orthogonal(seed=seed),
        kernel_constraint=keras.constraints.UnitNorm(axis=0),
    )(unit_vectors)
    classifier = keras.Model(inputs, layers.Rescaling(_LOGIT_SCALE)(cosines))
    batches = -(-len(labels) // _BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * batches)
    classifier.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=_LABEL_SMOOTHING),
    )
    weights = (1 / np.bincount(labels))[labels]  # balanced: every product is equally frequent
    rng = np.random.default_rng([seed, 1])
    targets = np.eye(classes, dtype=np.float32)[labels]
    with tqdm(total=epochs, desc="adapting", unit="epoch", disable=not progress) as bar:
        for _ in range(epochs):
            losses = []
            sample = rng.choice(len(labels), batches * _BATCH, p=weights / weights.sum())
            for indices in sample.reshape(batches, _BATCH):
                views = rng.integers(len(activations), size=len(indices))
                batch = activations[views, indices].astype(np.float32)
                losses.append(
                    float(cast(float, classifier.train_on_batch(batch, targets[indices])))
                )
            bar.set_postfix(loss=f"{np.mean(losses):.3f}")
            bar.update()
