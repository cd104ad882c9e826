"""A site's embedded images: each is read, decoded and embedded once, for any number of targets.

Images that are clutter (icons, banners, graphics) or repeat another image can be left out of the
count.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Literal, cast, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from similarity_lab.embedders import Embedded, Embedder
from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import SiteError
from similarity_lab.images import Pixels, read_image
from similarity_lab.images.decoding import map_ahead
from similarity_lab.images.hashing import hash_distance, hash_thumbnail, perceptual_hash
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.scaled import read_scaled
from similarity_lab.images.sources import Source, content_digest
from similarity_lab.images.thumbnails import EncodedThumbnail, make_thumbnail
from similarity_lab.relevance.decision import SCORE_COLUMNS
from similarity_lab.relevance.rules.prototypes import one_thread, unit
from similarity_lab.sites import Site

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

Hash = Callable[[int], np.uint64]
"""Returns the perceptual hash of the image at a position."""

_DTYPES = {
    **dict.fromkeys(["score", "distance", "probability", "nearest_distance", "influence"], float),
    "confusable": object,  # text, or NaN
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
    repeats : ndarray of bool
        Which readable images repeat another one; none of those that are left out.
    thumbnails : dict of path to EncodedThumbnail
        Of images that were decoded, if asked for.
    """

    site: Site
    embedded: Embedded
    embedder: str
    digests: list[str]
    clutter: tuple[Clutter | None, ...]
    repeats: npt.NDArray[np.bool_]
    thumbnails: dict[object, EncodedThumbnail] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        site: Site,
        embedder: Embedder,
        *,
        leave_out: Sequence[Clutter] = (),
        thumbnails: bool = False,
        progress: bool = True,
    ) -> "EmbeddedSite":
        """Embed the images that can be read.

        Each file is read and decoded once, by the embedder; the traits of its image are taken from
        that decode, and its bytes and pixels are dropped at once.

        Parameters
        ----------
        site : Site
        embedder : Embedder
        leave_out : sequence of {"icons", "banners", "graphics"}
            Kinds of images that do not count, see `clutter_kind`.
        thumbnails : bool
            Also make a thumbnail of each image that is decoded, for a report.
        progress : bool
            Show a progress bar.

        Raises
        ------
        SiteError
            No image can be read, or all of them are left out.
        """
        if not site.paths:
            raise SiteError(f"{site.name}: has no files")
        images = _SiteImages(site.paths, embedder.input_size, bool(leave_out), thumbnails)
        embedded = embedder.embed(images, progress=progress)
        if not embedded.kept:
            path, reason = embedded.skipped.iloc[0]
            raise SiteError(
                f"{site.name}: none of its {len(site.paths)} files is a readable image "
                f"(the first: {path}: {reason})"
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
        # only among images that count: the copy that is kept must not be an icon
        counted = np.flatnonzero([kind is None for kind in clutter])
        repeats = np.zeros(len(traits), bool)
        repeats[counted] = find_repeats(
            embedded.vectors[counted],
            [digests[index] for index in counted],
            lambda index: images.perceptual_hash(embedded.kept[counted[index]]),
        )
        encoded: dict[object, EncodedThumbnail] = {
            path: each.thumbnail
            for path, each in zip(site.paths, images.traits, strict=True)
            if each.thumbnail is not None and isinstance(path, (str, PathLike))
        }
        return cls(site, embedded, embedder.name, digests, clutter, repeats, encoded)

    @property
    def skipped(self) -> pd.DataFrame:
        """Files that could not be read, with reasons."""
        return pd.concat([self.site.skipped, self.embedded.skipped], ignore_index=True)

    def table(
        self,
        columns: Mapping[str, npt.NDArray[np.floating] | list[str]],
        to_references: npt.NDArray[np.float32],
        references: Sequence[str],
        *,
        once: bool,
    ) -> pd.DataFrame:
        """Return one row per file, in order.

        Parameters
        ----------
        columns : mapping of column to one value per readable image
        to_references : ndarray, shape (n readable, n references)
        references : names of the references
        once : bool
            Repeated images count once.
        """
        count, kept = len(self.site.paths), np.array(self.embedded.kept)
        status, reason = np.full(count, "skipped", object), np.full(count, "", object)
        status[kept] = "scored"
        if once:
            status[kept[self.repeats]] = "repeated"
            reason[kept[self.repeats]] = "same image as another one"
        for index, kind in zip(kept, self.clutter, strict=True):
            if kind:
                status[index], reason[index] = "left out", f"one of the {kind}"
        skipped = np.setdiff1d(np.arange(count), kept)
        reason[skipped] = self.embedded.skipped["reason"]
        of_readable = {
            **columns,
            "nearest_reference": [references[index] for index in to_references.argmin(1)],
            "nearest_distance": to_references.min(axis=1),
        }
        images = pd.DataFrame(
            {
                "path": pd.Series(list(self.site.paths), dtype=object),
                "status": status,
                "reason": reason,
                **{name: _spread(values, kept, count) for name, values in of_readable.items()},
            }
        )
        return images.reindex(columns=SCORE_COLUMNS).astype(_DTYPES)


def _spread(
    values: npt.NDArray[np.floating] | list[str], kept: npt.NDArray[np.intp], count: int
) -> pd.Series:
    """Return `count` values that are NaN where no image could be read."""
    # names of files stay objects: they may hold bytes that are no text
    kind = object if isinstance(values, list) else np.float64
    spread = np.full(count, np.nan, kind)
    spread[kept] = values
    return pd.Series(spread, dtype=kind)


class _Traits:
    """What is kept of one image after it was decoded; an `ImageObserver`."""

    def __init__(self, size: tuple[int, int], needs_clutter: bool, wants_thumbnail: bool) -> None:
        self._size, self._wants_thumbnail = size, wants_thumbnail
        self.needs_clutter = needs_clutter  # and does not know it yet
        self.digest = ""
        self.clutter: Clutter | None = None
        self.gray: Pixels | None = None
        self.thumbnail: EncodedThumbnail | None = None

    def on_read(self, image: OpenedImage) -> None:
        self.digest = image.digest

    def on_decode(self, pixels: Pixels, size: tuple[int, int], resized: Pixels) -> None:
        self.gray = hash_thumbnail(resized)
        if self.needs_clutter:
            self.clutter, self.needs_clutter = clutter_kind(pixels, size), False
        if self._wants_thumbnail:
            thumbnail = make_thumbnail(pixels)
            self.thumbnail = thumbnail._replace(digest=self.digest)
            self._wants_thumbnail = False

    def on_done(self, image: OpenedImage) -> None:
        # The embedder reads gray, or in full, or knew the vector. What is left out must not depend
        # on that, so the kind is always determined on what `read_scaled` decodes.
        if self.needs_clutter:
            self.decode(image)

    def decode(self, image: Source) -> None:
        if isinstance(image, OpenedImage):
            read_scaled(image, size=self._size)
        else:
            pixels = read_image(image)
            self.on_decode(pixels, pixels.shape[:2], pixels)


class _SiteImages(Sequence[Source]):
    """The images of a site, opened one by one as they are needed and not held."""

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
        """Determine what an embedder that does not decode with our readers left open."""
        rest = [index for index in indices if self.traits[index].needs_clutter]
        for result in map_ahead(lambda index: self.traits[index].decode(self[index]), rest):
            if result is not None:
                raise result
        for index in indices:
            if not self.traits[index].digest:
                self.traits[index].digest = content_digest(self._paths[index])

    def perceptual_hash(self, index: int) -> np.uint64:
        """Return the hash of one image, which is decoded for it if it was not before."""
        traits = self.traits[index]
        if traits.gray is None:
            traits.decode(self[index])
        return perceptual_hash(cast(Pixels, traits.gray))


def clutter_kind(pixels: Pixels, size: tuple[int, int] | None = None) -> Clutter | None:
    """Return whether an image is an icon, a banner or a graphic, judging by its pixels alone.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
    size : (height, width), optional
        Of the image in full, if `pixels` are reduced.

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
    vectors: Vectors, digests: Sequence[str], hash_of: Hash, *, block: int = _BLOCK
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


def _groups(vectors: Vectors, hash_of: Hash, block: int) -> npt.NDArray[np.intp]:
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
        graph = coo_array((np.ones(links.shape[1], bool), tuple(links)), shape=(count, count))
        _, merged = connected_components(graph, directed=False)
        groups = merged[groups].astype(np.intp)
    return groups


def close_pairs(
    vectors: Vectors, block: int = _BLOCK
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yield pairs of positions of unit vectors that are close, each pair once, in blocks."""
    for start in range(0, len(vectors), block):
        later = vectors[start:]
        rows, columns = np.nonzero(later[:block] @ later.T >= 1 - _CLOSE)
        is_first = rows < columns
        yield rows[is_first] + start, columns[is_first] + start
