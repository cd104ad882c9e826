"""Photos that several suppliers show: stock and manufacturers' photos, and who resells whom.

Perceptual hashes make the shortlist and pixels confirm it. Every photo is compared with a bounded
number of others, so that the time grows with the number of photos, not with its square.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from similarity_lab.images import Pixels
from similarity_lab.images.copies import compare_details, copy_thumbnail
from similarity_lab.images.hashing import hash_distance, hash_thumbnail, perceptual_hash
from similarity_lab.relevance.site import clutter_kind

SAME_BITS, CLOSE_BITS = 6, 10
"""Of 64, in which the hashes of the same photo, saved again or scaled, may differ: photos that
differ in up to `SAME_BITS` are always compared, others up to `CLOSE_BITS` mostly."""

MAX_SITES_OF_PAIRS = 50
"""A photo on more sites says nothing about two of them."""

_BANDS, _BAND_BITS, _EQUAL_BANDS = 9, 7, 3
# Two hashes that differ in at most 6 bits agree in at least 3 of 9 bands.
_WINDOW = 64  # neighbours in the order of a key that are compared
_N_CANDIDATES = 12  # photos that are compared by their pixels, nearest hashes first
_SAME_PIXELS = 5.0  # mean difference of values 0…255; JPEG's is below 3

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class SharedPhoto:
    """One photo that several sites show.

    Attributes
    ----------
    names : tuple of str
        Its versions, sorted.
    sites : tuple of str
        The sites that show one of them, sorted.
    """

    names: tuple[str, ...]
    sites: tuple[str, ...]


def photo_hash(pixels: Pixels) -> np.uint64 | None:
    """Return the perceptual hash of a photo; None for icons, banners and graphics.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        A thumbnail will do.
    """
    if clutter_kind(pixels) is not None:
        return None
    return perceptual_hash(hash_thumbnail(pixels))


def find_shared(
    hashes: Mapping[str, np.uint64],
    sites: Mapping[str, Iterable[str]],
    pixels_of: Callable[[str], Pixels],
) -> list[SharedPhoto]:
    """Return the photos that at least two sites show, those on most sites first.

    Parameters
    ----------
    hashes : mapping of name to hash
        `photo_hash` of each photo.
    sites : mapping of name to names of sites
        Who shows it.
    pixels_of : callable
        Name of a photo → its pixels, uint8 (h, w, 3); called only where hashes are close.

    Examples
    --------
    >>> photo = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    >>> photos = {"a": photo.repeat(9, 0).repeat(9, 1), "b": photo.repeat(8, 0).repeat(8, 1)}
    >>> hashes = {name: photo_hash(pixels) for name, pixels in photos.items()}
    >>> find_shared(hashes, {"a": ["shop 1"], "b": ["shop 2"]}, photos.get)
    [SharedPhoto(names=('a', 'b'), sites=('shop 1', 'shop 2'))]
    """
    names = sorted(hashes)
    values = np.array([hashes[name] for name in names], np.uint64)
    thumbnail_of = lru_cache(4096)(lambda name: copy_thumbnail(pixels_of(name)))
    neighbours = _neighbours(values)
    leader_of: dict[int, int] = {}  # of a group: its first photo
    for index in range(len(names)):
        leaders = {leader_of[other]: None for other in neighbours.get(index, ())}
        near = sorted(leaders, key=lambda leader: int(hash_distance(values[leader], values[index])))
        leader_of[index] = next(
            (
                leader
                for leader in near[:_N_CANDIDATES]
                if _is_same(thumbnail_of(names[leader]), thumbnail_of(names[index]))
            ),
            index,
        )
    groups: dict[int, list[str]] = defaultdict(list)
    for index, leader in leader_of.items():
        groups[leader].append(names[index])
    photos = [
        SharedPhoto(tuple(group), tuple(sorted({site for name in group for site in sites[name]})))
        for group in groups.values()
    ]
    shared = [photo for photo in photos if len(photo.sites) > 1]
    return sorted(shared, key=lambda photo: (-len(photo.sites), photo.names))


def count_pairs(photos: Iterable[SharedPhoto]) -> Counter[tuple[str, str]]:
    """Return how many photos each pair of sites shares; photos of very many sites do not count."""
    counts: Counter[tuple[str, str]] = Counter()
    for photo in photos:
        if len(photo.sites) <= MAX_SITES_OF_PAIRS:
            counts.update(combinations(photo.sites, 2))
    return counts


def _is_same(first: Pixels, second: Pixels) -> bool:
    """Tell whether two small images show the same photo."""
    difference = np.abs(first.astype(np.int16) - second).mean()
    return bool(difference <= _SAME_PIXELS) or compare_details(first, second).is_copy


def _neighbours(hashes: Hashes) -> dict[int, list[int]]:
    """Return for each position the earlier ones with close hashes."""
    found = [_equal_runs(hashes)]
    unique, first = np.unique(hashes, return_index=True)
    for bands in combinations(range(_BANDS), _EQUAL_BANDS):
        mask = np.uint64(0)
        for band in bands:
            mask |= np.uint64((2**_BAND_BITS - 1) << (_BAND_BITS * band))
        keys = unique & mask
        order = np.argsort(keys, kind="stable")
        keys, values, positions = keys[order], unique[order], first[order]
        for step in range(1, min(_WINDOW, len(keys) - 1) + 1):
            is_near = keys[step:] == keys[:-step]
            if not is_near.any():
                break
            is_near &= hash_distance(values[step:], values[:-step]) <= CLOSE_BITS
            found.append(np.stack([positions[:-step][is_near], positions[step:][is_near]], axis=1))
    pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    neighbours: dict[int, list[int]] = defaultdict(list)
    for earlier, later in pairs.tolist():
        neighbours[later].append(earlier)
    return neighbours


def _equal_runs(hashes: Hashes) -> npt.NDArray[np.intp]:
    """Return pairs of positions with equal hashes: each with the first one and a few before it."""
    order = np.argsort(hashes, kind="stable")
    values = hashes[order]
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    run_start = np.repeat(starts, np.diff(np.r_[starts, len(values)]))
    pairs = []
    for step in range(1, _N_CANDIDATES + 1):
        later = np.arange(step, len(values))
        same = later[run_start[later] <= later - step]
        pairs.append(np.stack([order[same - step], order[same]], axis=1))
        pairs.append(np.stack([order[run_start[same]], order[same]], axis=1))
    return np.concatenate(pairs)
