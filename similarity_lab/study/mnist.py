"""The study's demo of TensorFlow Similarity, unchanged, and offline.

TensorFlow Similarity's own sampler, loss, index and search, on handwritten digits: those of
scikit-learn, or MNIST if `tensorflow_datasets` has it on this machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.datasets import load_digits

from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import InputError, MissingExtraError, PathNotFoundError
from similarity_lab.metric_learning.index import LOOKUP_COLUMNS
from similarity_lab.metric_learning.libraries import quietly, tf_keras, tfs
from similarity_lab.metric_learning.towers import small_network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_INDEXED = 100
IMAGES_PER_CLASS = 6  # of each of the ten classes in a batch

Data = Literal["digits", "mnist"]


@dataclass(frozen=True, eq=False)
class Demo:
    """The result of the demo.

    Attributes
    ----------
    history : DataFrame
        ``epoch`` (from 1), ``loss``.
    indexed : ImageDataset
        The 100 examples, ten of each digit.
    queries : ImageDataset
        Other examples that were not trained on, at most 500.
    neighbours : DataFrame
        The five nearest indexed examples of each query: ``query, rank, label, distance, path,
        position``. From TensorFlow Similarity's search; cosine distance, 0…2.
    """

    history: pd.DataFrame
    indexed: ImageDataset
    queries: ImageDataset
    neighbours: pd.DataFrame

    @property
    def accuracy(self) -> float:
        """Share of the queries whose nearest example is the same digit."""
        nearest = self.neighbours[self.neighbours["rank"] == 1]
        names = np.asarray(self.queries.classes)[self.queries.labels]
        return float((nearest["label"].to_numpy() == names[nearest["query"]]).mean())

    def plot(self, n: int = 4) -> Figure:
        """Show the first `n` queries with their five nearest examples."""
        from similarity_lab import plots

        return plots.neighbour_sheet(self.queries, self.neighbours, self.indexed, n_queries=n)


def run_demo(
    data: Data = "digits",
    *,
    epochs: int = 5,
    steps: int = 60,
    seed: int = 0,
    download: bool = False,
) -> Demo:
    """Train the demo's network on digits, index 100 examples, and look up the others.

    Batches of ten classes with six examples each · Rescaling 1/255 · Conv 64 3×3 ReLU · Flatten ·
    Dense 64 ReLU · MetricEmbedding 64 · MultiSimilarityLoss · Adam.

    Parameters
    ----------
    data : {"digits", "mnist"}
        1,797 digits of 8 × 8 pixels from scikit-learn, or MNIST's training part (28 × 28; the
        first 10,000 of them).
    epochs, steps : int
    seed : int
        Of initial weights, batches and the choice of examples.
    download : bool
        Whether `tensorflow_datasets` may download MNIST.

    Raises
    ------
    PathNotFoundError
        If MNIST is not on this machine and `download` is False, or the download fails.
    MissingExtraError
        If MNIST is asked for and `tensorflow_datasets` is not installed.

    Examples
    --------
    >>> demo = run_demo(epochs=1, steps=5)
    >>> len(demo.indexed), len(demo.neighbours) == 5 * len(demo.queries)
    (100, True)
    """
    if data not in ("digits", "mnist"):
        raise InputError(f"Unknown data {data!r}. Expected digits or mnist")
    dataset = _digits() if data == "digits" else _mnist(download)
    training, held_out = dataset.split(0.4 if data == "digits" else 0.1, seed)
    positions = _draw_per_class(held_out, N_INDEXED // 10, seed)
    others = np.setdiff1d(np.arange(len(held_out)), positions)
    indexed, queries = held_out.subset(positions), held_out.subset(others[:500])
    head = small_network(dataset.images.shape[1:], seed=seed)
    model = tfs.models.SimilarityModel(head.inputs, head.outputs)
    with quietly(), _seeded(seed):
        model.compile(tf_keras.optimizers.Adam(), loss=tfs.losses.MultiSimilarityLoss())
        sampler = tfs.samplers.MultiShotMemorySampler(
            _flat(training), training.labels, classes_per_batch=10,
            examples_per_class_per_batch=IMAGES_PER_CLASS, steps_per_epoch=steps,
        )  # fmt: skip
        history = model.fit(sampler, epochs=epochs, verbose=0).history
        model.index(_flat(indexed), indexed.labels, data=np.arange(N_INDEXED), verbose=0)
        lookups = model.lookup(_flat(queries), k=5, verbose=0)
    rows = [
        (
            query,
            neighbour.rank,
            dataset.classes[neighbour.label],
            neighbour.distance,
            "<array>",
            int(neighbour.data),
        )
        for query, neighbours in enumerate(lookups)
        for neighbour in neighbours
    ]
    losses = pd.DataFrame({"epoch": range(1, epochs + 1), "loss": history["loss"]})
    return Demo(losses, indexed, queries, pd.DataFrame(rows, columns=LOOKUP_COLUMNS))


def _digits() -> ImageDataset:
    digits = load_digits()
    pixels = (digits.images * (255 / 16)).round().astype(np.uint8)
    return ImageDataset.from_arrays(pixels[..., None], digits.target, [str(n) for n in range(10)])


def _mnist(download: bool) -> ImageDataset:
    try:
        import tensorflow_datasets as tfds
    except ModuleNotFoundError as error:
        raise MissingExtraError("MNIST", str(error.name), "train") from None
    try:
        pairs = tfds.load(
            "mnist", split="train[:10000]", as_supervised=True, batch_size=-1, download=download
        )
    except Exception as error:  # tensorflow_datasets raises the errors of many libraries
        raise PathNotFoundError(
            f"MNIST is not on this machine ({' '.join(str(error).split())[:120]}); "
            'run_demo("mnist", download=True) downloads it (11 MB); run_demo("digits") needs none'
        ) from error
    pixels, labels = tfds.as_numpy(pairs)
    return ImageDataset.from_arrays(pixels, labels, [str(number) for number in range(10)])


def _flat(dataset: ImageDataset) -> npt.NDArray[np.float32]:
    return dataset.images.reshape(len(dataset), -1).astype(np.float32)


def _draw_per_class(dataset: ImageDataset, count: int, seed: int) -> npt.NDArray[np.intp]:
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(dataset.labels == label) for label in range(len(dataset.classes))]
    return np.concatenate([rng.choice(positions, count, replace=False) for positions in members])


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed Python's global generator, which the sampler uses, and restore it afterwards."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
