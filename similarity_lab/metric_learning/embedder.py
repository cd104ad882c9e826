"""A trained head behind a base embedder: together they are an embedder like any other."""

import hashlib

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from similarity_lab.embedders import Embedded, Embedder
from similarity_lab.embedders.base import Images, StreamingEmbedder, Vectors, as_sources
from similarity_lab.files import skipped_table
from similarity_lab.images import Color, Pixels
from similarity_lab.images.decoding import spans
from similarity_lab.metric_learning.libraries import tf_keras
from similarity_lab.metric_learning.training import run

_BLOCK = 512  # images whose base vectors are in memory at once


class PixelEmbedder(StreamingEmbedder):
    """The pixels themselves, 0…255, as one flat vector: the base of a network that sees photos."""

    def __init__(self, size: tuple[int, int], color: Color = "rgb") -> None:
        height, width = size
        self.shape = (height, width, 1 if color == "gray" else 3)
        name = f"pixels {color} {height}x{width} bicubic"
        super().__init__(name, int(np.prod(self.shape)), size, color)

    def forward(self, pixels: Pixels) -> Vectors:
        """Flatten uint8 ``(b, h, w, c)`` to float32 ``(b, h · w · c)``."""
        return pixels.reshape(len(pixels), -1).astype(np.float32)


class HeadEmbedder:
    """A base embedder and a head on its vectors.

    The base may be any object with the `Embedder` protocol, also one that looks vectors up.

    Attributes
    ----------
    base : Embedder
    head : tf_keras.Model
    name : str
        Holds a digest of the head's weights, and the base's name.
    dimension : int
    input_size : (height, width)
    """

    def __init__(self, base: Embedder, head: tf_keras.Model) -> None:
        self.base, self.head = base, head
        self._digest = weights_digest(head)
        self.name = self._full_name()
        self.dimension = int(head.output_shape[1])
        self.input_size = base.input_size

    def __repr__(self) -> str:
        return f"<embedder {self.name}: {self.dimension} numbers per image>"

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Embedded:
        """Return one vector of length 1 per readable image, and list the others.

        Images go through in blocks, so that all vectors of the base are never in memory at once.
        """
        sources = as_sources(images)
        blocks: list[Vectors] = [np.empty((0, self.dimension), np.float32)]
        kept: list[int] = []
        skipped: list[pd.DataFrame] = [skipped_table([])]
        bar = tqdm(
            total=len(sources), desc="embedding", unit="image", disable=not progress, leave=None
        )
        with bar:
            for span in spans(len(sources), _BLOCK):
                embedded = self.base.embed(
                    [sources[index] for index in span], batch_size=batch_size, progress=False
                )
                blocks.append(run(self.head, embedded.vectors))
                kept.extend(span.start + index for index in embedded.kept)
                skipped.append(embedded.skipped)
                bar.update(len(span))
        self.name = self._full_name()
        return Embedded(np.concatenate(blocks), kept, pd.concat(skipped, ignore_index=True))

    def _full_name(self) -> str:
        """Return head and base; the base may know only when it has started what computes."""
        return f"{self.head.name} {self._digest} on {self.base.name}"


def weights_digest(head: tf_keras.Model) -> str:
    """Return eight hexadecimal digits that identify a head's weights."""
    digest = hashlib.sha256()
    for weight in head.get_weights():
        digest.update(f"{weight.shape}{weight.dtype}".encode() + weight.tobytes())
    return digest.hexdigest()[:8]
