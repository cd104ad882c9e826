"""JPEGs: where the image ends in a file, how many scans it has, and whether rows are missing.

Markers are found as libjpeg finds them. Whether rows are missing is told by libjpeg itself, in a
strict decode by simplejpeg; Pillow fills missing rows with grey.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
import simplejpeg
from PIL.JpegImagePlugin import JpegImageFile

from similarity_lab.errors import ImageError

__all__ = [
    "Jpeg",
    "check_coding",
    "decode_whole",
    "limit_scans",
    "repair",
    "without_metadata",
]


class Jpeg(JpegImageFile):
    """A JPEG as Pillow reads it, whatever comes after its first image.

    ``Image.open`` would return another class for some phones' JPEGs, and warn about damage behind
    the image.
    """

    def _read_dpi_from_exif(self) -> None:
        """Skip segments that are not needed and that Pillow warns about if they are damaged."""


ColorSpace = Literal["RGB", "GRAY", "CMYK"]

# A progressive JPEG has about ten scans. Each may take thirty bytes and yet cover all pixels, so
# that one megabyte could take hours to decode; libtiff has the same limit.
_MAX_SCANS = 100

_SOS, _EOI = 0xDA, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOFn
_DECODABLE_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_APP0, _APP1, _APP14 = 0xE0, 0xE1, 0xEE
_METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})  # APPn and comments
# The next marker, also in entropy-coded data: neither a stuffed zero nor one without parameters.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
_END = b"\xff\xd9"

# What libjpeg says if the data of a scan end before its last row; every other warning is about
# rows that are there.
_TOO_SHORT = "premature end"
_ROWS_ARE_MISSING = "truncated; the last rows of pixels are missing"


class _Segment(NamedTuple):
    """A marker segment: the second byte of its marker, where that starts, and its parameters."""

    marker: int
    start: int
    payload: bytes


class _Structure(NamedTuple):
    """The segments of the first image in a file, and where it ends.

    `end` is behind the end marker if there is one, else where the complete segments end.
    """

    segments: list[_Segment]
    end: int
    has_end_marker: bool

    @property
    def frame(self) -> bytes:
        """Parameters of the frame header: precision, height, width, number of components."""
        return next((each.payload for each in self.segments if each.marker in _FRAMES), b"")

    @property
    def n_components(self) -> int:
        return self.frame[5] if len(self.frame) > 5 else 0

    @property
    def scans(self) -> list[_Segment]:
        return [each for each in self.segments if each.marker == _SOS]


def _parse(data: bytes) -> _Structure:
    segments: list[_Segment] = []
    position = 2
    while match := _MARKER.search(data, position):
        marker, start, body = match[1][0], match.end() - 2, match.end()
        if marker == _EOI:
            return _Structure(segments, body, True)
        length = int.from_bytes(data[body : body + 2], "big")
        position = body + length
        if length < 2 or position > len(data):
            return _Structure(segments, start, False)
        segments.append(_Segment(marker, start, data[body + 2 : position]))
    return _Structure(segments, len(data), False)


def limit_scans(data: bytes, name: str) -> bytes:
    """Return a JPEG unchanged, or without what follows its image if that might be more scans.

    Raises
    ------
    ImageError
        The image has too many scans. Behind the image, anything is allowed: phones append videos.
    """
    if data.count(b"\xff\xda") <= _MAX_SCANS:  # counted a thousand times faster than parsed
        return data
    structure = _parse(data)
    if (count := len(structure.scans)) > _MAX_SCANS:
        raise ImageError(
            name, f"{count:,} JPEG scans (decompression bomb?), the limit is {_MAX_SCANS}"
        )
    return data[: structure.end]


def decode_whole(data: bytes, color: ColorSpace, side: int = 0) -> np.ndarray | None:
    """Return the pixels of a JPEG, or None if libjpeg has any complaint.

    Parameters
    ----------
    data : bytes
    color : {"RGB", "GRAY", "CMYK"}
    side : int
        Scale down, to an eighth at most, while height and width stay at least this; 0: do not.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3), (h, w, 1) or (h, w, 4), or None
    """
    try:
        return _decode(data, color, side)
    except ValueError:
        return None


def _decode(data: bytes, color: ColorSpace, side: int) -> np.ndarray:
    pixels: np.ndarray = simplejpeg.decode_jpeg(
        data, color, min_height=side, min_width=side, strict=True
    )
    return pixels


def repair(data: bytes, name: str) -> bytes:
    """Return a JPEG about which libjpeg complains so that Pillow decodes it, if no row is missing.

    An end marker is added if only that is missing. Of a progressive JPEG, incomplete scans are
    dropped: each shows all rows, in more detail than the one before.

    Raises
    ------
    ImageError
        Rows are missing.
    """
    for candidate in islice(_candidates(data), 2):  # the end of a file cuts one scan, not many
        if not _misses_rows(candidate):
            return candidate
    raise ImageError(name, f"damaged JPEG: {_ROWS_ARE_MISSING}")


def _candidates(data: bytes) -> Iterator[bytes]:
    """Yield the image as it is, with an end marker, then without its last scan, and so on."""
    structure = _parse(data)
    scans = list(structure.scans)
    yield data if structure.has_end_marker else data[: structure.end] + _END
    while scans and _is_seen_in(scans[:-1], structure):
        yield data[: scans.pop().start] + _END


def _misses_rows(data: bytes) -> bool:
    structure = _parse(data)
    colors: dict[int, ColorSpace] = {1: "GRAY", 3: "RGB", 4: "CMYK"}
    color = colors.get(structure.n_components)
    if color is None or not _is_seen_in(structure.scans, structure):
        return True
    try:
        _decode(data, color, side=1)
    except ValueError as error:
        return _TOO_SHORT in str(error)
    return False


def _is_seen_in(scans: list[_Segment], structure: _Structure) -> bool:
    """Return whether the scans show all components, if only coarsely."""
    seen: set[int] = set()
    for scan in scans:
        count = scan.payload[0] if scan.payload else 0
        if len(scan.payload) > 2 * count + 1 and scan.payload[2 * count + 1] == 0:  # the mean
            seen.update(scan.payload[1 : 2 * count + 1 : 2])
    return len(seen) >= max(1, structure.n_components)


def without_metadata(data: bytes) -> bytes:
    """Return a JPEG with only the metadata that matters for its pixels, and only if it is valid.

    Orientation (EXIF) and colour transform (JFIF, Adobe) matter. Damaged or oversize profiles,
    thumbnails, comments and notes of editors do not, and browsers ignore them.
    """
    structure = _parse(data)
    if not structure.scans:
        return data
    start = structure.scans[0].start
    kept = [
        b"\xff%c%b%b" % (each.marker, (len(each.payload) + 2).to_bytes(2, "big"), each.payload)
        for each in structure.segments
        if each.start < start and (each.marker not in _METADATA or _is_needed(each))
    ]
    return b"".join([b"\xff\xd8", *kept, data[start:]])


def _is_needed(segment: _Segment) -> bool:
    names = {_APP0: (b"JFIF\0", 14), _APP1: (b"Exif\0\0", 14), _APP14: (b"Adobe", 12)}
    name, length = names.get(segment.marker, (b"", 2**16))
    return segment.payload.startswith(name) and len(segment.payload) >= length


def check_coding(data: bytes, name: str) -> None:
    """Raise `ImageError` if a JPEG is of a rare kind that libjpeg does not decode."""
    structure = _parse(data)
    if structure.frame and structure.frame[0] != 8:
        kind = f"{structure.frame[0]} bits per channel"
    elif any(each.marker in _FRAMES - _DECODABLE_FRAMES for each in structure.segments):
        kind = "lossless or hierarchical"
    else:
        return
    raise ImageError(name, f"unsupported image format (JPEG, {kind}; browsers do not show it)")
