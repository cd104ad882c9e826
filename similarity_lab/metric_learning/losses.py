"""The losses of TensorFlow Similarity, by name, with where they come from."""

import inspect
from typing import Any, Literal

from similarity_lab.errors import InputError
from similarity_lab.metric_learning.libraries import tf_keras, tfs

Loss = Literal["multisimilarity", "circle", "triplet", "soft-nearest-neighbour"]

TEMPERATURE = 0.1  # squared distances of unit vectors are 0…4: at 1 all neighbours weigh alike

_LOSSES: dict[str, tuple[str, dict[str, Any]]] = {
    "multisimilarity": ("MultiSimilarityLoss", {}),
    "circle": ("CircleLoss", {}),
    "triplet": ("TripletLoss", {}),
    "soft-nearest-neighbour": ("SoftNearestNeighborLoss", {"temperature": TEMPERATURE}),
}


def make_loss(name: Loss, **settings: Any) -> tf_keras.losses.Loss:  # noqa: ANN401
    """Return a loss on a batch's unit vectors and labels.

    Each compares all photos of a batch by cosine distance, 0…2 (soft nearest neighbour: squared
    Euclidean, 0…4, which ranks unit vectors alike), and falls as photos of one class come closer
    and others go away.

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
    ValueError
        For a name or a setting that is not there.

    Examples
    --------
    >>> vectors, labels = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [0, 0, 1, 1]
    >>> float(make_loss("multisimilarity")(labels, vectors))  # nothing left to do
    0.0
    """
    if name not in _LOSSES:
        raise InputError(f"loss must be one of {', '.join(_LOSSES)}, got {name!r}")
    kind, defaults = _LOSSES[name]
    loss = getattr(tfs.losses, kind)
    known = inspect.signature(loss).parameters.keys() - {"name", "kwargs"}
    if strange := settings.keys() - known:  # it would take them, and fail in the first step
        raise InputError(
            f"loss {name!r} has no setting {', '.join(sorted(strange))}; "
            f"it has {', '.join(sorted(known))}"
        )
    return loss(**(defaults | settings))
