"""A site's embedded images: each is read, decoded and embedded once, for any number of targets.

Images that are clutter (icons, banners, graphics) or repeat another image can be left out of the
count.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Literal, cast, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from similarity_lab._numbers import format_count
from similarity_lab.embedders import CachedEmbedder, Embedded, Embedder
from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import InputError, SiteError
from similarity_lab.images import Pixels, read_image
from similarity_lab.images.copies import copy_thumbnail, find_copies
from similarity_lab.images.decoding import map_ahead
from similarity_lab.images.hashing import hash_distance, hash_thumbnail, perceptual_hash
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.scaled import read_scaled
from similarity_lab.images.sources import Source, content_digest, describe, printable
from similarity_lab.images.thumbnails import EncodedThumbnail, make_thumbnail
from similarity_lab.relevance.rules.prototypes import one_thread
from similarity_lab.relevance.verdict import SCORE_COLUMNS
from similarity_lab.relevance.words import TargetWords
from similarity_lab.relevance.words.tokens import tokens
from similarity_lab.relevance.words.urls import url_parts
from similarity_lab.sites import Site
from similarity_lab.store import unit

Clutter = Literal["icons", "banners", "graphics"]
CLUTTER_KINDS: tuple[Clutter, ...] = ("icons", "banners", "graphics")

_ICON_SIDE = 64  # pixels, longer side
_BANNER_ASPECT = 3.0  # longer side over shorter
_GRID = 96  # rows and columns of the sampled pixels
_FEW_COLOURS = 6  # of 512, that make up nearly all of a graphic
_NEARLY_ALL = 0.95

_CLOSE = 1e-3  # cosine distance; an image that is saved again or scaled down stays below
_SAME_BITS = 6  # of 64 in which the perceptual hashes of such an image may differ
_BLOCK = 128

# Changed copies of one photo: nearly all are among the nearest images, and closer than this
# (benchmarks/near_copies.py); pixels decide.
_NEAR = 0.25
_N_NEAREST = 3

HashOf = Callable[[int], np.uint64]
"""Returns the perceptual hash of the image at a position."""

AreCopies = Callable[[list[tuple[int, int]]], Sequence[bool]]
"""Tells of pairs of positions whether one image is a changed copy of the other."""

_NEAR_COPY = "near copy, method 1"  # the question by which answers are stored

_DTYPES = {
    **dict.fromkeys(["score", "photo_score", "text_score"], float),
    **dict.fromkeys(["distance", "probability", "margin", "nearest_distance"], float),
    **dict.fromkeys(["confusable", "nearest_reference"], object),  # text, or NaN
}


@dataclass(frozen=True, eq=False)
class EmbeddedSite:
    """A site with the vectors of its readable images.

    Attributes
    ----------
    site : Site
    embedded : Embedded
    embedder : str
        Name of the embedder of the vectors.
    digests : list of str
        Content digest of each readable image.
    clutter : tuple of (str or None)
        Kind of each readable image that is left out.
    repeats : ndarray of bool or None
        Which readable images repeat another one; none of those that are left out. None: copies
        were not looked for.
    near_copies : ndarray of bool or None
        Which of the others are near copies of another one: cropped, mirrored, framed, with text.
    thumbnails : dict of path to EncodedThumbnail
        Of images that were decoded, if requested.
    leave_out : frozenset of {"icons", "banners", "graphics"}
        The kinds that do not count.
    """

    site: Site
    embedded: Embedded
    embedder: str
    digests: list[str]
    clutter: tuple[Clutter | None, ...]
    repeats: npt.NDArray[np.bool_] | None
    near_copies: npt.NDArray[np.bool_] | None
    thumbnails: dict[object, EncodedThumbnail] = field(default_factory=dict)
    leave_out: frozenset[Clutter] = frozenset()

    @classmethod
    def of(
        cls,
        site: Site,
        embedder: Embedder,
        *,
        leave_out: Sequence[Clutter] = (),
        count_repeats_once: bool = True,
        thumbnails: bool = False,
        progress: bool = True,
    ) -> "EmbeddedSite":
        """Return the site with its readable images embedded.

        Each file is read and decoded once, by the embedder. Clutter kind, perceptual hash and
        thumbnail come from that decode; bytes and pixels are then dropped.

        Parameters
        ----------
        site : Site
        embedder : Embedder
        leave_out : sequence of {"icons", "banners", "graphics"}
            Kinds of images to exclude from the count, see `clutter_kind`.
        count_repeats_once : bool
            Look for images that repeat another one, for rules that count these once; otherwise
            `with_copies` does.
        thumbnails : bool
            Also make a thumbnail of each image that is decoded, for a report.
        progress : bool
            Show a progress bar.

        Raises
        ------
        SiteError
            If no image can be read, or all of them are left out.
        """
        if not site.paths:
            raise SiteError(f"{site.name}: the site has no files")
        images = _SiteImages(site.paths, embedder.input_size, bool(leave_out), thumbnails)
        embedded = embedder.embed(images, progress=progress)
        if not embedded.kept:
            path, reason = embedded.skipped.iloc[0]
            raise SiteError(
                f"{site.name}: no readable image among its {format_count(len(site.paths), 'file')} "
                f"(first failure: {path}: {reason})"
            )
        images.complete(embedded.kept)
        traits = [images.traits[index] for index in embedded.kept]
        clutter = tuple(each.clutter if each.clutter in leave_out else None for each in traits)
        if all(clutter):
            raise SiteError(
                f"{site.name}: all of its {len(traits)} readable images are left out as "
                f"{', '.join(sorted(set(filter(None, clutter))))}; pass leave_out=()"
            )
        digests = [each.digest for each in traits]
        repeats = near_copies = None
        if count_repeats_once:
            repeats, near_copies = images.copies(embedded, digests, clutter, embedder, site.origins)
        encoded: dict[object, EncodedThumbnail] = {
            path: each.thumbnail
            for path, each in zip(site.paths, images.traits, strict=True)
            if each.thumbnail is not None and isinstance(path, (str, PathLike))
        }
        return cls(
            site,
            embedded,
            embedder.name,
            digests,
            clutter,
            repeats,
            near_copies,
            encoded,
            frozenset(leave_out),
        )

    def with_copies(self, embedder: Embedder) -> "EmbeddedSite":
        """Return the site with its repeated images and near copies, which are looked for.

        Images are read and decoded once more where vectors are close.

        Parameters
        ----------
        embedder : Embedder
            Of the vectors.
        """
        images = _SiteImages(self.site.paths, embedder.input_size, False, False)
        for index, digest in zip(self.embedded.kept, self.digests, strict=True):
            images.traits[index].digest = digest
        repeats, near_copies = images.copies(
            self.embedded, self.digests, self.clutter, embedder, self.site.origins
        )
        return replace(self, repeats=repeats, near_copies=near_copies)

    @property
    def has_texts(self) -> bool:
        """Whether texts of the images are known: the site was collected from pages."""
        return self.site.origins is not None

    @property
    def skipped(self) -> pd.DataFrame:
        """Files that could not be read, with reasons."""
        return pd.concat([self.site.skipped, self.embedded.skipped], ignore_index=True)

    def table(
        self,
        columns: Mapping[str, npt.NDArray[np.floating] | list[str]],
        to_references: npt.NDArray[np.float32],
        references: Sequence[str],
        words: TargetWords | None,
        *,
        count_repeats_once: bool,
    ) -> pd.DataFrame:
        """Return one row per file, in order.

        Parameters
        ----------
        columns : mapping of str to ndarray or list, length n readable
            Scores of the readable images.
        to_references : ndarray of float32, shape (n readable, n references)
            Distances.
        references : sequence of str
            Names of the references.
        words : TargetWords, optional
            Names of the target, looked for in the texts of the site's origins.
        count_repeats_once : bool
            Give repeated images and near copies the status "repeated", so that they do not count.

        Raises
        ------
        InputError
            If copies are to count once, but were not looked for.
        """
        count, positions = len(self.site.paths), np.array(self.embedded.kept)
        status, reason = np.full(count, "skipped", object), np.full(count, "", object)
        status[positions] = "scored"
        if count_repeats_once:
            if self.repeats is None or self.near_copies is None:
                raise InputError(f"{self.site.name}: copies were not looked for; call with_copies")
            status[positions[self.repeats]] = "repeated"
            reason[positions[self.repeats]] = "same image as another one"
            status[positions[self.near_copies]] = "repeated"
            reason[positions[self.near_copies]] = "near copy of another image"
        for index, kind in zip(positions, self.clutter, strict=True):
            if kind:
                status[index], reason[index] = "left out", f"clutter ({kind})"
        skipped = np.setdiff1d(np.arange(count), positions)
        reason[skipped] = self.embedded.skipped["reason"]
        texts = self.site.origins
        named = words.read_table(texts) if words and texts is not None else []
        of_readable = dict(columns)
        if references:  # otherwise the target is known by its names only
            of_readable["nearest_reference"] = [references[i] for i in to_references.argmin(1)]
            of_readable["nearest_distance"] = to_references.min(axis=1)
        images = pd.DataFrame(
            {
                "path": [printable(describe(source)) for source in self.site.paths],
                "status": status,
                "reason": reason,
                "words": [each.sentence for each in named] or "",
                "word_kind": [each.kind for each in named] or "",
                **{name: _spread(values, positions, count) for name, values in of_readable.items()},
            }
        )
        return images.reindex(columns=SCORE_COLUMNS).astype(_DTYPES)


def _spread(
    values: npt.NDArray[np.floating] | list[str], positions: npt.NDArray[np.intp], count: int
) -> pd.Series:
    """Return a column of `count` values: NaN where no image could be read."""
    # file names stay objects, since they may contain undecodable bytes
    kind = object if isinstance(values, list) else np.float64
    spread = np.full(count, np.nan, kind)
    spread[positions] = values
    return pd.Series(spread, dtype=kind)


class _Traits:
    """Traits of one image, recorded when it is read and decoded (an `ImageObserver`)."""

    def __init__(self, size: tuple[int, int], needs_clutter: bool, wants_thumbnail: bool) -> None:
        self._size, self._wants_thumbnail = size, wants_thumbnail
        self.needs_clutter = needs_clutter  # False once the kind is known
        self.digest = ""
        self.clutter: Clutter | None = None
        self.gray: Pixels | None = None
        self.copy_thumbnail: Pixels | None = None
        self.thumbnail: EncodedThumbnail | None = None

    def on_read(self, image: OpenedImage) -> None:
        self.digest = image.digest

    def on_decode(self, pixels: Pixels, size: tuple[int, int], resized: Pixels) -> None:
        self.gray = hash_thumbnail(resized)
        self.copy_thumbnail = copy_thumbnail(resized)
        if self.needs_clutter:
            self.clutter, self.needs_clutter = clutter_kind(pixels, size), False
        if self._wants_thumbnail:
            thumbnail = make_thumbnail(pixels)
            self.thumbnail = thumbnail._replace(digest=self.digest)
            self._wants_thumbnail = False

    def on_done(self, image: OpenedImage) -> None:
        # The embedder may read in grey or with `read_image`, or take the vector from a cache. The
        # kind of clutter must not depend on that.
        if self.needs_clutter:
            self.decode(image)

    def decode(self, image: Source) -> None:
        if isinstance(image, OpenedImage):
            read_scaled(image, size=self._size)
        else:
            pixels = read_image(image)
            self.on_decode(pixels, pixels.shape[:2], pixels)


class _SiteImages(Sequence[Source]):
    """The images of a site, opened one by one when they are needed and not kept."""

    def __init__(
        self, paths: Sequence[Source], size: tuple[int, int], needs_clutter: bool, thumbnails: bool
    ) -> None:
        self._paths = paths
        self.traits = [_Traits(size, needs_clutter, thumbnails) for _ in paths]

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> list[Source]: ...
    def __getitem__(self, index: int | slice) -> Source | list[Source]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        source = self._paths[index]
        has_bytes = not isinstance(source, (np.ndarray, Image.Image))
        return OpenedImage(source, self.traits[index]) if has_bytes else source

    def complete(self, indices: Sequence[int]) -> None:
        """Set traits that are still unknown because the embedder has a decoder of its own."""
        self._decode([index for index in indices if self.traits[index].needs_clutter])
        for index in indices:
            if not self.traits[index].digest:
                self.traits[index].digest = content_digest(self._paths[index])

    def _decode(self, indices: Sequence[int]) -> None:
        for error in map_ahead(lambda index: self.traits[index].decode(self[index]), indices):
            if error is not None:
                raise error

    def copies(
        self,
        embedded: Embedded,
        digests: list[str],
        clutter: tuple[Clutter | None, ...],
        embedder: Embedder,
        origins: pd.DataFrame | None,
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return which readable images repeat another one, and which are near copies of one."""
        # among counted images only: otherwise an icon could be the copy that counts
        counted = np.flatnonzero([kind is None for kind in clutter])
        repeats = np.zeros(len(digests), bool)
        repeats[counted] = find_repeats(
            embedded.vectors[counted],
            [digests[index] for index in counted],
            lambda index: self.perceptual_hash(embedded.kept[counted[index]]),
        )
        originals = counted[~repeats[counted]]
        near_copies = np.zeros(len(digests), bool)
        positions = [embedded.kept[index] for index in originals]
        near_copies[originals] = find_near_copies(
            embedded.vectors[originals],
            [digests[index] for index in originals],
            lambda pairs: self.are_copies(
                [(positions[first], positions[second]) for first, second in pairs], embedder
            ),
            names=_names(origins, positions),
        )
        return repeats, near_copies

    def are_copies(self, pairs: Sequence[tuple[int, int]], embedder: Embedder) -> Sequence[bool]:
        """Tell which pairs are changed copies; decode images where that has not happened yet.

        A caching embedder remembers the answers, so that cached images need not be decoded.
        """

        def compute(positions: Sequence[int]) -> list[bool]:
            asked = [pairs[position] for position in positions]
            indices = {index for pair in asked for index in pair}
            self._decode([i for i in sorted(indices) if self.traits[i].copy_thumbnail is None])
            copies = set(
                find_copies(asked, lambda index: cast(Pixels, self.traits[index].copy_thumbnail))
            )
            return [pair in copies for pair in asked]

        if not isinstance(embedder, CachedEmbedder):
            return compute(range(len(pairs)))
        contents = [(self.traits[a].digest, self.traits[b].digest) for a, b in pairs]
        return embedder.answers(f"{_NEAR_COPY}, {embedder.name}", contents, compute)

    def perceptual_hash(self, index: int) -> np.uint64:
        """Return the hash of one image; decode it if that has not happened yet."""
        traits = self.traits[index]
        if traits.gray is None:
            traits.decode(self[index])
        return perceptual_hash(cast(Pixels, traits.gray))


def clutter_kind(pixels: Pixels, size: tuple[int, int] | None = None) -> Clutter | None:
    """Return the kind of clutter that an image is, determined from its pixels.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
    size : (height, width), optional
        Original size of the image, if `pixels` are scaled down.

    Returns
    -------
    {"icons", "banners", "graphics"} or None
        Icons have at most 64 pixels on the longer side; banners are at least three times as long
        as they are high, or the other way round; graphics (logos, images of text) consist of few
        flat colours. None for photos.

    Examples
    --------
    >>> clutter_kind(np.zeros((40, 40, 3), np.uint8))
    'icons'
    >>> clutter_kind(np.zeros((100, 400, 3), np.uint8))
    'banners'
    >>> clutter_kind(np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)) is None
    True
    """
    longer, shorter = sorted(size or pixels.shape[:2], reverse=True)
    if longer <= _ICON_SIDE:
        return "icons"
    if longer >= _BANNER_ASPECT * shorter:
        return "banners"
    height, width = pixels.shape[:2]
    rows = np.linspace(0, height - 1, min(height, _GRID)).astype(int)
    columns = np.linspace(0, width - 1, min(width, _GRID)).astype(int)
    colours = (pixels[rows][:, columns] // 32).astype(np.int64).reshape(-1, 3) @ [64, 8, 1]
    counts = np.sort(np.bincount(colours, minlength=512))[::-1]
    return "graphics" if counts[:_FEW_COLOURS].sum() >= _NEARLY_ALL * colours.size else None


@one_thread
def find_repeats(
    vectors: Vectors, digests: Sequence[str], hash_of: HashOf, *, block: int = _BLOCK
) -> npt.NDArray[np.bool_]:
    """Return which images repeat another one: same content, or the same image saved again.

    Close vectors make the shortlist and perceptual hashes confirm it, because an embedder may map
    different images to one vector. Of equal images, the one with the smallest digest is the
    original, so that neither order nor names matter.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
    digests : sequence of str
        Content digests.
    hash_of : callable
        Position of an image → its perceptual hash; called only where vectors are close, once for
        each image.
    block : int
        Vectors that are compared with all later ones at a time; limits memory.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    _, contents = np.unique(digests, return_index=True)
    groups = _groups(unit(vectors[contents]), lambda index: hash_of(int(contents[index])), block)
    _, originals = np.unique(groups, return_index=True)  # contents are in order of their digests
    repeats = np.ones(len(digests), bool)
    repeats[contents[originals]] = False
    return repeats


def _groups(vectors: Vectors, hash_of: HashOf, block: int) -> npt.NDArray[np.intp]:
    """Return group numbers, shape (n,): equal if vectors and hashes agree on "the same image"."""
    count = len(vectors)
    groups: npt.NDArray[np.intp] = np.arange(count)
    hashes: dict[int, np.uint64] = {}
    for rows, columns in close_pairs(vectors, block):
        separate = groups[rows] != groups[columns]  # copies of one image make millions of pairs
        pairs = np.array([rows[separate], columns[separate]])
        indices, positions = np.unique(pairs, return_inverse=True)
        for index in indices.tolist():
            if index not in hashes:
                hashes[index] = hash_of(index)
        first, second = np.array([hashes[index] for index in indices.tolist()], np.uint64)[
            positions
        ]
        links = groups[pairs[:, hash_distance(first, second) <= _SAME_BITS]]
        groups = linked_groups(links, count)[groups]
    return groups


@one_thread
def find_near_copies(
    vectors: Vectors,
    digests: Sequence[str],
    are_copies: AreCopies,
    *,
    names: Sequence[frozenset[str]] | None = None,
    block: int = _BLOCK,
) -> npt.NDArray[np.bool_]:
    """Return which images are changed copies of another one: cropped, mirrored, framed, with text.

    Near vectors make the shortlist and pixels confirm it: products that look alike have near
    vectors, too. Packages of one brand differ in so few pixels that only their names tell them
    apart. Of several copies, the one with the smallest digest is the original.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
    digests : sequence of str
        Content digests.
    are_copies : callable
        Pairs of positions of images → which are copies; called once, with all pairs of images
        with near vectors, the smaller digest first.
    names : sequence of frozenset of str, length n, optional
        Words of the names of the products that the images show. Images are no copies if each name
        has a word that the other one lacks: "black pepper", "black cumin".
    block : int
        Vectors that are compared with all others at a time; limits memory.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    order = np.argsort(np.array(digests, object), kind="stable")
    pairs = [
        (int(order[first]), int(order[second]))
        for first, second in nearest_pairs(unit(vectors[order]), block)
    ]
    if names is not None:
        pairs = [
            (first, second)
            for first, second in pairs
            if names[first] <= names[second] or names[second] <= names[first]
        ]
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    copies = [
        (rank[first], rank[second])
        for (first, second), is_copy in zip(pairs, are_copies(pairs), strict=True)
        if is_copy
    ]
    groups = linked_groups(np.array(copies, np.intp).reshape(-1, 2).T, len(order))
    _, originals = np.unique(groups, return_index=True)
    is_near_copy = np.zeros(len(order), bool)
    is_near_copy[order] = ~np.isin(np.arange(len(order)), originals)
    return is_near_copy


def linked_groups(links: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.intp]:
    """Return group numbers of positions: equal if links connect them, directly or over others.

    Parameters
    ----------
    links : ndarray of int, shape (2, m)
        Pairs of positions below `count`.
    count : int

    Returns
    -------
    ndarray of int, shape (count,)

    Examples
    --------
    >>> linked_groups(np.array([[0, 3], [3, 1]]), 4).tolist()
    [0, 0, 1, 0]
    """
    graph = coo_array((np.ones(links.shape[1], bool), tuple(links)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.intp)


def _names(origins: pd.DataFrame | None, positions: Sequence[int]) -> list[frozenset[str]] | None:
    """Return the words of the names of products beside images: of the page, else of the file."""
    if origins is None:
        return None
    rows = origins.reindex(columns=["product", "alt", "url"]).iloc[list(positions)].astype(object)
    return [
        frozenset(
            filter(_is_word, tokens(product or alt or url_parts(url)[0], has_camel_case=True))
        )
        for product, alt, url in rows.where(rows.notna(), "").itertuples(index=False)
    ]


def _is_word(token: str) -> bool:
    """Return whether a part of a name is a word: two letters may be of a hash or a view."""
    return len(token) > 2 or not token.isascii()


def nearest_pairs(vectors: Vectors, block: int = _BLOCK) -> list[tuple[int, int]]:
    """Return pairs of positions of unit vectors, smaller first, that are near each other.

    At least one of a pair is among the `_N_NEAREST` nearest ones of the other.
    """
    pairs: set[tuple[int, int]] = set()
    for start in range(0, len(vectors), block):
        similarities = vectors[start : start + block] @ vectors.T
        rows = np.arange(len(similarities))
        similarities[rows, start + rows] = -np.inf
        n_nearest = min(_N_NEAREST, len(vectors))
        nearest = np.argpartition(-similarities, n_nearest - 1, axis=1)[:, :n_nearest]
        is_near = np.take_along_axis(similarities, nearest, axis=1) >= 1 - _NEAR
        for row, column in zip(*np.nonzero(is_near), strict=True):
            first, second = start + int(row), int(nearest[row, column])
            pairs.add((min(first, second), max(first, second)))
    return sorted(pairs)


def close_pairs(
    vectors: Vectors, block: int = _BLOCK
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yield pairs of positions of unit vectors that are close, each pair once, in blocks."""
    for start in range(0, len(vectors), block):
        later = vectors[start:]
        rows, columns = np.nonzero(later[:block] @ later.T >= 1 - _CLOSE)
        is_first = rows < columns
        yield rows[is_first] + start, columns[is_first] + start
