"""A trained Siamese network as a comparator."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from similarity_lab.backend import keras
from similarity_lab.distances.comparators import Distances, EmbeddingComparator
from similarity_lab.embedders.base import Images
from similarity_lab.embedders.keras_models import KerasEmbedder
from similarity_lab.errors import InputError, PathNotFoundError
from similarity_lab.files import atomic_write
from similarity_lab.siamese.heads import build, logit_line, parts


def load(path: str | PathLike[str]) -> keras.Model:
    """Read a network from a ``.keras`` file, ready to predict; compile it to train further.

    Parameters
    ----------
    path : path
        What ``network.save(path)`` or `SiameseComparator.save` wrote. A file that contains code
        is refused.

    Returns
    -------
    keras.Model

    Raises
    ------
    PathNotFoundError
        No such file.
    """
    if not Path(path).is_file():
        raise PathNotFoundError(f"No such file: {path}; expected a network saved as .keras")
    return keras.saving.load_model(path, compile=False, safe_mode=True)


class SiameseComparator(EmbeddingComparator):
    """Compares images with a Siamese network; each image goes through the tower once.

    The distance is the Euclidean distance between the tower's vectors, whatever the head. The
    probability of a sigmoid head is a monotonic function of it, so the ranking of pairs is the
    same; but 32-bit probabilities saturate at 0 and 1, where many pairs would tie. If a head has
    learned that a larger distance is more alike, the sign is reversed.

    Parameters
    ----------
    network : keras.Model
        From `build`, or a tower alone (as the triplet loss trains it). One-channel towers are fed
        gray, three-channel ones RGB. After further training, make a new comparator.

    Attributes
    ----------
    network : keras.Model
    head : {"sigmoid", "batchnorm-sigmoid", "distance"}
    embedder : KerasEmbedder
        The tower; its name contains a digest of architecture and weights.

    Raises
    ------
    InputError
        For a model that is neither.

    Examples
    --------
    >>> from similarity_lab.samples import load_image
    >>> from similarity_lab.siamese import architecture_1, build
    >>> comparator = SiameseComparator(build(architecture_1(), "sigmoid"))
    >>> images = [load_image("almonds", 1), load_image("dates", 1)]
    >>> comparator.distances(images, images[:1]).shape
    (2, 1)
    >>> threshold = comparator.distance_at(0.5)  # where the network is undecided
    """

    def __init__(self, network: keras.Model) -> None:
        self.network = network if len(network.inputs) == 2 else build(network, "distance")
        tower, self.head = parts(self.network)
        super().__init__(KerasEmbedder(tower, name=f"{tower.name} {_digest(tower)}"), "euclidean")
        self._smallest = self.network.get_layer("distance").epsilon ** 0.5
        self._slope, self._offset = logit_line(self.network)
        self._sign = -1.0 if self.head != "distance" and self._slope > 0 else 1.0

    @property
    def name(self) -> str:
        """Identifies tower, weights and head."""
        return f"siamese {self.head} of {self.embedder.name}"

    def __repr__(self) -> str:
        return f"<comparator {self.name}>"

    def between(self, a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> Distances:
        """Return distances of vectors: ``(n, d), (m, d) → (n, m)`` float32, smaller = more alike.

        At least 0 (at most 0 if the head has learned the reverse direction).
        """
        distances = super().between(a, b)
        distances *= self._sign
        return distances

    def probability(self, a: Images, b: Images) -> Distances:
        """Return the probability that images show the same class, ``(len(a), len(b))``, 0…1."""
        self._check_probability()
        return self.probability_at(self.distances(a, b))

    def probability_at(self, distances: npt.ArrayLike) -> Distances:
        """Return the probability of each distance of this comparator, same shape, 0…1.

        Raises
        ------
        InputError
            With the head ``"distance"``, which has no probability.
        """
        self._check_probability()
        # The network never sees a distance below this one.
        clamped = np.maximum(np.abs(np.asarray(distances, np.float64)), self._smallest)
        return expit(self._slope * clamped + self._offset).astype(np.float32)

    def distance_at(self, probability: float) -> float:
        """Return the distance of a given probability, as a similarity threshold.

        Pairs at or below this distance have at least this probability. A result below 0 means
        that no pair has it.

        Raises
        ------
        InputError
            With the head ``"distance"``, a head that ignores the distance, or a probability that
            is not between 0 and 1.
        """
        self._check_probability()
        if not 0 < probability < 1:
            raise InputError(f"probability must lie between 0 and 1, got {probability}")
        if self._slope == 0:
            raise InputError("this head assigns every pair the same probability; train it first")
        return float(self._sign * (logit(probability) - self._offset) / self._slope)

    def save(self, path: str | Path) -> None:
        """Write the network to a ``.keras`` file, which contains no pickle."""
        if Path(path).suffix != ".keras":
            raise InputError(f"expected a path ending in .keras, got {str(path)!r}")
        with atomic_write(Path(path)) as part:
            self.network.save(part)

    @classmethod
    def load(cls, path: str | Path) -> SiameseComparator:
        """Read what `save` wrote; a file that contains code is refused."""
        return cls(load(path))

    def _check_probability(self) -> None:
        if self.head == "distance":
            raise InputError(
                'the head "distance" has no probability; use distances, or build the network '
                'with the head "sigmoid"'
            )


def _digest(tower: keras.Model) -> str:
    """Digest what determines the vectors, but not what is frozen or compiled for training."""
    config = json.dumps(_without(json.loads(tower.to_json()), {"trainable", "compile_config"}))
    digest = hashlib.sha256(config.encode())
    for weight in tower.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:8]


def _without(value: Any, keys: set[str]) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: _without(inner, keys) for key, inner in value.items() if key not in keys}
    return [_without(inner, keys) for inner in value] if isinstance(value, list) else value
