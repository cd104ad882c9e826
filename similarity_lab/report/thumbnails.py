"""Thumbnails for pages: one file for each content, written in threads, resumable."""

import base64
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import cast

from PIL import Image

from similarity_lab._progress import tqdm
from similarity_lab.errors import ImageError
from similarity_lab.files import atomic_write
from similarity_lab.images import read_image
from similarity_lab.images.decoding import map_ahead
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.sources import Source, content_digest
from similarity_lab.images.thumbnails import THUMBNAIL_SIDE, EncodedThumbnail, make_thumbnail

__all__ = [
    "Thumbnail",
    "Thumbnails",
    "encode_thumbnail",
    "inline_thumbnail",
    "source_key",
    "write_thumbnails",
]

_FILE_NAME = re.compile(r"(part\d+-)?[0-9a-f]{32}\.jpg")


@dataclass(frozen=True)
class Thumbnail:
    """A small image on a page.

    Attributes
    ----------
    url : str
        Relative to the folder of thumbnails, or a ``data:`` URL.
    width, height : int
        In pixels.
    digest : str
        Content digest of the original image; empty if unknown.
    """

    url: str
    width: int
    height: int
    digest: str = ""


Thumbnails = dict[object, Thumbnail | ImageError]
"""By `source_key`: the thumbnail of an image, or the error that explains its absence."""


def encode_thumbnail(source: Source, side: int = THUMBNAIL_SIDE) -> EncodedThumbnail:
    """Return an image as a small JPEG; `ImageError` if it cannot be read."""
    return make_thumbnail(read_image(source), side)


def inline_thumbnail(source: object, side: int = THUMBNAIL_SIDE) -> Thumbnail:
    """Return a thumbnail with a ``data:`` URL, which needs no file."""
    encoded = encode_thumbnail(cast(Source, source), side)
    url = f"data:image/jpeg;base64,{base64.b64encode(encoded.data).decode()}"
    return Thumbnail(url, encoded.width, encoded.height)


def source_key(source: object) -> object:
    """Return the key of a source in a dictionary: its path, or the identity of another object."""
    return str(source) if isinstance(source, (str, os.PathLike)) else id(source)


def write_thumbnails(
    sources: Iterable[object],
    folder: Path,
    *,
    encoded: Mapping[object, EncodedThumbnail] | None = None,
    progress: bool = True,
) -> Thumbnails:
    """Write a thumbnail of each source to a folder, named by content.

    Existing thumbnails are reused, so that an interrupted run resumes; those of other images, from
    an earlier report, are removed.

    Parameters
    ----------
    sources : iterable of images
    folder : path
    encoded : mapping of source key to EncodedThumbnail, optional
        Thumbnails that were made while the images were embedded; these are not decoded again.
    progress : bool

    Returns
    -------
    dict
        Thumbnail of each source by its `source_key`, or the `ImageError` that explains its absence.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unique = {source_key(source): cast(Source, source) for source in sources}

    def write(key: object) -> Thumbnail:
        known = None if encoded is None else encoded.get(key)
        return _write(folder, unique[key], known)

    results = tqdm(
        map_ahead(write, unique),
        total=len(unique),
        desc="thumbnails",
        unit="image",
        disable=not progress,
        leave=False,
    )
    thumbnails: Thumbnails = dict(zip(unique, results, strict=True))
    names = {each.url for each in thumbnails.values() if isinstance(each, Thumbnail)}
    for path in folder.iterdir():
        if _FILE_NAME.fullmatch(path.name) and path.name not in names:
            path.unlink()
    return thumbnails


def _write(folder: Path, source: Source, encoded: EncodedThumbnail | None) -> Thumbnail:
    if encoded is not None and encoded.digest:
        digest = encoded.digest
    elif isinstance(source, (str, os.PathLike)):
        source = OpenedImage(source)  # read once, for the digest and the pixels
        digest = source.digest
    else:
        digest = content_digest(source)
    path = folder / f"{digest[:32]}.jpg"
    size = _size(path)
    if size is None:
        encoded = encode_thumbnail(source) if encoded is None else encoded
        size = encoded.width, encoded.height
        with atomic_write(path, writer=get_ident()) as part:  # several threads may write it
            part.write_bytes(encoded.data)
    return Thumbnail(path.name, *size, digest)


def _size(path: Path) -> tuple[int, int] | None:
    """Return width and height of a thumbnail; None if it is absent or damaged."""
    try:
        with Image.open(path, formats=["JPEG"]) as image:
            return image.size
    except OSError:
        return None
