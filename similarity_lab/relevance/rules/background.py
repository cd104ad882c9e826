"""Counter-examples for those who have none: vectors of generated photos.

A library without other products says what the target looks like, but not how much like it other
things are. Photos drawn by `similarity_lab.samples` stand in: ten kinds of goods and scenes. Their
vectors for the default embedders are in the package (``tools/make_background.py`` makes them);
for any other embedder the photos are drawn and embedded when needed.
"""

import re
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from similarity_lab.embedders import Embedder
from similarity_lab.embedders.base import Vectors
from similarity_lab.images import Pixels
from similarity_lab.samples import OTHERS, PRODUCTS, draw

FILE = Path(__file__).with_name("background.npz")
KINDS = (*PRODUCTS, *OTHERS)
PER_KIND = 10
_SIDE, _SEED = 300, 2**30
_LEAST_KINDS = 5
_SLACK = 0.05  # of cosine: a kind must be clearly less like the references


def background_photos() -> list[Pixels]:
    """Draw the photos, `PER_KIND` of each kind, in the order of `KINDS`."""
    return [
        draw(kind, seed=_SEED + number, size=(_SIDE, _SIDE))
        for kind in KINDS
        for number in range(PER_KIND)
    ]


def background_labels() -> npt.NDArray[np.int64]:
    """Return which kind each photo is of, as a position in `KINDS`."""
    return np.repeat(np.arange(len(KINDS)), PER_KIND)


def background_vectors(embedder: Embedder) -> Vectors:
    """Return the vectors of the background photos, ``(n, dimension)`` float32.

    The packaged ones stand in for those of another precision: what is no almond is far from it.
    """
    kept = _packaged().get(_without_precision(embedder.name))
    if kept is not None:
        return kept.astype(np.float32)
    return embedder.embed(background_photos(), progress=False)


def counter_examples(
    references: Vectors, vectors: Vectors
) -> tuple[Vectors, npt.NDArray[np.int64], list[str]]:
    """Return the background without the kinds that might show the target.

    A kind whose photos are as like the references as these are like each other is left out: drawn
    almonds are no counter-example to almonds.

    Parameters
    ----------
    references, vectors : ndarray, shapes (n, d) and (m, d)
        Of length 1; the target's photos, and the background's.

    Returns
    -------
    vectors : ndarray, shape (k, d)
    labels : integers, shape (k,)
        Positions in the names.
    names : list of str
    """
    labels = background_labels()
    among = references @ references.T
    count = len(references)
    own = (among.sum(1) - 1) / (count - 1) if count > 1 else np.ones(1)
    like = np.array([(vectors[labels == kind] @ references.T).mean() for kind in range(len(KINDS))])
    unlike = np.flatnonzero(like < np.quantile(own, 0.1) - _SLACK)
    if len(unlike) < _LEAST_KINDS:  # the references differ more than anything: keep the least like
        unlike = np.sort(np.argsort(like)[:_LEAST_KINDS])
    kept = np.isin(labels, unlike)
    return vectors[kept], np.searchsorted(unlike, labels[kept]), [KINDS[kind] for kind in unlike]


@cache
def _packaged() -> dict[str, npt.NDArray[np.float16]]:
    with np.load(FILE, allow_pickle=False) as file:
        names = [_without_precision(str(name)) for name in file["embedders"]]
        return {name: file[f"vectors_{at}"] for at, name in enumerate(names)}


def _without_precision(name: str) -> str:
    return re.sub(r" (?:bicubic|scaled) (?:keras|openvino) (?:float32|int8)$", "", name)
