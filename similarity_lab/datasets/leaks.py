"""Find photos that are in two splits at once, also when re-encoded, resized or slightly cropped."""

import imagehash
import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from similarity_lab.datasets.dataset import ImageDataset
from similarity_lab.errors import ImageError
from similarity_lab.images import read_image
from similarity_lab.images.decoding import map_ahead
from similarity_lab.images.sources import Source, describe

LEAK_COLUMNS = ["path_a", "path_b", "class_a", "class_b", "hash_distance", "detail_correlation"]

_SIDE = 64  # pixels; details of a photo survive at this size, JPEG noise does not
_BLUR = 2.0  # pixels; what is coarser is composition, which strangers share
_BLOCK = 1024


def find_leaks(
    a: ImageDataset,
    b: ImageDataset,
    *,
    max_hash_distance: int = 10,
    min_correlation: float = 0.35,
    progress: bool = True,
) -> pd.DataFrame:
    """Name near-duplicate photos across two splits.

    A perceptual hash makes the shortlist; fine detail confirms it, since different nuts on white
    share a hash but not their details. A flat picture has no details and is never named.

    Parameters
    ----------
    a, b : ImageDataset
    max_hash_distance : int
        Shortlist: differing bits of the 64-bit perceptual hashes, 0 = same.
    min_correlation : float
        Confirmation: correlation of the photos' details at 64 x 64 pixels, −1…1, 1 = same. On
        Grocery Store photos, re-encoded, half-size and brightened copies have ≥ 0.98, copies that
        lost 2 % on each edge 0.35…0.8; shortlisted strangers stay below 0.21.
    progress : bool

    Returns
    -------
    DataFrame
        One row per pair: ``path_a, path_b, class_a, class_b, hash_distance, detail_correlation``,
        most alike first. Photos without a path are named by position, ``a[3]``.

    References
    ----------
    Perceptual hash: the DCT hash of the ImageHash library, after C. Zauner, "Implementation and
    Benchmarking of Perceptual Image Hash Functions", 2010.
    """
    hashes_a, details_a = _fingerprints(a, progress)
    hashes_b, details_b = _fingerprints(b, progress)
    names_a, names_b = _names(a, "a"), _names(b, "b")
    rows = []
    for i, j, bits in _shortlist(hashes_a, hashes_b, max_hash_distance):
        correlation = float(details_a[i] @ details_b[j])
        if correlation >= min_correlation:
            classes = a.classes[a.labels[i]], b.classes[b.labels[j]]
            rows.append((names_a[i], names_b[j], *classes, bits, correlation))
    table = pd.DataFrame(rows, columns=LEAK_COLUMNS)
    order = ["detail_correlation", "path_a", "path_b"]
    return table.sort_values(order, ascending=[False, True, True], ignore_index=True)


def _shortlist(
    a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64], limit: int
) -> list[tuple[int, int, int]]:
    found = []
    for start in range(0, len(a), _BLOCK):
        bits = np.bitwise_count(a[start : start + _BLOCK, None] ^ b[None])
        for i, j in zip(*np.nonzero(bits <= limit), strict=True):
            found.append((start + int(i), int(j), int(bits[i, j])))
    return found


def _fingerprints(
    dataset: ImageDataset, progress: bool
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float32]]:
    sources = dataset.sources
    results = tqdm(
        map_ahead(_fingerprint, sources), total=len(sources), desc="hashing", disable=not progress
    )
    hashes = np.empty(len(sources), np.uint64)
    details = np.empty((len(sources), _SIDE * _SIDE * 3), np.float32)
    for index, result in enumerate(results):
        if isinstance(result, ImageError):  # readable when the dataset was loaded, gone since
            raise result
        hashes[index], details[index] = result
    return hashes, details


def _fingerprint(source: Source) -> tuple[np.uint64, npt.NDArray[np.float32]]:
    from scipy.ndimage import gaussian_filter  # only who looks for leaks waits for it

    pixels = read_image(source, size=_SIDE)
    bits = imagehash.phash(Image.fromarray(pixels)).hash
    values = pixels.astype(np.float32)
    detail = (values - gaussian_filter(values, (_BLUR, _BLUR, 0))).ravel()
    length = float(np.linalg.norm(detail))
    detail = detail / length if length > 0 else detail
    return np.packbits(bits.ravel()).view(">u8")[0], detail


def _names(dataset: ImageDataset, side: str) -> list[str]:
    if dataset.paths:
        return [describe(path) for path in dataset.paths]
    return [f"{side}[{index}]" for index in range(len(dataset))]
