"""What the readers promise of any bytes at all, as functions that say what is wrong."""

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import fuzz_inputs
import numpy as np

from similarity_lab.errors import ArchiveError, ImageError, UrlError
from similarity_lab.files import extract_zip
from similarity_lab.images import check_image, read_header, read_image
from similarity_lab.images.scaled import read_scaled

_READERS: dict[str, tuple[Callable[[bytes], object], tuple[int, ...] | None]] = {
    "read_image": (read_image, None),
    "read_image, gray": (lambda data: read_image(data, color="gray", size=(9, 7)), (9, 7, 1)),
    "read_scaled": (lambda data: read_scaled(data, size=(16, 16)), (16, 16, 3)),
    "check_image": (check_image, None),
    "read_header": (read_header, None),
}


def images(data: bytes) -> Iterator[str]:
    """Pixels of the shape that was asked for, or `ImageError` with a reason; all agree."""
    refusals: dict[str, str] = {}
    for name, (reader, shape) in _READERS.items():
        try:
            result = reader(data)
        except ImageError as error:
            refusals[name] = error.reason
            if isinstance(error.__cause__, MemoryError):
                yield f"{name}: more memory than allowed ({error.reason})"
            continue
        if isinstance(result, np.ndarray) and (
            result.dtype != np.uint8
            or result.ndim != 3
            or result.size == 0
            or (shape and shape != result.shape)
        ):
            yield f"{name}: gave {result.shape} {result.dtype}"
    read = {name for name in _READERS if name not in refusals} - {"read_header"}
    if read and len(read) != len(_READERS) - 1:
        yield f"readers disagree: {', '.join(sorted(read))} read it; refused: {refusals}"


def archives(data: bytes) -> Iterator[str]:
    """Files below the folder, each listed; or `ArchiveError` and nothing left behind."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "inner"
        try:
            paths, skipped = extract_zip(io.BytesIO(data), folder, max_bytes=2**24)
        except ArchiveError:
            paths = []
            if folder.exists():
                yield "refused, and left something behind"
        else:
            if not all(skipped["reason"]):
                yield "left out without a reason"
        there = {path for path in Path(place).rglob("*") if not path.is_dir()}
        if there != set(paths):
            yield f"there are {sorted(there)}, it says {paths}"


def pages(data: bytes) -> Iterator[str]:
    """Absolute addresses, each once, that can be written anywhere; `ValueError` for no sitemap."""
    from similarity_lab.web import find_images
    from similarity_lab.web.html.links import find_links, needs_browser
    from similarity_lab.web.html.sitemaps import read_sitemap
    from similarity_lab.web.policy.urls import check_url, normalize_url, site_key

    found = find_images(data, "https://shop.example/nuts/")
    links = find_links(data, "https://shop.example/nuts/")
    needs_browser(data)
    for kind, addresses in (
        ("images", [one.url for one in found]),
        ("links", [address for address, _ in links]),
    ):
        if len(set(addresses)) != len(addresses):
            yield f"{kind}: an address is there twice"
        for address in addresses:
            if not address.startswith(("http://", "https://", "data:")):
                yield f"{kind}: {address!r} is not absolute"
            address.encode()
            if not address.startswith("data:"):
                with suppress(UrlError):
                    check_url(address)
                    site_key(address)
    for one in found:
        one.alt.encode()
    with suppress(ValueError):
        read_sitemap(data, max_bytes=2**22)
    text = data[:300].decode("utf-8", "replace")
    with suppress(UrlError):
        address = normalize_url(text)
        check_url(address)
        site_key(address)


TARGETS = {
    "images": (images, fuzz_inputs.pictures),
    "archives": (archives, fuzz_inputs.archives),
    "pages": (pages, fuzz_inputs.pages),
}
