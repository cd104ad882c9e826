"""WebP: pass to the decoder what its pixels need, so that damage elsewhere does not matter."""

import io
from collections.abc import Iterator

from PIL.WebPImagePlugin import WebPImageFile

from similarity_lab.errors import InputError

__all__ = ["open_webp"]

_PIXELS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
_START = 12  # behind RIFF, the size, WEBP


def open_webp(data: bytes) -> WebPImageFile:
    """Return a WebP of which only the header has been read.

    Damaged metadata, what follows the image, and a wrong size in the header do not matter.

    Raises
    ------
    InputError
        The image is damaged.
    """
    chunks = [data[start:end] for start, end in _chunks(data)]
    body = b"".join(chunk + bytes(len(chunk) % 2) for chunk in chunks)
    size = (4 + len(body)).to_bytes(4, "little")
    try:
        return WebPImageFile(io.BytesIO(b"".join([b"RIFF", size, b"WEBP", body])))
    except Exception:  # libwebp does not say more
        raise InputError("truncated or damaged data") from None


def _chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each chunk that is needed; a cut one is yielded if it has pixels."""
    start = _START
    while start + 8 <= len(data):
        kind = data[start : start + 4]
        end = start + 8 + int.from_bytes(data[start + 4 : start + 8], "little")
        if kind in _PIXELS or (kind == b"EXIF" and end <= len(data)):
            yield start, min(end, len(data))
        start = end + end % 2
