"""Small pictures for a page: made once for each content, in threads, resumable."""

import base64
import io
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import cast

from PIL import Image
from tqdm.auto import tqdm

from similarity_lab.errors import ImageError
from similarity_lab.files import atomic_write
from similarity_lab.images import read_image
from similarity_lab.images.decoding import map_ahead
from similarity_lab.images.sources import Source, content_digest, read_bytes

SIDE = 180  # pixels, the longer one
_QUALITY = 78
_OURS = re.compile(r"(part\d+-)?[0-9a-f]{32}\.jpg")


@dataclass(frozen=True)
class Thumbnail:
    """A small picture: where a page finds it, and its size in pixels."""

    address: str
    width: int
    height: int


Pictures = dict[object, Thumbnail | ImageError]


def encoded(source: Source, side: int = SIDE) -> tuple[bytes, tuple[int, int]]:
    """Return a picture as a small JPEG, and its (width, height); `ImageError` if it is none.

    It is drawn anew from pixels: nothing else that a stranger put into the file is kept.

    Examples
    --------
    >>> import numpy as np
    >>> data, size = encoded(np.zeros((90, 360, 3), np.uint8))
    >>> data[:2].hex(), size
    ('ffd8', (180, 45))
    """
    picture = Image.fromarray(read_image(source))
    picture.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue(), picture.size


def inline(source: object, side: int = SIDE) -> Thumbnail:
    """Return a thumbnail that needs no file: its address holds it."""
    data, size = encoded(cast(Source, source), side)
    return Thumbnail(f"data:image/jpeg;base64,{base64.b64encode(data).decode()}", *size)


def key(source: object) -> object:
    """Return under what a source is looked up: its path, or else the object itself."""
    return str(source) if isinstance(source, (str, os.PathLike)) else id(source)


def write_thumbnails(sources: Iterable[object], folder: Path, *, progress: bool) -> Pictures:
    """Write a thumbnail of each source to a folder, named by content.

    Those that are there already are not made again, so an interrupted run goes on where it
    stopped; those of other pictures, which an earlier report left behind, are removed.

    Returns
    -------
    dict
        For each source's `key` its thumbnail, or the `ImageError` that says why there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {key(source): source for source in sources}
    made = tqdm(
        map_ahead(lambda source: _written(source, folder), cast(list[Source], [*wanted.values()])),
        total=len(wanted),
        desc="thumbnails",
        unit="image",
        disable=not progress,
        leave=False,
    )
    pictures: Pictures = dict(zip(wanted, made, strict=True))
    used = {picture.address for picture in pictures.values() if isinstance(picture, Thumbnail)}
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in used:
            path.unlink()
    return pictures


def _written(source: Source, folder: Path) -> Thumbnail:
    if isinstance(source, (str, os.PathLike)):
        source = read_bytes(source)  # once, for the digest and the pixels
    name = f"{content_digest(source)[:32]}.jpg"
    path = folder / name
    size = _size(path)
    if size is None:
        data, size = encoded(source)
        with atomic_write(path, writer=get_ident()) as part:  # another thread may write its copy
            part.write_bytes(data)
    return Thumbnail(name, *size)


def _size(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path, formats=["JPEG"]) as picture:
            return picture.size
    except OSError:  # not there, or not whole
        return None
