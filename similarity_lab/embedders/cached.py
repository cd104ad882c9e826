"""An embedder that looks up what it has seen before, by content."""

import hashlib
from dataclasses import dataclass
from os import PathLike

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from similarity_lab.embedders import Embedded, Embedder, embed_readable
from similarity_lab.embedders.base import Images, StreamingEmbedder, Vectors, as_sources
from similarity_lab.errors import ImageError
from similarity_lab.images.decoding import errors_table, in_order, spans
from similarity_lab.images.sources import Source, content_digest, describe, read_bytes
from similarity_lab.store.vectors import VectorStore

_BLOCK = 128  # pictures read and looked up at once; their bytes are held meanwhile


@dataclass(frozen=True, eq=False)
class _Picture:
    name: str
    digest: str
    source: Source
    keepable: bool

    @property
    def key(self) -> str:
        """Pictures with equal keys have equal vectors."""
        return self.digest if self.keepable else f"{self.digest} {id(self.source)}"


class StoredEmbedder:
    """Gives another embedder's vectors, and makes only those that the store does not hold.

    A picture is known by its bytes (SHA-256), and what is decoded are these same bytes, so neither
    names nor a file that changes meanwhile bring up a wrong vector. PIL images have no bytes that
    say all about them and are always embedded. What was made is kept every 128 pictures: an
    interrupted run goes on from there.

    Parameters
    ----------
    embedder : Embedder
    store : VectorStore

    Attributes
    ----------
    dimension, input_size, color
        The embedder's.
    """

    def __init__(self, embedder: Embedder, store: VectorStore) -> None:
        self.embedder, self.store = embedder, store
        self.dimension, self.input_size = embedder.dimension, embedder.input_size
        self.color = getattr(embedder, "color", None)
        # a stranger's embedder may know pictures by their paths
        self._takes_bytes = isinstance(embedder, StreamingEmbedder)

    @property
    def name(self) -> str:
        """The embedder's, which may learn only when it starts what computes."""
        return self.embedder.name

    def __repr__(self) -> str:
        return f"<{self.embedder!r}, kept in {self.store.folder}>"

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Vectors:
        """Return one vector per image, float32 ``(n, dimension)``; ImageError at a bad one."""
        result = self.embed_readable(images, batch_size=batch_size, progress=progress)
        if result.errors:
            raise result.errors[min(result.errors)]
        return result.vectors

    def embed_readable(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Embedded:
        """Embed or look up what can be read, and list the rest."""
        sources, name = as_sources(images), self.name
        vectors = np.empty((len(sources), self.dimension), np.float32)
        digests: dict[int, str] = {}
        errors: dict[int, ImageError] = {}
        blocks = spans(len(sources), _BLOCK)
        # the next blocks are read while this one is embedded
        reads = in_order(lambda span: [self._read(sources[at]) for at in span], blocks, workers=2)
        bar = tqdm(
            total=len(sources), desc="embedding", unit="image", disable=not progress, leave=None
        )
        with bar:
            for span, pictures in zip(blocks, reads, strict=True):
                found = self._vectors(pictures, batch_size)
                for at, picture, result in zip(span, pictures, found, strict=True):
                    if isinstance(result, ImageError):
                        errors[at] = result
                    elif isinstance(picture, _Picture):
                        vectors[len(digests)] = result
                        digests[at] = picture.digest
                bar.update(len(span))
        if self.name != name:  # the embedder found out what computes: other vectors are its own
            return self.embed_readable(images, batch_size=batch_size, progress=progress)
        kept = list(digests)
        contents = list(digests.values())
        return Embedded(vectors[: len(kept)], kept, errors_table(errors), errors, contents)

    def _read(self, source: Source) -> _Picture | ImageError:
        name = describe(source)
        if isinstance(source, (np.ndarray, Image.Image)):
            keepable = isinstance(source, np.ndarray)
            return _Picture(name, content_digest(source), source, keepable)
        try:
            data = read_bytes(source)
        except ImageError as error:
            return error
        by_path = isinstance(source, (str, PathLike)) and not self._takes_bytes
        digest = hashlib.sha256(data).hexdigest()
        return _Picture(name, digest, source if by_path else data, keepable=True)

    def _vectors(
        self, pictures: list[_Picture | ImageError], batch_size: int | None
    ) -> list[Vectors | ImageError]:
        """Return the vector or the error of each picture."""
        readable = {picture.key: picture for picture in pictures if isinstance(picture, _Picture)}
        outcome: dict[str, Vectors | ImageError] = {}
        outcome |= self.store.get(
            self.name, [key for key, picture in readable.items() if picture.keepable]
        )
        new = [picture for key, picture in readable.items() if key not in outcome]
        if new:
            made = embed_readable(
                self.embedder,
                [picture.source for picture in new],
                batch_size=batch_size,
                progress=False,
            )
            for at, vector in zip(made.kept, made.vectors, strict=True):
                outcome[new[at].key] = vector
            for at, error in made.errors.items():
                outcome[new[at].key] = error
            lasting = [new[at] for at in made.kept if new[at].keepable]
            self.store.put(
                self.name,
                {picture.key: outcome[picture.key] for picture in lasting},  # type: ignore[misc]
                {picture.key: picture.name for picture in lasting},
            )
        return [_named(outcome, picture) for picture in pictures]


def _named(
    outcome: dict[str, Vectors | ImageError], picture: _Picture | ImageError
) -> Vectors | ImageError:
    """Return what became of a picture; an error under the name that the picture was given by."""
    if isinstance(picture, ImageError):
        return picture
    result = outcome[picture.key]
    return ImageError(picture.name, result.reason) if isinstance(result, ImageError) else result
