"""Fine-tune EfficientNet-Lite on the images of a library.

The recipe is here: images, views, order of the batches, learning rates, average of the weights.
What depends on the library that trains, Keras or PyTorch, is a `Trainer`.
"""

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from similarity_lab._numbers import format_count
from similarity_lab._progress import tqdm
from similarity_lab._threads import in_order, usable_cores
from similarity_lab.datasets import load_dataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.embedders.adapting.trainer import Activations, Trainer
from similarity_lab.embedders.lite import HEAD, VARIANTS, LiteWeights, Weights
from similarity_lab.embedders.openvino_lite import OpenVinoLite
from similarity_lab.errors import EmbedderError, InputError, did_you_mean, one_line
from similarity_lab.files.listing import count_lost
from similarity_lab.images import Pixels, image_size, read_image
from similarity_lab.images.augmentation import Augmentation
from similarity_lab.images.decoding import decoded_batches
from similarity_lab.images.sources import Source

if TYPE_CHECKING:
    from similarity_lab.embedders.torch_lite import TorchLite

Front = Callable[[Pixels], npt.NDArray[np.float32]]
"""The frozen blocks: uint8 pixels ``(b, h, w, 3)`` → activations."""

TrainingRuntime = Literal["auto", "keras", "torch"]

_BATCH = 32
_MAX_ACTIVATION_BYTES = 4 * 2**30
_AUGMENTATION = {
    "rotation": 25, "zoom": 0.4, "shift": 0.15, "brightness": 0.2, "contrast": 0.4, "color": 0.25
}  # fmt: skip


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
    runtime: TrainingRuntime = "auto",
    device: str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> "OpenVinoLite | TorchLite":
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
    runtime : {"auto", "keras", "torch"}
        What trains: Keras (extra ``train``), or PyTorch (extra ``foundation``), which takes the
        same steps. ``"auto"`` is PyTorch on an accelerator, else Keras, which is faster on a CPU,
        if it is installed.
    device : str, optional
        Where PyTorch runs: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …, ``"mps"``; default: an
        accelerator if there is one. On an accelerator with bfloat16 it trains in that.
    seed : int
    progress : bool
        Show progress bars.

    Returns
    -------
    OpenVinoLite or TorchLite
        In float32 with OpenVINO, or in 16 bits on the accelerator. Its name includes a digest of
        its weights. ``embedder.weights.save("adapted")`` saves them, and
        ``load_embedder("adapted")`` loads them, for any runtime and device.

    Raises
    ------
    InputError
        The library has a single product, a parameter is out of range, or the activations would
        take more than 4 GB.
    EmbedderError
        The device does not exist, or OpenVINO, which runs the frozen blocks on a CPU, does not
        start.
    MissingExtraError
        Neither extra is installed, or OpenCV is missing, which makes the views.

    Warns
    -----
    UserWarning
        Files of the library could not be read.

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
    n_blocks = len(VARIANTS[embedder].blocks())
    if not 1 <= blocks <= n_blocks:
        raise InputError(f"blocks must be from 1 to {n_blocks}, got {blocks}")
    place = _training_device(runtime, device)
    dataset = load_dataset(library, progress=progress)
    products, labels = np.unique(dataset.labels, return_inverse=True)
    if len(products) < 2:
        raise InputError(
            f"expected a library of at least two products, got {len(products)}: "
            f"{', '.join(dataset.classes)}"
        )
    pretrained = LiteWeights(embedder, input_size=image_size(input_size) if input_size else None)
    activations, positions = _activations(
        _front(pretrained, n_blocks - blocks, place),
        dataset.sources,
        pretrained.input_size,
        views,
        seed,
        progress=progress,
    )
    n_skipped = count_lost(dataset.skipped) + len(dataset) - len(positions)
    if n_skipped:
        warnings.warn(
            f"{format_count(n_skipped, 'file')} could not be read, and left out; see "
            "load_dataset(library).skipped",
            stacklevel=2,
        )
    trainer = make_trainer(pretrained, blocks, random_classifier(len(products), seed), place)
    _train(trainer, activations, labels[positions], epochs, learning_rate, seed, progress=progress)
    tensors = dict(pretrained.tensors)
    for name, kernel in trainer.kernels().items():
        tensors[name] = (keep * tensors[name] + (1 - keep) * kernel).astype(np.float32)
    adapted = LiteWeights(embedder, tensors, pretrained.input_size)
    if place in (None, "cpu"):
        return OpenVinoLite(adapted)
    from similarity_lab.embedders.torch_lite import TorchLite

    return TorchLite(adapted, device=place)


def _training_device(runtime: str, device: str | None) -> str | None:
    """Return the device on which PyTorch trains, or None for Keras."""
    if runtime not in get_args(TrainingRuntime):
        raise InputError(
            f"runtime must be one of {', '.join(get_args(TrainingRuntime))}, got {runtime!r}"
        )
    if runtime == "keras":
        if device is not None:
            raise EmbedderError(f"device={device!r} has no effect on Keras; leave it out")
        return None
    is_chosen = runtime == "torch" or device is not None
    if not is_chosen and importlib.util.find_spec("torch") is None:
        return None
    from similarity_lab.embedders.torch_runtime import find_device

    place = find_device(device)
    if is_chosen or place != "cpu" or importlib.util.find_spec("keras") is None:
        return place
    return None


def make_trainer(
    weights: LiteWeights, blocks: int, classifier: Weights, device: str | None
) -> Trainer:
    """Return what trains: PyTorch on a device, or Keras."""
    if device is None:
        from similarity_lab.embedders.adapting.keras_trainer import KerasTrainer

        return KerasTrainer(weights, blocks, classifier)
    from similarity_lab.embedders.adapting.torch_trainer import TorchTrainer

    return TorchTrainer(weights, blocks, classifier, device)


def _front(weights: LiteWeights, blocks: int, device: str | None) -> Front:
    """Return the stem and the first blocks, in OpenVINO or on an accelerator."""
    if device not in (None, "cpu"):
        from similarity_lab.embedders.torch_lite import lite_module
        from similarity_lab.embedders.torch_runtime import TorchRuntime, fast_precision

        example = np.zeros((1, *weights.input_size, 3), np.uint8)
        module = lite_module(weights, range(blocks))
        return TorchRuntime(module, example, str(device), fast_precision(str(device)))
    try:
        from similarity_lab.embedders.openvino_graph import lite_graph
        from similarity_lab.embedders.openvino_runtime import compile_graph

        graph = lite_graph(weights, weights.input_size, 3, blocks=blocks)
        graph.reshape([1, *weights.input_size, 3])
        shape = [side.get_length() for side in graph.output(0).get_partial_shape()][1:]
        return compile_graph(graph, shape, usable_cores(), batch_size=1)
    except (ImportError, OSError, RuntimeError) as error:
        raise EmbedderError(
            f"OpenVINO, which runs the frozen blocks, does not start: {one_line(error)}"
        ) from error


def _activations(
    front: Front,
    sources: Sequence[Source],
    size: tuple[int, int],
    views: int,
    seed: int,
    *,
    progress: bool,
) -> tuple[Activations, list[int]]:
    """Return the outputs of the frozen blocks, and the positions of the readable images."""
    shape = front(np.zeros((1, *size, 3), np.uint8)).shape[1:]
    n_bytes = views * len(sources) * int(np.prod(shape)) * 2
    if n_bytes > _MAX_ACTIVATION_BYTES:
        needed, limit = n_bytes / 2**30, _MAX_ACTIVATION_BYTES / 2**30
        raise InputError(
            f"{len(sources)} images in {views} views would take {needed:.1f} GB of memory; "
            f"the limit is {limit:.0f} GB: pass fewer views, blocks or images"
        )
    activations = np.empty((views, len(sources), *shape), np.float16)
    augment = Augmentation(**_AUGMENTATION) if views > 1 else None
    rng = np.random.default_rng(seed)
    positions: list[int] = []
    read = partial(read_image, size=size)
    bar = tqdm(total=len(sources), desc="embedding", unit="image", disable=not progress)

    def versions() -> Iterator[tuple[int, int, Pixels]]:
        """Yield view, first row and pixels; the views of a batch come from one decode."""
        for images, indices, errors in decoded_batches(read, sources, _BATCH):
            row = len(positions)
            positions.extend(indices)
            bar.update(len(indices) + len(errors))
            for view in range(views) if indices else ():
                pixels = np.stack(images)
                if augment and view:
                    pixels = np.rint(augment(pixels, rng) * 255).astype(np.uint8)
                yield view, row, pixels

    def run(version: tuple[int, int, Pixels]) -> tuple[int, int, npt.NDArray[np.float32]]:
        view, row, pixels = version
        return view, row, front(pixels)

    with bar:  # one thread augments, which is drawn in order, while others run the network
        workers = usable_cores()
        for view, row, values in in_order(run, versions(), workers=workers, ahead=2 * workers):
            activations[view, row : row + len(values)] = values
    return activations[:, : len(positions)], positions


def random_classifier(n_products: int, seed: int) -> Weights:
    """Return a random start ``(1280, products)``: orthogonal unit columns, if there are enough."""
    rng = np.random.default_rng([seed, 2])
    columns = rng.standard_normal((HEAD, n_products))
    if n_products <= HEAD:
        columns = np.linalg.qr(columns)[0]
    return (columns / np.linalg.norm(columns, axis=0)).astype(np.float32)


def _train(
    trainer: Trainer,
    activations: Activations,
    labels: npt.NDArray[np.intp],
    epochs: int,
    learning_rate: float,
    seed: int,
    *,
    progress: bool,
) -> None:
    """Train on random views of images, drawn so that every product is equally frequent."""
    batches = -(-len(labels) // _BATCH)
    rates = learning_rate * (1 + np.cos(np.pi * np.arange(epochs * batches) / (epochs * batches)))
    weights = (1 / np.bincount(labels))[labels]
    rng = np.random.default_rng([seed, 1])
    with tqdm(total=epochs, desc="adapting", unit="epoch", disable=not progress) as bar:
        for of_epoch in (rates / 2).reshape(epochs, batches):
            sample = rng.choice(len(labels), batches * _BATCH, p=weights / weights.sum())
            losses = []
            for indices, rate in zip(sample.reshape(batches, _BATCH), of_epoch, strict=True):
                views = rng.integers(len(activations), size=len(indices))
                batch = activations[views, indices]
                losses.append(trainer.step(batch, labels[indices], float(rate)))
            bar.set_postfix(loss=f"{np.mean([float(loss) for loss in losses]):.3f}")
            bar.update()
