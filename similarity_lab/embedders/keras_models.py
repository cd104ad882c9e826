"""Embedders that are Keras models: EfficientNet-Lite, and any model brought along."""

import hashlib

import numpy as np

from similarity_lab.backend import keras
from similarity_lab.embedders.base import StreamingEmbedder, Vectors
from similarity_lab.embedders.efficientnet_lite import efficientnet_lite
from similarity_lab.embedders.lite_variants import weights_digest
from similarity_lab.errors import InputError
from similarity_lab.images import Color, Pixels


class KerasEmbedder(StreamingEmbedder):
    """A Keras 3 model that takes float32 ``(n, h, w, 3)`` or ``(n, h, w, 1)`` in 0…1.

    Parameters
    ----------
    model : keras.Model
        One image input with fixed height and width, one output ``(n, dimension)``.
    color : {"rgb", "gray"}
        A one-channel model is always fed gray.
    name : str, optional
        Default: the model's name and a digest of its weights.

    Attributes
    ----------
    model : keras.Model
    """

    def __init__(self, model: keras.Model, color: Color = "rgb", name: str | None = None) -> None:
        height, width, channels = _image_input(model)
        if channels == 1:
            color = "gray"
        if len(model.output_shape) != 2 or model.output_shape[1] is None:
            raise InputError(
                f"model {model.name!r} gives {model.output_shape}; an embedder needs one vector "
                "per image, (None, dimension): end the model with pooling or Flatten"
            )
        self.model = model
        self._channels = channels
        identity = name or f"{model.name} {_digest(model)}"
        precision = f"keras {model.compute_dtype}"
        super().__init__(
            f"{identity} {color} {height}x{width} bicubic {precision}",
            int(model.output_shape[1]),
            (height, width),
            color,
        )

    def forward(self, pixels: Pixels) -> Vectors:
        """Return the vectors of one batch of uint8 pixels."""
        values = pixels.astype(np.float32) / np.float32(255)
        if values.shape[3] != self._channels:
            values = np.repeat(values, self._channels, axis=3)
        return np.asarray(self.model.predict_on_batch(values), np.float32)


def efficientnet_lite_embedder(
    name: str, color: Color, input_size: tuple[int, int] | None = None
) -> KerasEmbedder:
    """Return ``"efficientnet-lite0"`` or ``"efficientnet-lite2"`` with its packaged weights."""
    model = efficientnet_lite(name, input_size)
    return KerasEmbedder(model, color, name=f"{name} {weights_digest(name)}")


def _image_input(model: keras.Model) -> tuple[int, int, int]:
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[3] not in (1, 3):
        raise InputError(
            f"model {model.name!r} takes {shape}; an embedder needs one image input, "
            "(None, height, width, 3) or (None, height, width, 1)"
        )
    if None in shape[1:3]:
        raise InputError(
            f"model {model.name!r} takes any image size; build it with a fixed height and width"
        )
    return shape[1], shape[2], shape[3]


def _digest(model: keras.Model) -> str:
    digest = hashlib.sha256(model.to_json().encode())
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:8]
