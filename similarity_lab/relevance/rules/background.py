"""Counter-examples for libraries that have none: vectors of generated images.

A library without other products says what the target looks like, but not how similar other things
look. Generated images are used instead: ten each of nine products and five other things that shops
show. Their vectors for the default embedders ship with the package (``tools/make_background.py``
makes them); for any other embedder the images of the sample are embedded when needed.
"""

import re
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from similarity_lab.embedders import Embedder, embed_all
from similarity_lab.embedders.base import Vectors
from similarity_lab.samples import IMAGES_PER_KIND, OTHERS, PRODUCTS, background_images

FILE = Path(__file__).with_name("background.npz")
KINDS = (*PRODUCTS, *OTHERS)
_MIN_KINDS = 5
_SLACK = 0.05  # of cosine: a kind must be clearly less similar to the references


def background_labels() -> npt.NDArray[np.int64]:
    """Return what each background image shows, as a position in `KINDS`."""
    return np.repeat(np.arange(len(KINDS)), IMAGES_PER_KIND)


def background_vectors(embedder: Embedder) -> Vectors:
    """Return the vectors of the background images, ``(n, dimension)`` float32.

    The packaged vectors serve every precision of their embedder: rounding moves a vector far less
    than the distance between an image of the target and one of something else.
    """
    packaged = _packaged().get(_without_precision(embedder.name))
    if packaged is not None:
        return packaged.astype(np.float32)
    return embed_all(embedder, background_images(), progress=False)


def counter_examples(
    references: Vectors, vectors: Vectors
) -> tuple[Vectors, npt.NDArray[np.int64], list[str]]:
    """Return the background without the kinds that might show the target.

    A kind whose images are as similar to the references as these are to each other is left out:
    generated almonds are no counter-examples for almonds.

    Parameters
    ----------
    references, vectors : ndarray, shapes (n, d) and (m, d)
        Of unit length; the target's images, and the background's.

    Returns
    -------
    vectors : ndarray, shape (k, d)
    labels : integers, shape (k,)
        Positions in the names.
    names : list of str
    """
    labels = background_labels()
    count = len(references)
    between = references @ references.T
    own = (between.sum(1) - 1) / (count - 1) if count > 1 else np.ones(1)
    similarity = np.array(
        [(vectors[labels == kind] @ references.T).mean() for kind in range(len(KINDS))]
    )
    kinds = np.flatnonzero(similarity < np.quantile(own, 0.1) - _SLACK)
    if len(kinds) < _MIN_KINDS:  # the references are too diverse: keep the least similar kinds
        kinds = np.sort(np.argsort(similarity)[:_MIN_KINDS])
    is_kept = np.isin(labels, kinds)
    return vectors[is_kept], np.searchsorted(kinds, labels[is_kept]), [KINDS[k] for k in kinds]


@cache
def _packaged() -> dict[str, npt.NDArray[np.float16]]:
    with np.load(FILE, allow_pickle=False) as file:
        names = [_without_precision(str(name)) for name in file["embedders"]]
        return {name: file[f"vectors_{index}"] for index, name in enumerate(names)}


def _without_precision(name: str) -> str:
    return re.sub(r" (?:bicubic|scaled) (?:keras|openvino) (?:float32|int8)$", "", name)
