"""The losses of TensorFlow Similarity, by name, with their sources."""

import inspect
from typing import Any, Literal

from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.metric_learning.libraries import tf_keras, tfs

Loss = Literal["multisimilarity", "circle", "triplet", "soft-nearest-neighbour"]

TEMPERATURE = 0.1  # squared distances of unit vectors are 0…4: at 1 all neighbours weigh the same

_LOSSES: dict[str, tuple[str, dict[str, Any]]] = {
    "multisimilarity": ("MultiSimilarityLoss", {}),
    "circle": ("CircleLoss", {}),
    "triplet": ("TripletLoss", {}),
    "soft-nearest-neighbour": ("SoftNearestNeighborLoss", {"temperature": TEMPERATURE}),
}


def make_loss(name: Loss, **settings: Any) -> tf_keras.losses.Loss:  # noqa: ANN401
    """Return a loss on the labels and unit vectors of a batch.

    Each compares all images of a batch by cosine distance, 0…2 (soft nearest neighbour: squared
    Euclidean, 0…4, which ranks unit vectors the same), and falls as images of one class come closer
    and others move away.

    Parameters
    ----------
    name : {"multisimilarity", "circle", "triplet", "soft-nearest-neighbour"}
        X. Wang et al., "Multi-Similarity Loss", 2019, https://arxiv.org/abs/1904.06627;
        Y. Sun et al., "Circle Loss", 2020, https://arxiv.org/abs/2002.10857;
        F. Schroff et al., "FaceNet", 2015, https://arxiv.org/abs/1503.03832 (hardest positive,
        semi-hard negative, soft margin);
        N. Frosst et al., "Soft Nearest Neighbor Loss", 2019, https://arxiv.org/abs/1902.01889
        (temperature 0.1).
    **settings
        Of the class of TensorFlow Similarity, e.g. ``margin=0.2``.

    Raises
    ------
    InputError
        For an unknown name or setting.

    Examples
    --------
    >>> vectors, labels = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [0, 0, 1, 1]
    >>> float(make_loss("multisimilarity")(labels, vectors))  # a perfect embedding
    0.0
    """
    if name not in _LOSSES:
        raise InputError(
            f"Unknown loss {name!r}.{did_you_mean(name, _LOSSES)} "
            f"Expected one of {', '.join(_LOSSES)}"
        )
    kind, defaults = _LOSSES[name]
    loss = getattr(tfs.losses, kind)
    valid = sorted(inspect.signature(loss).parameters.keys() - {"name", "kwargs"})
    for setting in sorted(settings.keys() - set(valid)):  # it would fail in the first step only
        raise InputError(
            f"Unknown setting {setting!r} of loss {name!r}.{did_you_mean(setting, valid)} "
            f"Expected some of {', '.join(valid)}"
        )
    return loss(**(defaults | settings))
