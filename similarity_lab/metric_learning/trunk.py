"""EfficientNet-Lite0 in two parts: blocks that stay frozen, and the last ones, which learn.

What the frozen part makes of a photo never changes, so it is computed once per photo and not once
per step: on a CPU that is most of the work. At the default, five blocks that learn, a photo's
activations take 88 kB.
"""

import numpy as np

from similarity_lab.embedders.base import StreamingEmbedder, Vectors
from similarity_lab.embedders.efficientnet_lite import efficientnet_lite
from similarity_lab.embedders.lite_variants import weights_digest
from similarity_lab.images import Pixels
from similarity_lab.metric_learning import heads
from similarity_lab.metric_learning.libraries import tf_keras
from similarity_lab.metric_learning.training import run

layers = tf_keras.layers

NAME, N_BLOCKS = "efficientnet-lite0", 16


class FrontEmbedder(StreamingEmbedder):
    """The frozen first part; its activations as one flat vector.

    Parameters
    ----------
    blocks : int
        How many of the 16 blocks are left to learn, at the end.

    Raises
    ------
    ValueError
        For a number of blocks that is not there.
    """

    def __init__(self, blocks: int) -> None:
        if not 1 <= blocks <= N_BLOCKS:
            raise ValueError(
                f"blocks must be from 1 to {N_BLOCKS}, got {blocks}; to train on frozen features, "
                'take tower="features"'
            )
        self.network = efficientnet_lite(NAME, library=tf_keras)
        first = N_BLOCKS - blocks
        entrance = f"block{first}_expand_conv" if first else "block0_depthwise_conv"
        self._cut = self.network.get_layer(entrance).input
        self._front = tf_keras.Model(self.network.input, self._cut)
        self.shape: tuple[int, int, int] = tuple(self._cut.shape[1:])
        size = self.network.input_shape[1:3]
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
        last = tf_keras.Model(self._cut, self.network.output, name="trunk")
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
