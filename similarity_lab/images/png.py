"""PNGs: pass to the decoder what its pixels need, so that damage elsewhere does not matter."""

import io
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL.PngImagePlugin import PngImageFile

__all__ = ["open_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_END = b"\0\0\0\0IEND\xaeB`\x82"
_GRAY, _RGB, _PALETTE = 0, 2, 3  # colour types


class _Chunk(NamedTuple):
    kind: bytes
    body: memoryview
    checksum: bytes  # shorter than four bytes if the file is cut

    @property
    def is_intact(self) -> bool:
        return _checksum(self.kind, self.body) == self.checksum

    def encode(self) -> bytes:
        return b"".join([len(self.body).to_bytes(4, "big"), self.kind, self.body, self.checksum])


def open_png(data: bytes, *, is_still: bool = False) -> PngImageFile:
    """Return a PNG of which only the header has been read.

    Like browsers, it ignores damage of what is not needed for pixels: texts, profiles, times; a
    missing end; what follows the end; and an animation of which a part is damaged.

    Parameters
    ----------
    data : bytes
    is_still : bool
        Ignore an animation.

    Raises
    ------
    Exception
        Pillow's, of any type: the header is damaged.
    """
    chunks = list(_chunks(data))
    color_type = data[25] if len(data) > 25 else _RGB
    is_animated = not is_still and _is_valid_animation(chunks)
    needed = [chunk for chunk in chunks if _is_needed(chunk, color_type, is_animated)]
    length = len(_SIGNATURE) + sum(12 + len(chunk.body) for chunk in needed)
    if length != len(data) or not needed or needed[-1].kind != b"IEND":
        data = _encode(needed)
    image = PngImageFile(io.BytesIO(data))
    _scale_transparent_color(image, data)
    return image


def _is_needed(chunk: _Chunk, color_type: int, is_animated: bool) -> bool:
    if chunk.kind in _ANIMATION:
        return is_animated
    if chunk.kind == b"tRNS":
        return chunk.is_intact and _is_valid_transparency(chunk, color_type)
    return chunk.kind in _CRITICAL or (chunk.kind == b"eXIf" and chunk.is_intact)


def _is_valid_animation(chunks: list[_Chunk]) -> bool:
    """Return whether there is an animation, and no part of it is damaged or missing."""
    lengths = {b"acTL": (8, 8), b"fcTL": (26, 26), b"fdAT": (4, 2**31)}
    parts = [chunk for chunk in chunks if chunk.kind in _ANIMATION]
    for part in parts:
        shortest, longest = lengths[part.kind]
        if not (part.is_intact and shortest <= len(part.body) <= longest):
            return False
    frames = [part for part in parts if part.kind != b"acTL"]
    numbers = [int.from_bytes(frame.body[:4], "big") for frame in frames]
    has_frames = any(part.kind == b"acTL" and any(part.body[:4]) for part in parts)
    return has_frames and numbers == list(range(len(frames)))


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield the chunks up to IEND. Pixel data that the end of the file cuts are yielded, too."""
    view, position = memoryview(data), len(_SIGNATURE)
    while position + 8 <= len(data):
        start = position + 8
        end = start + int.from_bytes(data[position : position + 4], "big")
        chunk = _Chunk(data[position + 4 : start], view[start:end], data[end : end + 4])
        if len(chunk.checksum) < 4:
            if chunk.kind == b"IDAT":
                yield chunk._replace(checksum=_checksum(chunk.kind, chunk.body))
            return
        yield chunk
        if chunk.kind == b"IEND":
            return
        position = end + 4


def _checksum(kind: bytes, body: memoryview) -> bytes:
    return zlib.crc32(body, zlib.crc32(kind)).to_bytes(4, "big")


def _is_valid_transparency(chunk: _Chunk, color_type: int) -> bool:
    length = len(chunk.body)
    return length == {_GRAY: 2, _RGB: 6}.get(color_type) or (
        color_type == _PALETTE and 1 <= length <= 256
    )


def _encode(chunks: list[_Chunk]) -> bytes:
    encoded = [chunk.encode() for chunk in chunks if chunk.kind != b"IEND"]
    return b"".join([_SIGNATURE, *encoded, _END])


def _scale_transparent_color(image: PngImageFile, data: bytes) -> None:
    """Scale the transparent colour like the pixels, which Pillow does for 1 and 8 bits only."""
    depth, transparent = data[24], image.info.get("transparency")
    if image.mode == "L" and depth in (2, 4) and isinstance(transparent, int):
        image.info["transparency"] = transparent * 255 // (2**depth - 1)
    elif image.mode == "RGB" and depth == 16 and isinstance(transparent, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
