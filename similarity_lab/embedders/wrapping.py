"""Functions, scikit-learn transformers and objects with ``encode`` as embedders."""

from collections.abc import Callable
from functools import partial
from math import isqrt
from typing import Any

import numpy as np
from PIL import Image

from similarity_lab.embedders.base import NetworkEmbedder, Vectors
from similarity_lab.errors import EmbedderError
from similarity_lab.images import Color, Pixels

__all__ = ["FunctionEmbedder", "from_encoder", "from_transformer"]

Function = Callable[[list[Pixels]], Any]
"""List of RGB arrays → array ``(n, dimension)``."""

_INPUT_SIZE = (224, 224)


class FunctionEmbedder(NetworkEmbedder):
    """An embedder that calls a function; images are decoded, resized and batched for it.

    Parameters
    ----------
    function : callable
        List of uint8 RGB arrays ``(h, w, 3)`` → array ``(n, dimension)``. It is called once with
        a gray image, to find out the dimension.
    name : str
        Identifies what the function computes; stored vectors are looked up by it.
    color : {"rgb", "gray"}
        ``"gray"`` passes three equal channels.
    input_size : (height, width), optional
        Size of the arrays; default 224 × 224.
    """

    def __init__(
        self,
        function: Function,
        name: str,
        color: Color = "rgb",
        input_size: tuple[int, int] | None = None,
    ) -> None:
        height, width = input_size or _INPUT_SIZE
        self.function = function
        probe = np.asarray(function([np.full((height, width, 3), 128, np.uint8)]))
        if probe.ndim != 2 or len(probe) != 1:
            raise EmbedderError(
                f"{name!r} returned an array {probe.shape} for a list of one image; expected "
                "(1, dimension)"
            )
        super().__init__(
            f"{name} {color} {height}x{width} bicubic", probe.shape[1], (height, width), color
        )

    def forward(self, pixels: Pixels) -> Vectors:
        """Return the vectors of one batch of uint8 pixels."""
        if pixels.shape[3] == 1:
            pixels = np.repeat(pixels, 3, axis=3)
        vectors = np.asarray(self.function(list(pixels)))
        if vectors.shape != (len(pixels), self.dimension):
            raise EmbedderError(
                f"embedder {self.name!r} returned {vectors.shape} for {len(pixels)} images, "
                f"expected ({len(pixels)}, {self.dimension})"
            )
        return vectors.astype(np.float32, copy=False)


def from_transformer(
    transformer: Any,  # noqa: ANN401 - duck-typed
    name: str,
    color: Color,
    input_size: tuple[int, int] | None,
) -> FunctionEmbedder:
    """Wrap a fitted scikit-learn transformer of flat pixels, float32 0…1 ``(n, h · w · 3)``."""
    features = getattr(transformer, "n_features_in_", None)
    if input_size is None and features is not None:
        side = isqrt(features // 3)
        if 3 * side * side != features:
            raise EmbedderError(
                f"{name!r} was fitted on {features} features, not a square RGB image; pass "
                "input_size=(height, width)"
            )
        input_size = side, side

    return FunctionEmbedder(partial(_transform, transformer), name, color, input_size)


def from_encoder(
    encoder: Any,  # noqa: ANN401 - duck-typed
    name: str,
    color: Color,
    input_size: tuple[int, int] | None,
) -> FunctionEmbedder:
    """Wrap an object whose ``encode`` takes a list of PIL images, as sentence-transformers' do."""
    return FunctionEmbedder(partial(_encode, encoder), name, color, input_size)


def _transform(transformer: Any, images: list[Pixels]) -> Any:  # noqa: ANN401
    flat = np.stack(images).reshape(len(images), -1)
    return transformer.transform(flat.astype(np.float32) / np.float32(255))


def _encode(encoder: Any, images: list[Pixels]) -> Any:  # noqa: ANN401
    return encoder.encode([Image.fromarray(image) for image in images])
