"""The original study's demo of TensorFlow Similarity, as it stands, and offline.

Its own sampler, loss, index and search, on handwritten digits: scikit-learn's, which come with it,
or MNIST where `tensorflow_datasets` has it on this machine.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import PathNotFoundError
from similarity_lab.metric_learning.heads import small
from similarity_lab.metric_learning.index import LOOKUP_COLUMNS
from similarity_lab.metric_learning.libraries import quietly, tf_keras, tfs

EXAMPLES = 100  # indexed
PER_CLASS = 6  # of each of the ten classes in a batch

Data = Literal["digits", "mnist"]


@dataclass(frozen=True, eq=False)
class Demo:
    """What the demo found.

    Attributes
    ----------
    history : DataFrame
        ``epoch`` (from 1), ``loss``.
    indexed : ImageDataset
        The 100 examples, ten of each digit.
    queries : ImageDataset
        The other examples that were not trained on, at most 500.
    neighbours : DataFrame
        The five nearest indexed examples of each query: ``query, rank, label, distance, path,
        position``. As TensorFlow Similarity finds them; cosine, 0…2.
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
    """Train the demo's network on digits, index 100 examples, look the others up.

    Batches of ten classes with six examples each · Rescaling 1/255 · Conv 64 3×3 ReLU · Flatten ·
    Dense 64 ReLU · MetricEmbedding 64 · MultiSimilarityLoss · Adam.

    Parameters
    ----------
    data : {"digits", "mnist"}
        1,797 digits of 8 × 8 pixels from scikit-learn, or MNIST's training part (28 × 28; the
        first 10,000 of them).
    epochs, steps : int
    seed : int
        Of first weights, batches and the choice of examples.
    download : bool
        Whether `tensorflow_datasets` may fetch MNIST.

    Raises
    ------
    FileNotFoundError
        If MNIST is not on this machine and `download` is False, or it cannot be fetched.

    Examples
    --------
    >>> demo = run_demo(epochs=1, steps=5)
    >>> len(demo.indexed), len(demo.neighbours) == 5 * len(demo.queries)
    (100, True)
    """
    photos = _digits() if data == "digits" else _mnist(download)
    train, rest = photos.split(0.4 if data == "digits" else 0.1, seed)
    at = _per_class(rest, EXAMPLES // 10, seed)
    others = np.setdiff1d(np.arange(len(rest)), at)
    indexed, queries = rest.subset(at), rest.subset(others[:500])
    head = small(photos.images.shape[1:], seed=seed)
    model = tfs.models.SimilarityModel(head.inputs, head.outputs)
    with quietly(), _seeded(seed):
        model.compile(tf_keras.optimizers.Adam(), loss=tfs.losses.MultiSimilarityLoss())
        sampler = tfs.samplers.MultiShotMemorySampler(
            _flat(train), train.labels, classes_per_batch=10,
            examples_per_class_per_batch=PER_CLASS, steps_per_epoch=steps,
        )  # fmt: skip
        trained = model.fit(sampler, epochs=epochs, verbose=0)
        model.index(_flat(indexed), indexed.labels, data=np.arange(EXAMPLES), verbose=0)
        found = model.lookup(_flat(queries), k=5, verbose=0)
    rows = [
        (query, one.rank, photos.classes[one.label], one.distance, "<array>", int(one.data))
        for query, nearest in enumerate(found)
        for one in nearest
    ]
    losses = trained.history["loss"]
    history = pd.DataFrame({"epoch": range(1, len(losses) + 1), "loss": losses})
    return Demo(history, indexed, queries, pd.DataFrame(rows, columns=LOOKUP_COLUMNS))


def _digits() -> ImageDataset:
    digits = load_digits()
    pixels = (digits.images * (255 / 16)).round().astype(np.uint8)
    return ImageDataset.from_arrays(pixels[..., None], digits.target, [str(n) for n in range(10)])


def _mnist(download: bool) -> ImageDataset:
    import tensorflow_datasets as tfds

    try:
        pairs = tfds.load(
            "mnist", split="train[:10000]", as_supervised=True, batch_size=-1, download=download
        )
    except Exception as error:  # tensorflow_datasets lets every library's errors through
        raise PathNotFoundError(
            f"no MNIST on this machine ({' '.join(str(error).split())[:120]}); with a network, "
            'run_demo("mnist", download=True) fetches it (11 MB); run_demo("digits") needs none'
        ) from error
    pixels, labels = tfds.as_numpy(pairs)
    return ImageDataset.from_arrays(pixels, labels, [str(number) for number in range(10)])


def _flat(photos: ImageDataset) -> np.ndarray:
    return photos.images.reshape(len(photos), -1).astype(np.float32)


def _per_class(photos: ImageDataset, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(photos.labels == label) for label in range(len(photos.classes))]
    return np.concatenate([rng.choice(one, count, replace=False) for one in members])


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed Python's global generator, which the sampler draws with, and put it back."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
