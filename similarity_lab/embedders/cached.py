"""`CachedEmbedder`: a cache of vectors, by embedder and image content."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from similarity_lab._progress import tqdm
from similarity_lab._threads import in_order
from similarity_lab.embedders.base import Embedded, Embedder, Images, Vectors, as_sources
from similarity_lab.embedders.loading import EmbedderSource, load_embedder
from similarity_lab.errors import ImageError, StoreAccessError, StoreWarning
from similarity_lab.images.decoding import errors_table, map_ahead, spans
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.sources import Source, content_digest, describe
from similarity_lab.store import Pair, StoreSource, VectorStore

__all__ = ["CachedEmbedder"]

_BLOCK = 128  # images read and looked up together; their bytes are held in memory


@dataclass(frozen=True, eq=False)
class _Entry:
    """An image and the key of its vector."""

    name: str
    source: Source
    key: str  # equal keys have equal vectors
    storable: bool


class CachedEmbedder:
    """Looks up vectors in a store and computes only those that are missing.

    An image is identified by the SHA-256 of its bytes, and the same bytes are decoded, so that
    renamed or changing files never give a wrong vector. PIL images are always embedded, since no
    bytes of theirs identify them. New vectors are stored every 128 images, so that an interrupted
    run can be resumed. If the store cannot be written, a `StoreWarning` says so once, and new
    vectors are kept in memory.

    Parameters
    ----------
    embedder : Embedder, or what `load_embedder` takes
    store : VectorStore or folder, optional
        Default: in memory, for as long as this object exists.

    Attributes
    ----------
    name, dimension, input_size
        Those of the embedder.

    Examples
    --------
    >>> def mean_colour(images):
    ...     print(len(images), "computed")
    ...     return np.array([image.mean((0, 1)) for image in images])
    >>> embedder = load_embedder(mean_colour, name="mean colour", input_size=8)
    1 computed
    >>> cached, image = CachedEmbedder(embedder), np.full((8, 8, 3), 7, np.uint8)
    >>> cached.embed([image, image], progress=False).vectors.shape
    1 computed
    (2, 3)
    >>> cached.embed([image], progress=False).vectors
    array([[7., 7., 7.]], dtype=float32)
    """

    def __init__(self, embedder: EmbedderSource, store: StoreSource | None = None) -> None:
        self.embedder: Embedder = load_embedder(embedder)
        self.store = VectorStore() if store is None else VectorStore.of(store)
        self._unstored: VectorStore | None = None  # vectors that the store cannot take

    @property
    def name(self) -> str:
        """Name of the embedder; changes if it falls back to another runtime."""
        return self.embedder.name

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.embedder.dimension

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input, in pixels."""
        return self.embedder.input_size

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the embedder has
        # only models with a text tower have these, and ``hasattr`` tells whether one does
        if name in ("logit_scale", "logit_bias", "is_multilingual"):
            return getattr(self.embedder, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def embed_text(self) -> Callable[[Sequence[str]], Vectors]:
        """Look up or embed texts, float32 ``(m, dimension)``; only if the embedder has texts."""
        if not callable(getattr(self.embedder, "embed_text", None)):
            raise AttributeError(f"{self.embedder!r} embeds no texts")
        return self._embed_text

    def _embed_text(self, texts: Sequence[str]) -> Vectors:
        space = f"{self.name} text"  # a search among images does not find them
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts]
        known = self._get(sorted(set(keys)), space)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            vectors = self.embedder.embed_text(list(new.values()))  # type: ignore[attr-defined]
            computed = dict(zip(new, np.asarray(vectors, np.float32), strict=True))
            self._put(computed, dict.fromkeys(new, ""), space)
            known |= computed
        if not keys:
            return np.empty((0, self.dimension), np.float32)
        return np.stack([known[key] for key in keys])

    def __repr__(self) -> str:
        return f"<{self.embedder!r}, cached in {self.store!r}>"

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Embedded:
        """Look up or embed the readable images, and list the others; see `Embedder.embed`."""
        sources, name = as_sources(images), self.name
        vectors = np.empty((len(sources), self.dimension), np.float32)
        kept: list[int] = []
        errors: dict[int, ImageError] = {}
        blocks = spans(len(sources), _BLOCK)
        # the next blocks are read while this one is embedded
        entry_blocks = in_order(
            lambda span: [_entry(sources[index]) for index in span], blocks, workers=2
        )
        bar = tqdm(
            total=len(sources), desc="embedding", unit="image", disable=not progress, leave=None
        )
        with bar:
            for span, entries in zip(blocks, entry_blocks, strict=True):
                results = self._vectors(entries, batch_size)
                for index, result in zip(span, results, strict=True):
                    if isinstance(result, ImageError):
                        errors[index] = result
                    else:
                        vectors[len(kept)] = result
                        kept.append(index)
                bar.update(len(span))
        if (
            self.name != name
        ):  # it fell back to another runtime, so some vectors are of the wrong one
            return self.embed(images, batch_size=batch_size, progress=progress)
        return Embedded(vectors[: len(kept)], kept, errors_table(errors))

    def answers(
        self,
        question: str,
        pairs: Sequence[Pair],
        compute: Callable[[list[int]], Sequence[bool]],
    ) -> list[bool]:
        """Look up answers to a question about pairs of images; compute and store the others.

        Parameters
        ----------
        question : str
            Names what is asked, and how it is answered.
        pairs : sequence of (str, str)
            Content digests.
        compute : callable
            Positions in `pairs` → their answers, in order.
        """
        known: dict[Pair, bool] = {}
        stores = [store for store in (self._unstored, self.store) if store is not None]
        for store in stores:
            with suppress(StoreAccessError):  # computed again; vectors have said that
                known |= store.get_answers(question, pairs)
        missing = [index for index, pair in enumerate(pairs) if pair not in known]
        if missing:
            computed = zip(missing, compute(missing), strict=True)
            new = {pairs[index]: bool(answer) for index, answer in computed}
            with suppress(StoreAccessError):
                stores[0].put_answers(question, new)
            known |= new
        return [known[pair] for pair in pairs]

    def _vectors(
        self, entries: Sequence[_Entry | ImageError], batch_size: int | None
    ) -> list[Vectors | ImageError]:
        """Return the vector or the error of each image."""
        readable = {entry.key: entry for entry in entries if isinstance(entry, _Entry)}
        results: dict[str, Vectors | ImageError] = {}
        storable = [key for key, entry in readable.items() if entry.storable]
        results |= self._get(storable)
        hits = [readable[key].source for key in results]
        for error in map_ahead(_no_operation, hits):
            if error is not None:  # not expected: the bytes are already in memory
                raise error
        new = [entry for key, entry in readable.items() if key not in results]
        if new:
            embedded = self.embedder.embed(
                [entry.source for entry in new], batch_size=batch_size, progress=False
            )
            computed = {
                new[index].key: vector
                for index, vector in zip(embedded.kept, embedded.vectors, strict=True)
            }
            results |= computed
            unreadable = [entry for entry in new if entry.key not in computed]
            for entry, reason in zip(unreadable, embedded.skipped["reason"], strict=True):
                results[entry.key] = ImageError(entry.name, reason)
            stored = [entry for entry in new if entry.storable and entry.key in computed]
            self._put(
                {entry.key: computed[entry.key] for entry in stored},
                {entry.key: entry.name for entry in stored},
            )
        return [_result(results, entry) for entry in entries]

    def _get(self, contents: Sequence[str], space: str | None = None) -> dict[str, Vectors]:
        space = self.name if space is None else space
        vectors = {} if self._unstored is None else self._unstored.get(space, contents)
        try:
            return vectors | self.store.get(space, contents)
        except StoreAccessError as error:
            self._go_on_without(error)
            return vectors

    def _put(
        self, vectors: dict[str, Vectors], paths: dict[str, str], space: str | None = None
    ) -> None:
        space = self.name if space is None else space
        if self._unstored is None:
            try:
                self.store.put(space, vectors, paths)
                return
            except StoreAccessError as error:
                self._go_on_without(error)
        if self._unstored is not None:
            self._unstored.put(space, vectors, paths)

    def _go_on_without(self, error: StoreAccessError) -> None:
        if self._unstored is None:
            warnings.warn(
                f"{error}. New vectors are not stored, only kept in memory",
                StoreWarning,
                stacklevel=2,
            )
            self._unstored = VectorStore()


def _no_operation(source: Source) -> None:
    """Do nothing; `map_ahead` then calls `OpenedImage.notify_done`."""


def _entry(source: Source) -> _Entry | ImageError:
    name = describe(source)
    if isinstance(source, np.ndarray):
        return _Entry(name, source, content_digest(source), storable=True)
    if isinstance(source, Image.Image):
        return _Entry(name, source, f"{id(source)}", storable=False)
    image = source if isinstance(source, OpenedImage) else OpenedImage(source)
    try:
        return _Entry(name, image, image.digest, storable=True)
    except ImageError as error:
        return error


def _result(
    results: dict[str, Vectors | ImageError], entry: _Entry | ImageError
) -> Vectors | ImageError:
    """Return the result of an image; an error carries the name of this image, not of its copy."""
    if isinstance(entry, ImageError):
        return entry
    result = results[entry.key]
    return ImageError(entry.name, result.reason) if isinstance(result, ImageError) else result
