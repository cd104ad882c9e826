"""Tell copies of one photo that are changed from photos that look alike.

A copy may be cropped, mirrored, framed, or have text across it; hashes and vectors change then.
Small patches of the inner part of one image are looked for in the other one. In a copy, nearly all
of them are found, each where one scaling and shift puts it, and colours agree there. Of another
photo, even of the same product, patches match here and there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from similarity_lab._threads import in_order, usable_cores
from similarity_lab.errors import InputError
from similarity_lab.images.reading import Pixels
from similarity_lab.images.scaled import resize

__all__ = ["COPY_SIDE", "Agreement", "compare_details", "copy_thumbnail", "find_copies"]

COPY_SIDE = 64
"""Height and width of the image that is compared, in pixels."""

_PATCH = 14  # height and width of a patch, in pixels
_MARGIN = 9  # not compared: a crop of a tenth on each side removes less
_STEP = 6  # between patches
_BLUR = 2.5  # pixels; coarser structure is composition, which different photos share
_MIN_DETAIL = 0.12  # norm of a patch of values 0…1; flat areas are alike everywhere
_FLAT = 1e-3  # norm; not divided by less
_MIN_SHARE_OF_DETAIL = 0.25  # of the most detailed patches
_MIN_CORRELATION = 0.5
_MAX_OFFSET = 0.75  # pixels from where the transformation puts a patch
_MIN_SCALE, _MAX_SCALE = 0.78, 1.29
_MAX_DISTORTION = 0.15  # difference of the vertical and the horizontal scale
_MIN_PATCHES = 4
_FEWEST_DETAILED = 6  # patches; a share is at least of so many
_MAX_COLOR_DIFFERENCE = 0.12  # of values 0…1, in each channel

_MIN_SHARE_OF_PATCHES = 0.6
_MIN_SHARE_OF_COLORS = 0.87

Floats = npt.NDArray[np.float32]


def _lattice(start: int, stop: int, step: int) -> npt.NDArray[np.intp]:
    """Return rows and columns of a square lattice, (n, 2)."""
    steps = np.arange(start, stop, step)
    return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)


_N_POSITIONS = COPY_SIDE - _PATCH + 1  # of a patch, along one side
_CORNERS = _lattice(_MARGIN, COPY_SIDE - _MARGIN - _PATCH + 1, _STEP)  # of the patches
# pairs of patches far apart in both directions: two determine the scaling and the shift
_FIRST, _SECOND = np.nonzero((_CORNERS[None] - _CORNERS[:, None] >= 2 * _STEP).all(axis=2))
_SAMPLES = _lattice(_MARGIN - 1, COPY_SIDE - _MARGIN + 1, 3)  # where colours are compared


class Agreement(NamedTuple):
    """How far the details of two images agree; 0 as soon as they cannot be copies.

    Attributes
    ----------
    patches : float
        Share of the patches of the first image, 0…1, that are found where one transformation puts
        them.
    colors : float
        Share of the colours, 0…1, that agree there.
    """

    patches: float
    colors: float

    @property
    def is_copy(self) -> bool:
        """Whether one image is a copy of the other."""
        return self.patches >= _MIN_SHARE_OF_PATCHES and self.colors >= _MIN_SHARE_OF_COLORS


_NO_COPY = Agreement(0.0, 0.0)


def copy_thumbnail(pixels: Pixels) -> Pixels:
    """Return the small image that is compared.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        A decoded image of any size; its aspect ratio does not matter.

    Returns
    -------
    ndarray of uint8, shape (64, 64, 3)
    """
    return resize(pixels, (COPY_SIDE, COPY_SIDE))


def find_copies(
    pairs: Sequence[tuple[int, int]], thumbnail_of: Callable[[int], Pixels]
) -> list[tuple[int, int]]:
    """Return those pairs of images of which one is a changed copy of the other.

    Parameters
    ----------
    pairs : sequence of (int, int)
        Positions of images that are worth comparing, such as those with close vectors. A pair
        takes about a millisecond of one core.
    thumbnail_of : callable
        Position of an image → its `copy_thumbnail`.
    """
    by_second: dict[int, list[int]] = {}
    for first, second in pairs:
        by_second.setdefault(second, []).append(first)
    details = lru_cache(256)(lambda index: _Details.of(thumbnail_of(index)))

    def copies_of(second: int) -> list[tuple[int, int]]:
        other = details(second)
        windows = cache(lambda: _Windows.of(other.gray))  # not needed if colours differ
        firsts = by_second[second]
        agreements = [_compare(details(first), other, windows) for first in firsts]
        return [
            (first, second)
            for first, agreement in zip(firsts, agreements, strict=True)
            if agreement.is_copy
        ]

    groups = in_order(copies_of, by_second, workers=usable_cores())
    return [pair for group in groups for pair in group]


def compare_details(first: Pixels, second: Pixels) -> Agreement:
    """Return how far the details of two images agree, directly or mirrored.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (64, 64, 3)
        From `copy_thumbnail`.

    Examples
    --------
    >>> image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8).repeat(8, 0)
    >>> image = image.repeat(8, 1)
    >>> cropped = image[6:-6, 6:-6]
    >>> compare_details(copy_thumbnail(image), copy_thumbnail(cropped[:, ::-1])).is_copy
    True
    """
    for thumbnail in (first, second):
        if thumbnail.shape != (COPY_SIDE, COPY_SIDE, 3):
            expected = (COPY_SIDE, COPY_SIDE, 3)
            raise InputError(f"expected shape {expected}, got {thumbnail.shape}")
    details = _Details.of(second)
    return _compare(_Details.of(first), details, lambda: _Windows.of(details.gray))


@dataclass(frozen=True, eq=False)
class _Details:
    colors: Floats  # (64, 64, 3), 0…1, slightly blurred
    gray: Floats  # (64, 64): fine structure

    @classmethod
    def of(cls, thumbnail: Pixels) -> "_Details":
        from scipy.ndimage import gaussian_filter  # deferred: slow import

        colors = thumbnail.astype(np.float32) / 255
        gray = colors @ np.array([0.299, 0.587, 0.114], np.float32)
        structure = (gray - gaussian_filter(gray, _BLUR)).astype(np.float32)
        return cls(gaussian_filter(colors, (1, 1, 0)).astype(np.float32), structure)

    @cached_property
    def mirrored(self) -> "_Details":
        return _Details(self.colors[:, ::-1], self.gray[:, ::-1])

    @cached_property
    def mean_color(self) -> Floats:
        inner: Floats = self.colors[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].mean(axis=(0, 1))
        return inner

    @cached_property
    def patches(self) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """The patches to look for, (36, 196), of mean 0 and length 1; which have details."""
        patches = _all_patches(self.gray)[_CORNERS[:, 0], _CORNERS[:, 1]]
        patches = patches.reshape(len(_CORNERS), -1)
        patches = patches - patches.mean(axis=1, keepdims=True)
        norms = np.sqrt(np.einsum("ij,ij->i", patches, patches))
        most = np.sort(norms)[-_FEWEST_DETAILED:].mean()
        is_detailed = norms >= max(_MIN_SHARE_OF_DETAIL * most, _MIN_DETAIL)
        return patches / np.maximum(norms, _FLAT)[:, None], is_detailed


class _Windows(NamedTuple):
    """The patches of an image at all positions, row by row."""

    patches: Floats  # (2601, 196)
    norms: Floats  # (2601,), about their means

    @classmethod
    def of(cls, gray: Floats) -> "_Windows":
        patches = _all_patches(gray).reshape(_N_POSITIONS**2, -1)
        sums = np.stack([gray, gray**2]).astype(np.float64).cumsum(axis=1).cumsum(axis=2)
        sums = np.pad(sums, ((0, 0), (1, 0), (1, 0)))
        above, below = sums[:, :-_PATCH], sums[:, _PATCH:]
        inside = below[..., _PATCH:] - below[..., :-_PATCH]
        inside -= above[..., _PATCH:] - above[..., :-_PATCH]
        variances = (inside[1] - inside[0] ** 2 / _PATCH**2).ravel()
        return cls(patches, np.sqrt(np.maximum(variances, _FLAT**2)).astype(np.float32))


def _all_patches(gray: Floats) -> Floats:
    return np.lib.stride_tricks.sliding_window_view(gray, (_PATCH, _PATCH))


def _compare(first: _Details, second: _Details, windows: Callable[[], _Windows]) -> Agreement:
    if abs(first.mean_color - second.mean_color).max() > _MAX_COLOR_DIFFERENCE:
        return _NO_COPY
    return max(_compare_directly(each, second, windows()) for each in (first, first.mirrored))


def _compare_directly(first: _Details, second: _Details, windows: _Windows) -> Agreement:
    patches, is_detailed = first.patches
    n_detailed = max(is_detailed.sum(), _FEWEST_DETAILED)
    needed = max(_MIN_PATCHES, _MIN_SHARE_OF_PATCHES * n_detailed)
    correlations = patches @ windows.patches.T
    correlations /= windows.norms  # `patches` have mean 0
    best = correlations.argmax(axis=1)
    is_found = is_detailed & (correlations[np.arange(len(best)), best] > _MIN_CORRELATION)
    if is_found.sum() < needed:
        return _NO_COPY
    follows, transformation = _fit(_refine(correlations, best), is_found)
    if follows.sum() < needed:
        return _NO_COPY
    share = follows.sum() / n_detailed
    return Agreement(float(share), _share_of_colors(first, second, transformation))


def _refine(correlations: Floats, best: npt.NDArray[np.intp]) -> Floats:
    """Return rows and columns of the best positions, (n, 2), to fractions of a pixel."""
    count = np.arange(len(best))
    rows_and_columns = np.stack(np.divmod(best, _N_POSITIONS), axis=1)
    positions = rows_and_columns.astype(np.float32)
    peak = correlations[count, best]
    for axis, step in ((0, _N_POSITIONS), (1, 1)):
        at = rows_and_columns[:, axis]
        step_inside = np.where((at > 0) & (at < _N_POSITIONS - 1), step, 0)
        before, after = (
            correlations[count, best - step_inside],
            correlations[count, best + step_inside],
        )
        curvature = np.maximum(2 * peak - before - after, 1e-6)
        positions[:, axis] += np.clip((after - before) / (2 * curvature), -0.5, 0.5)
    return positions


def _fit(
    positions: Floats, is_found: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], tuple[Floats, Floats]]:
    """Return which patches follow the scaling and shift that most of them follow, and these."""
    both = is_found[_FIRST] & is_found[_SECOND]
    first, second = _FIRST[both], _SECOND[both]
    scales = (positions[second] - positions[first]) / (_CORNERS[second] - _CORNERS[first])
    valid = ((scales > _MIN_SCALE) & (scales < _MAX_SCALE)).all(axis=1)
    valid &= np.abs(scales[:, 0] - scales[:, 1]) < _MAX_DISTORTION
    if not valid.any():
        return np.zeros_like(is_found), (np.ones(2, np.float32), np.zeros(2, np.float32))
    first, scales = first[valid], scales[valid]
    shifts = positions[first] - scales * _CORNERS[first]
    expected = _CORNERS[None] * scales[:, None] + shifts[:, None]
    follow = (np.abs(expected - positions[None]).max(axis=2) <= _MAX_OFFSET) & is_found
    best = follow.sum(axis=1).argmax()
    return follow[best], (scales[best], shifts[best])


def _share_of_colors(
    first: _Details, second: _Details, transformation: tuple[Floats, Floats]
) -> float:
    """Return the share of colours that agree, after a change of brightness common to all."""
    scales, shifts = transformation
    centre = (_PATCH - 1) / 2
    points = (_SAMPLES - centre) * scales + shifts + centre
    inside = ((points >= 0) & (points <= COPY_SIDE - 1)).all(axis=1)
    nearest = np.rint(points[inside]).astype(np.intp)
    samples = _SAMPLES[inside]
    if not len(samples):
        return 0.0
    difference = (
        second.colors[nearest[:, 0], nearest[:, 1]] - first.colors[samples[:, 0], samples[:, 1]]
    )
    difference -= np.median(difference)
    return float((np.abs(difference).max(axis=1) < _MAX_COLOR_DIFFERENCE).mean())
