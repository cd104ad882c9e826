"""TIFFs: the page to read among thumbnails, masks and further pages; only tags that pixels need."""

import io
import struct
from collections.abc import Iterator
from typing import NamedTuple

from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from similarity_lab.errors import ImageError, InputError, one_line

__all__ = ["open_tiff", "tile_size"]

_MAX_PAGES = 200  # that are looked at
_SUBFILE_TYPE, _SUB_PAGES, _DNG_VERSION = 254, 330, 50706
_REDUCED, _MASK = 1, 4  # bits of the subfile type
_CANON_RAW = b"CR"  # at offset 8
_BIG = 43  # version of BigTIFF
_RAW = "unsupported image format (content is a camera's raw photo)"

# Size, coding, colours, strips and tiles, orientation, JPEG's tables and colours.
_NEEDED = {
    _SUBFILE_TYPE, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320,
    322, 323, 324, 325, _SUB_PAGES, 332, 334, 338, 339, 347, 512, 513, 514, 515, 519, 520, 521,
    529, 530, 531, 532, _DNG_VERSION,
}  # fmt: skip
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8,
          17: 8, 18: 8}  # fmt: skip
"""Bytes of a value, by its type."""


def open_tiff(data: bytes, name: str) -> TiffImageFile:
    """Return the largest page of a TIFF, of which only the header has been read.

    Pages that mask another one are passed over; of equally large pages, the first is taken. Damage
    of tags that are not needed for pixels does not matter.

    Raises
    ------
    ImageError
        Pillow does not know the kind of pixels, or the file is a camera's raw photo: its pages are
        thumbnails of pixels in a format of the maker's own.
    InputError
        The file is cut.
    """
    if data[8:10] == _CANON_RAW:
        raise ImageError(name, _RAW)
    file = io.BytesIO(_without_metadata(data))
    try:
        image = TiffImageFile(file)
    except Exception as error:
        reason = f"unsupported image format (an unusual TIFF: {one_line(error)})"
        raise ImageError(name, reason) from error
    is_raw = _DNG_VERSION in image.tag_v2
    largest, n_most = 0, -1
    for page in range(_MAX_PAGES):
        try:
            image.seek(page)
        except EOFError:
            break
        except Exception:  # noqa: S112 (a damaged page: another one may be readable)
            continue
        kind = image.tag_v2.get(_SUBFILE_TYPE, 0)
        is_raw |= bool(kind & _REDUCED) and _SUB_PAGES in image.tag_v2
        if not kind & _MASK and image.width * image.height > n_most:
            largest, n_most = page, image.width * image.height
    if is_raw:
        raise ImageError(name, _RAW)
    image.seek(largest)
    return image


def tile_size(image: TiffImageFile) -> tuple[int, int]:
    """Return width and height of the tiles in which a page is decoded; 0 if there are none."""
    width, height = (image.tag_v2.get(tag, 0) for tag in (TILEWIDTH, TILELENGTH))
    # Pillow refuses other types
    return (width, height) if isinstance(width, int) and isinstance(height, int) else (0, 0)


class _Layout(NamedTuple):
    """How numbers are stored, in TIFF or BigTIFF."""

    length: str  # number of entries of a directory
    entry: str  # tag, type, number of values, and the values or their offset
    offset: str

    @classmethod
    def of(cls, data: bytes) -> "_Layout":
        order = ">" if data.startswith(b"MM") else "<"
        (version,) = struct.unpack_from(f"{order}H", data, 2)
        forms = ("Q", "HHQQ", "Q") if version == _BIG else ("H", "HHII", "I")
        return cls(*(order + form for form in forms))


def _without_metadata(data: bytes) -> bytes:
    """Return a TIFF whose directories have only the tags that pixels need.

    Raises
    ------
    InputError
        The first directory is cut, or what one of these tags refers to.
    """
    layout = _Layout.of(data)
    entry_size = struct.calcsize(layout.entry)
    changed: bytearray | None = None
    for index, start in enumerate(_directories(data, layout)):
        (n_entries,) = struct.unpack_from(layout.length, data, start)
        first = start + struct.calcsize(layout.length)
        end = first + n_entries * entry_size
        kept = []
        for position in range(first, end, entry_size):
            tag, *value = struct.unpack_from(layout.entry, data, position)
            if tag not in _NEEDED:
                continue
            if index == 0 and not _is_inside(value, layout, len(data)):
                raise InputError("truncated; its pixels cannot be located")
            kept.append(data[position : position + entry_size])
        if len(kept) < n_entries:
            next_page = data[end : end + struct.calcsize(layout.offset)]
            shorter = b"".join([struct.pack(layout.length, len(kept)), *kept, next_page])
            changed = bytearray(data) if changed is None else changed
            changed[start : start + len(shorter)] = shorter
    return data if changed is None else bytes(changed)


def _directories(data: bytes, layout: _Layout) -> Iterator[int]:
    """Yield the offsets of the directories of the pages."""
    visited: set[int] = set()
    position = struct.calcsize(layout.offset)  # at 4, or at 8
    while len(visited) < _MAX_PAGES:
        try:
            (start,) = struct.unpack_from(layout.offset, data, position)
            if start == 0 or start in visited:
                return
            (n_entries,) = struct.unpack_from(layout.length, data, start)
            position = start + struct.calcsize(layout.length)
            position += n_entries * struct.calcsize(layout.entry)
            struct.unpack_from(layout.offset, data, position)
        except struct.error:
            if visited:
                return
            raise InputError("truncated before its directory of tags") from None
        visited.add(start)
        yield start


def _is_inside(value: list[int], layout: _Layout, length: int) -> bool:
    """Return whether the values of an entry are in the entry or in the file."""
    kind, n_values, offset = value
    size = _SIZES.get(kind, 1) * n_values
    return size <= struct.calcsize(layout.offset) or offset + size <= length
