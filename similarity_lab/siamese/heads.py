"""Heads: from the vectors of two images to one number, and the two-input network around them."""

from typing import Any, Literal, get_args

from similarity_lab.backend import keras
from similarity_lab.errors import InputError, did_you_mean

layers, ops = keras.layers, keras.ops

Head = Literal["sigmoid", "batchnorm-sigmoid", "distance"]
HEADS: tuple[Head, ...] = get_args(Head)


@keras.saving.register_keras_serializable(package="similarity_lab")
class EuclideanDistance(keras.layers.Layer):
    """Euclidean distance between two vectors, pair by pair.

    Parameters
    ----------
    epsilon : float
        The squared distance is clamped below by this before the root, whose slope at 0 is
        infinite; so no distance is below ``epsilon ** 0.5``, by default 0.0003.

    Examples
    --------
    >>> import numpy as np
    >>> left, right = np.float32([[0, 0], [1, 1]]), np.float32([[3, 4], [1, 1]])
    >>> np.asarray(EuclideanDistance()([left, right])).round(4)
    array([[5.e+00],
           [3.e-04]], dtype=float32)
    """

    def __init__(self, epsilon: float = 1e-7, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(**settings)
        self.epsilon = epsilon

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Return distances: two of ``(n, d)`` → ``(n, 1)``, at least ``epsilon ** 0.5``."""
        left, right = inputs
        squares = ops.sum(ops.square(left - right), axis=-1, keepdims=True)
        return ops.sqrt(ops.maximum(squares, self.epsilon))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "epsilon": self.epsilon}


def build(tower: keras.Model, head: Head = "sigmoid") -> keras.Model:
    """Return the Siamese network of a tower: two images in, distance or probability out.

    Parameters
    ----------
    tower : keras.Model
        One image → one vector; both inputs go through it.
    head : {"sigmoid", "batchnorm-sigmoid", "distance"}
        ``"sigmoid"``: distance · Dense 1, the head of the study's architecture 1;
        ``"batchnorm-sigmoid"``: distance · batch normalisation · Dense 1, that of architecture 2;
        ``"distance"``: the distance itself, for the contrastive loss.

    Returns
    -------
    keras.Model
        Inputs `left` and `right`, each like the tower's. Output ``(n, 1)``: `is_same`, the
        probability 0…1 that both show the same class; or `distance`, from 0, smaller = more alike.
        Train it against 1 = same, 0 = different, with a loss that fits: `make_loss`.

    Raises
    ------
    InputError
        For an unknown head, or a tower that does not turn one input into one vector.

    Notes
    -----
    The probability initially falls with distance (weight -1). With a weight of random sign, as
    usual, half of all networks would first pull different pairs together.

    Examples
    --------
    >>> from similarity_lab.siamese import architecture_1
    >>> network = build(architecture_1(), "sigmoid")
    >>> network.count_params(), network.output_names
    (19890, ['is_same'])
    """
    if head not in HEADS:
        raise InputError(
            f"Unknown head {head!r}.{did_you_mean(head, HEADS)} Expected one of {', '.join(HEADS)}"
        )
    if len(tower.inputs) != 1 or len(tower.output_shape) != 2:
        raise InputError(
            f"tower {tower.name!r} turns {tower.input_shape} into {tower.output_shape}; "
            "a tower turns one image into one vector: (None, h, w, c) → (None, d)"
        )
    left = keras.Input(tower.input_shape[1:], name="left")
    right = keras.Input(tower.input_shape[1:], name="right")
    x = EuclideanDistance(name="distance")([tower(left), tower(right)])
    if head == "batchnorm-sigmoid":
        x = layers.BatchNormalization(name="normalize_distance")(x)
    if head != "distance":
        minus_one = keras.initializers.Constant(-1.0)
        x = layers.Dense(1, "sigmoid", kernel_initializer=minus_one, name="is_same")(x)
    return keras.Model([left, right], x, name=f"siamese_{tower.name}")


def parts(network: keras.Model) -> tuple[keras.Model, Head]:
    """Return the tower and the head of a network that `build` made."""
    towers = [layer for layer in network.layers if isinstance(layer, keras.Model)]
    names = {layer.name for layer in network.layers}
    if len(towers) != 1 or "distance" not in names:
        raise InputError(
            f"model {network.name!r} is not a Siamese network; expected the result of build(tower)"
        )
    if "is_same" not in names:
        return towers[0], "distance"
    return towers[0], "batchnorm-sigmoid" if "normalize_distance" in names else "sigmoid"


def logit_line(network: keras.Model) -> tuple[float, float]:
    """Return slope and offset of the logit of `is_same` over distance.

    Before the sigmoid, a sigmoid head is linear: ``logit = slope · distance + offset``.
    """
    slope, offset = 1.0, 0.0
    for layer in network.layers:
        if layer.name == "normalize_distance":
            gamma, beta, mean, variance = (weight.item() for weight in layer.get_weights())
            scale = gamma / (variance + layer.epsilon) ** 0.5
            slope, offset = slope * scale, (offset - mean) * scale + beta
        elif layer.name == "is_same":
            kernel, bias = (weight.item() for weight in layer.get_weights())
            slope, offset = slope * kernel, offset * kernel + bias
    return slope, offset
