"""Perceptual hash: images that look the same have hashes that differ in few bits.

The same hash as ImageHash's ``phash``, except that images of 128 pixels or more are reduced by
averaging first. ImageHash itself would require PyWavelets, for hashes that are not used here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from similarity_lab.errors import InputError
from similarity_lab.images.reading import Pixels

__all__ = ["HASH_SIDE", "hash_distance", "hash_thumbnail", "perceptual_hash"]

HASH_SIDE = 32
"""Height and width of the image that `perceptual_hash` takes, in pixels."""

_N_FREQUENCIES = 8  # per axis; 8 x 8 bits
_REDUCED_FROM = 4  # times `HASH_SIDE`

Hashes = npt.NDArray[np.uint64]
"""Perceptual hashes, one number of 64 bits per image."""


def hash_thumbnail(pixels: Pixels) -> Pixels:
    """Return the small gray image from which `perceptual_hash` is computed.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3) or (h, w, 1)
        A decoded image of any size.

    Returns
    -------
    ndarray of uint8, shape (32, 32)
    """
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    factor = min(image.size) // HASH_SIDE
    if factor >= _REDUCED_FROM:  # averaging first is several times faster
        image = image.reduce(factor)
    small = image.convert("L").resize((HASH_SIDE, HASH_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(small)


def perceptual_hash(gray: Pixels) -> np.uint64:
    """Return the DCT hash of an image: the signs of its 64 lowest frequencies about their median.

    Parameters
    ----------
    gray : ndarray of uint8, shape (32, 32)
        From `hash_thumbnail`.

    Returns
    -------
    numpy.uint64
        Compare with `hash_distance`.

    References
    ----------
    C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.

    Examples
    --------
    >>> image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    >>> brighter = (image * 0.8 + 50).astype(np.uint8)
    >>> a, b = (perceptual_hash(hash_thumbnail(pixels)) for pixels in (image, brighter))
    >>> bool(hash_distance(a, b) <= 2)
    True
    """
    if gray.shape != (HASH_SIDE, HASH_SIDE):
        raise InputError(f"expected shape {(HASH_SIDE, HASH_SIDE)}, got {gray.shape}")
    from scipy.fft import dct  # deferred: slow import

    frequencies = dct(dct(gray.astype(np.float64), axis=0), axis=1)
    lowest = frequencies[:_N_FREQUENCIES, :_N_FREQUENCIES]
    bits = lowest > np.median(lowest)
    return np.uint64(int.from_bytes(np.packbits(bits).tobytes(), "big"))


def hash_distance(a: Hashes | np.uint64, b: Hashes | np.uint64) -> npt.NDArray[np.uint8]:
    """Return the number of differing bits, 0 (same) … 64; the arrays are broadcast."""
    return np.bitwise_count(np.bitwise_xor(a, b))
