"""Counter-examples for libraries that have none: vectors of generated images.

A library without other products says what the target looks like, but not how similar other things
look. Generated images are used instead: ten each of nine products and five other things that shops
show. They are images of the sample and are embedded when needed.
"""

import numpy as np
import numpy.typing as npt

from similarity_lab.embedders import Embedder, embed_all
from similarity_lab.embedders.base import Vectors
from similarity_lab.samples import IMAGES_PER_KIND, OTHERS, PRODUCTS, background_images

KINDS = (*PRODUCTS, *OTHERS)
_MIN_KINDS = 5
_SLACK = 0.05  # of cosine: a kind must be clearly less similar to the references


def background_labels() -> npt.NDArray[np.int64]:
    """Return what each background image shows, as a position in `KINDS`."""
    return np.repeat(np.arange(len(KINDS)), IMAGES_PER_KIND)


def background_vectors(embedder: Embedder) -> Vectors:
    """Return the vectors of the background images, ``(n, dimension)`` float32."""
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
