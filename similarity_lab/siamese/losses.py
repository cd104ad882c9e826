"""Losses for the Siamese networks, and the heads that each of them fits."""

import math
from typing import Any

from similarity_lab.backend import keras
from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.siamese.heads import Head

ops = keras.ops

# The heads whose output each loss takes; None: the vectors of a tower without a head.
FITTING_HEADS: dict[str, tuple[Head | None, ...]] = {
    "binary-crossentropy": ("sigmoid", "batchnorm-sigmoid"),
    "contrastive": ("distance",),
    "triplet": (None,),
}


def make_loss(name: str, *, head: Head | None, margin: float | None = None) -> keras.losses.Loss:
    """Return a loss by name, if it fits the head.

    Parameters
    ----------
    name : {"binary-crossentropy", "contrastive", "triplet"}
    head : {"sigmoid", "batchnorm-sigmoid", "distance"} or None
        The head of the network to train; None for a tower without one, which ``"triplet"``
        trains on batches of images with class labels.
    margin : float, optional
        Above 0; default 1.0 (contrastive) or 0.2 (triplet).

    Raises
    ------
    InputError
        For an unknown loss, a head that it does not fit, or a margin it does not have.

    Examples
    --------
    >>> make_loss("contrastive", head="distance", margin=0.5).margin
    0.5
    """
    if name not in FITTING_HEADS:
        raise InputError(
            f"Unknown loss {name!r}.{did_you_mean(name, FITTING_HEADS)} "
            f"Expected one of {', '.join(FITTING_HEADS)}"
        )
    if head not in FITTING_HEADS[name]:
        fitting = [loss for loss, heads in FITTING_HEADS.items() if head in heads]
        raise InputError(
            f"loss {name!r} does not fit head {head!r}: it needs "
            f"{' or '.join(map(repr, FITTING_HEADS[name]))}; for {head!r} use "
            f"{' or '.join(map(repr, fitting)) or 'another head'}"
        )
    settings: dict[str, Any] = {} if margin is None else {"margin": margin}
    if name == "contrastive":
        return ContrastiveLoss(**settings)
    if name == "triplet":
        return TripletSemiHardLoss(**settings)
    if settings:
        raise InputError("binary-crossentropy has no margin; leave margin out")
    return keras.losses.BinaryCrossentropy()


class _MarginLoss(keras.losses.Loss):
    """A loss with one number, its margin."""

    def __init__(self, margin: float, name: str, **settings: Any) -> None:  # noqa: ANN401
        if not (isinstance(margin, (int, float)) and math.isfinite(margin) and margin > 0):
            raise InputError(f"margin must be a number above 0, got {margin!r}")
        super().__init__(name=name, **settings)
        self.margin = margin

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "margin": self.margin}


@keras.saving.register_keras_serializable(package="similarity_lab")
class ContrastiveLoss(_MarginLoss):
    """Pull pairs of the same class together, push others apart up to a distance of `margin`.

    ``½ distance²`` for a pair of the same, ``½ max(margin - distance, 0)²`` for different ones.
    Source: R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality Reduction by Learning an Invariant
    Mapping", CVPR 2006, https://doi.org/10.1109/CVPR.2006.100, equation 4 (where the label is 0
    for the same; ours is `is_same`).

    Parameters
    ----------
    margin : float
        Above 0. Vectors of length one are at most 2 apart.

    Examples
    --------
    >>> import numpy as np
    >>> is_same, distance = np.float32([[1], [0], [0]]), np.float32([[0.6], [0.4], [3]])
    >>> round(float(ContrastiveLoss(margin=1.0)(is_same, distance)), 4)  # (0.18 + 0.18 + 0) / 3
    0.12
    """

    def __init__(
        self,
        margin: float = 1.0,
        name: str = "contrastive",
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(margin, name, **settings)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each pair: `is_same` and distance, ``(n, 1)`` each → ``(n,)``."""
        distance = ops.reshape(y_pred, (-1,))
        is_same = ops.cast(ops.reshape(y_true, (-1,)), distance.dtype)
        gap = ops.maximum(self.margin - distance, 0.0)
        return 0.5 * (is_same * ops.square(distance) + (1.0 - is_same) * ops.square(gap))


@keras.saving.register_keras_serializable(package="similarity_lab")
class TripletSemiHardLoss(_MarginLoss):
    """Pull pairs of a class closer, by `margin`, than the anchor is to another class.

    For every anchor and positive of the batch ``max(d(anchor, positive) - d(anchor, negative) +
    margin, 0)`` with squared distances d, and the mean over these pairs. The negative is
    semi-hard: the closest one farther away than the positive; where none is, the farthest one.
    Anchors without a positive or a negative are ignored; a batch of only those has loss 0.
    Source: F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet: A Unified Embedding for Face
    Recognition and Clustering", CVPR 2015, https://arxiv.org/abs/1503.03832.

    Parameters
    ----------
    margin : float
        Above 0. The default is FaceNet's, for vectors of length one (d is then 0…4).

    Notes
    -----
    The memory grows with the cube of the batch: 1 MB for 64 images, 64 MB for 256.

    Examples
    --------
    >>> import numpy as np
    >>> vectors = np.float32([[1, 0], [1, 0], [0, 1], [0, 1]])
    >>> float(TripletSemiHardLoss()(np.array([0, 0, 1, 1]), vectors))
    0.0
    >>> round(float(TripletSemiHardLoss()(np.array([0, 0, 0, 1]), vectors)), 4)
    0.8
    """

    def __init__(
        self,
        margin: float = 0.2,
        name: str = "triplet_semi_hard",
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(margin, name, **settings)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of a batch: classes ``(n,)`` or ``(n, 1)``, vectors ``(n, d)`` → ()."""
        labels = ops.reshape(y_true, (-1,))
        same = ops.equal(labels[:, None], labels[None])
        others = ops.logical_not(ops.eye(ops.shape(y_pred)[0], dtype="bool"))
        is_pair = ops.logical_and(
            ops.logical_and(same, others), ops.logical_not(ops.all(same, axis=1))[:, None]
        )
        distances = _squared_distances(y_pred)
        hinge = distances - _semi_hard(distances, same) + self.margin
        # `where` rather than a product: ignored entries may be infinite.
        losses = ops.where(is_pair, ops.maximum(hinge, 0.0), 0.0)
        n_pairs = ops.sum(ops.cast(is_pair, losses.dtype))
        return ops.sum(losses) / ops.maximum(n_pairs, 1.0)


def _squared_distances(vectors: keras.KerasTensor) -> keras.KerasTensor:
    squares = ops.sum(ops.square(vectors), axis=1)
    products = ops.matmul(vectors, ops.transpose(vectors))
    return ops.maximum(squares[:, None] + squares[None] - 2.0 * products, 0.0)


def _semi_hard(distances: keras.KerasTensor, same: keras.KerasTensor) -> keras.KerasTensor:
    """Return the distance to the negative of each anchor (row) and positive (column)."""
    farther = distances[:, None, :] > distances[:, :, None]  # anchor, positive, negative
    candidates = ops.logical_and(farther, ops.logical_not(same)[:, None, :])
    nearest = ops.min(ops.where(candidates, distances[:, None, :], math.inf), axis=2)
    farthest = ops.max(ops.where(same, 0.0, distances), axis=1)[:, None]
    return ops.where(ops.any(candidates, axis=2), nearest, farthest)
