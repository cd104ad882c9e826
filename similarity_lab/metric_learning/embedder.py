"""A trained head behind a base embedder: together they are an embedder like any other."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from similarity_lab.embedders import Embedder, load_embedder
from similarity_lab.embedders.base import (
    Batch,
    Images,
    StreamingEmbedder,
    Vectors,
    as_sources,
    embed_all,
)
from similarity_lab.embedders.loading import EmbedderSource
from similarity_lab.images import Color, Pixels
from similarity_lab.images.sources import Source, content_digest
from similarity_lab.metric_learning.libraries import tf_keras
from similarity_lab.metric_learning.training import run


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


class RememberingEmbedder:
    """Keeps the vectors of a frozen embedder in memory, by what a photo holds.

    Training, indexing, calibrating and looking up the same photos, or training several heads on
    them, then runs them through the network once.

    Parameters
    ----------
    embedder : name, Keras model or embedder
        As `load_embedder` takes it.

    Attributes
    ----------
    name, dimension, input_size
        The embedder's own: its vectors are these.

    Examples
    --------
    >>> class Mean:
    ...     name, dimension, input_size = "mean colour", 3, (8, 8)
    ...     def embed(self, images, *, batch_size=32, progress=True):
    ...         print(len(images), "embedded")
    ...         return np.array([image.mean((0, 1)) for image in images], np.float32)
    >>> photo = np.full((8, 8, 3), 7, np.uint8)
    >>> embedder = RememberingEmbedder(Mean())
    >>> embedder.embed([photo, photo]).shape, embedder.embed([photo]).shape
    1 embedded
    ((2, 3), (1, 3))
    """

    def __init__(self, embedder: EmbedderSource = "efficientnet-lite0") -> None:
        self._embedder = load_embedder(embedder)
        self.name, self.dimension = self._embedder.name, self._embedder.dimension
        self.input_size = self._embedder.input_size
        self._known: dict[str, Vectors] = {}

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Vectors:
        """Return one vector per image, float32 ``(n, dimension)``, as the embedder does."""
        sources = as_sources(images)
        digests = [content_digest(source) for source in sources]
        new = {d: s for d, s in zip(digests, sources, strict=True) if d not in self._known}
        if new:
            made = embed_all(
                self._embedder, list(new.values()), batch_size=batch_size, progress=progress
            )
            self._known.update(zip(new, made, strict=True))
        known = [self._known[digest] for digest in digests]
        return np.array(known, np.float32).reshape(len(known), self.dimension)


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
    ) -> Vectors:
        """Return one vector of length 1 per image, float32 ``(n, dimension)``."""
        vectors = embed_all(self.base, images, batch_size=batch_size, progress=progress)
        self.name = self._full_name()
        return run(self.head, vectors)

    def _full_name(self) -> str:
        """Return head and base; the base may know only when it has started what computes."""
        return f"{self.head.name} {self._digest} on {self.base.name}"


class StreamingHeadEmbedder(HeadEmbedder, StreamingEmbedder):
    """The same on a base that streams, so that the base's vectors are never held all at once."""

    def __init__(self, base: StreamingEmbedder, head: tf_keras.Model) -> None:
        HeadEmbedder.__init__(self, base, head)
        self.base: StreamingEmbedder = base
        self.color, self.batch_size = base.color, base.batch_size

    def forward(self, pixels: Pixels) -> Vectors:
        """Return the vectors of one batch of uint8 pixels."""
        return run(self.head, self.base.forward(pixels))

    def _batches(self, sources: Sequence[Source], batch_size: int) -> Iterator[Batch]:
        # the base decodes as it likes, and keeps all cores busy
        for vectors, indices, bad in self.base._batches(sources, batch_size):
            yield run(self.head, vectors), indices, bad
        self.name = self._full_name()

    embed = StreamingEmbedder.embed
    __repr__ = StreamingEmbedder.__repr__


def with_head(base: Embedder, head: tf_keras.Model) -> HeadEmbedder:
    """Return base and head as one embedder."""
    if isinstance(base, StreamingEmbedder):
        return StreamingHeadEmbedder(base, head)
    return HeadEmbedder(base, head)


def weights_digest(head: tf_keras.Model) -> str:
    """Return eight hexadecimal digits that identify a head's weights."""
    digest = hashlib.sha256()
    for weight in head.get_weights():
        digest.update(f"{weight.shape}{weight.dtype}".encode() + weight.tobytes())
    return digest.hexdigest()[:8]
