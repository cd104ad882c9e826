"""EfficientNet-Lite0 in two parts: blocks that stay frozen, and the last ones, which learn.

What the frozen part makes of a photo never changes, so it is computed once per photo and not once
per step: on a CPU that is most of the work. At the default, five blocks that learn, a photo's
activations take 88 kB.
"""

import numpy as np

from similarity_lab.embedders.base import StreamingEmbedder, Vectors
from similarity_lab.embedders.efficientnet_lite import split_efficientnet_lite
from similarity_lab.embedders.lite_variants import weights_digest
from similarity_lab.images import Pixels
from similarity_lab.metric_learning import heads
from similarity_lab.metric_learning.libraries import tf_keras
from similarity_lab.metric_learning.training import run

layers = tf_keras.layers

NAME = "efficientnet-lite0"


class FrontEmbedder(StreamingEmbedder):
    """The frozen first part; its activations as one flat vector.

    Parameters
    ----------
    blocks : int
        How many of its 16 blocks are left to learn, at the end.

    Raises
    ------
    ValueError
        For a number of blocks that is not there.
    """

    def __init__(self, blocks: int) -> None:
        parts = split_efficientnet_lite(NAME, blocks, library=tf_keras)
        self._front, self._last = parts.front, parts.back
        self.shape: tuple[int, int, int] = tuple(self._front.output_shape[1:])
        size = self._front.input_shape[1:3]
        name = f"{NAME} {weights_digest(NAME)} before its last {blocks} blocks rgb "
        name += f"{size[0]}x{size[1]} bicubic tf_keras float32"
        super().__init__(name, int(np.prod(self.shape)), size, "rgb")

    def forward(self, pixels: Pixels) -> Vectors:
        """Return the activations of one batch: uint8 ``(b, h, w, 3)`` → float32 ``(b, n)``."""
        values = run(self._front, pixels.astype(np.float32) / np.float32(255))
        return values.reshape(len(pixels), -1)

    def back(self, dimension: int | None, seed: int) -> tf_keras.Model:
        """Return the rest with a projection: activations → float32 ``(n, dimension)``, length 1.

        Batch normalisation keeps its stored statistics; a small batch would spoil them.
        """
        last = tf_keras.Model(self._last.input, self._last.output, name="trunk")
        for layer in last.layers:
            layer.trainable = not isinstance(layer, layers.BatchNormalization)
        flat = tf_keras.Input((self.dimension,), name="activations")
        features = last(layers.Reshape(self.shape, name="picture")(flat))
        projection = heads.on_features("projection", features.shape[1], dimension=dimension,
                                       dropout=0.0, seed=seed)  # fmt: skip
        return tf_keras.Model(flat, projection(features), name=NAME)


def start_projection(head: tf_keras.Model, activations: Vectors) -> None:
    """Let the projection start from the principal components of the photos to train on."""
    trunk = tf_keras.Sequential([head.get_layer("picture"), head.get_layer("trunk")])
    heads.start_from(head.get_layer("projection"), run(trunk, activations))
