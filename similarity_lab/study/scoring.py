"""The study's scoring loop, literally: sixteen single-image predictions per site image.

It is slow (1.6 s per image on two cores) and kept for comparison: the package's mean-distance rule
must agree with it to 1e-6, and its speed is the 1× of the benchmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.spatial import distance

from similarity_lab.backend import keras
from similarity_lab.images.sources import content_digest

N_REFERENCES = 15
"""References drawn at random, with replacement, for each image of a site."""
SIMILARITY_THRESHOLD = 0.65
"""Mean cosine distance up to which an image is similar; high because the references are noisy."""
RELEVANCE_THRESHOLD = 0.25
"""Share of similar images from which a site is relevant."""

ImagePath = str | PathLike[str]


class ReferenceIndices(Protocol):
    """What `original_distances` needs of a `similarity_lab.relevance.ReferenceDraw`."""

    def indices(self, n_references: int, digest: str, /) -> Sequence[int] | npt.NDArray[np.intp]:
        """Return the positions of the references drawn for the image with this digest."""


def embed_alone(model: keras.Model, path: ImagePath) -> npt.NDArray[np.float32]:
    """Return the vector of one image, float32 ``(1280,)``, as the study computed it.

    Read with PIL, convert to grayscale, resize with PIL's default filter, stack to three equal
    channels, divide by 255, predict a batch of one, flatten.

    Parameters
    ----------
    model : keras.Model
        ``load_embedder("efficientnet-lite0", color="gray", runtime="keras").model``
    path : path
    """
    with Image.open(path) as image:
        gray = np.asarray(image.convert("L").resize((224, 224)))
    pixels = np.stack((gray,) * 3, axis=-1) / 255.0
    embedding = model.predict(pixels[np.newaxis, ...], verbose=0)
    return np.array(embedding).flatten()


def original_distances(
    model: keras.Model,
    images: Sequence[ImagePath],
    references: Sequence[ImagePath],
    draw: ReferenceIndices,
) -> list[float]:
    """Return each image's mean cosine distance (0…2) to the references drawn for it.

    Parameters
    ----------
    model : keras.Model
        As for `embed_alone`.
    images, references : sequence of paths
    draw : ReferenceDraw
        Which references are drawn. (The study drew with Python's global random generator.)
    """
    means = []
    for path in images:
        positions = draw.indices(len(references), content_digest(path))
        vector = embed_alone(model, path)
        distances = [
            distance.cdist([embed_alone(model, references[position])], [vector], "cosine")[0, 0]
            for position in positions
        ]
        means.append(float(np.mean(distances)))
    return means


def original_decision(distances: Sequence[float]) -> bool:
    """Return whether a site with these mean distances, one or more, is relevant."""
    n_similar = sum(value <= SIMILARITY_THRESHOLD for value in distances)
    return n_similar / len(distances) >= RELEVANCE_THRESHOLD
