"""Fuzz targets: the promises of the readers for any bytes, and valid inputs to start from.

A target is a generator that yields the problems of an input, none if the promise holds. An
exception other than the promised one is a problem too.
"""

import io
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, features

from similarity_lab.datasets.layout import near_equal_names
from similarity_lab.errors import (
    ArchiveError,
    ImageError,
    InputError,
    InputWarning,
    MissingExtraError,
    UrlError,
)
from similarity_lab.files import extract_zip
from similarity_lab.files.encodings import NAME_ENCODINGS, decode_text, guess_encoding
from similarity_lab.files.tables import parse_rows
from similarity_lab.images import check_image, read_header, read_image
from similarity_lab.images.copies import COPY_SIDE, compare_details, copy_thumbnail
from similarity_lab.images.scaled import read_scaled
from similarity_lab.samples import load_image
from similarity_lab.samples.shops import IMAGE_MARKUPS, make_shop
from similarity_lab.web.html.images import find_images
from similarity_lab.web.html.links import find_links, needs_browser
from similarity_lab.web.html.sitemaps import read_sitemap
from similarity_lab.web.policy.urls import (
    check_url,
    normalize_url,
    site_key,
    spelling_key,
    without_tracking,
)
from similarity_lab.web.site_list import read_sites

HEIC = Path(__file__).parents[1] / "tests" / "images" / "data"  # read with the extra `heif`

# Readers with the shape that they promise.
READERS: dict[str, tuple[Callable[[bytes], object], tuple[int, ...] | None]] = {
    "read_image": (read_image, None),
    "read_image, gray": (lambda data: read_image(data, color="gray", size=(9, 7)), (9, 7, 1)),
    "read_scaled": (lambda data: read_scaled(data, size=(16, 16)), (16, 16, 3)),
    "check_image": (check_image, None),
    "read_header": (read_header, None),
}


def images(data: bytes) -> Iterator[str]:
    """Check that every reader returns pixels of the promised shape, or all raise `ImageError`."""
    refusals: dict[str, str] = {}
    for name, (reader, shape) in READERS.items():
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
            yield f"{name}: returned {result.shape} {result.dtype}"
    accepted = {name for name in READERS if name not in refusals} - {"read_header"}
    if accepted and len(accepted) != len(READERS) - 1:
        yield f"readers disagree: accepted by {', '.join(sorted(accepted))}; refused: {refusals}"


def archives(data: bytes) -> Iterator[str]:
    """Check that files land below the folder and are listed; nothing is left of a refused zip."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "inner"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InputWarning)  # of guessed encodings
                paths, skipped = extract_zip(io.BytesIO(data), folder, max_bytes=2**24)
        except ArchiveError:
            paths = []
            if folder.exists():
                yield "refused, but left a folder behind"
        else:
            if not all(skipped["reason"]):
                yield "skipped without a reason"
        written = {path for path in Path(parent).rglob("*") if not path.is_dir()}
        if written != set(paths):
            yield f"wrote {sorted(written)}, returned {paths}"


def pages(data: bytes) -> Iterator[str]:
    """Check that urls are absolute, unique and encodable; a bad sitemap is a `ValueError`."""
    found_images = find_images(data, "https://shop.example/nuts/")
    links = find_links(data, "https://shop.example/nuts/")
    needs_browser(data)
    for kind, urls in (
        ("images", [image.url for image in found_images]),
        ("links", [url for url, _ in links]),
    ):
        if len(set(urls)) != len(urls):
            yield f"{kind}: a URL twice"
        for url in urls:
            if not url.startswith(("http://", "https://", "data:")):
                yield f"{kind}: {url!r} is not absolute"
            url.encode()
            if not url.startswith("data:"):
                with suppress(UrlError):
                    check_url(url)
                    site_key(url)
    for image in found_images:
        image.alt.encode()
    with suppress(ValueError):
        read_sitemap(data, max_bytes=2**22)
    text = data[:300].decode("utf-8", "replace")
    with suppress(UrlError):
        url = normalize_url(text)
        check_url(url)
        site_key(url)


def lists(data: bytes) -> Iterator[str]:
    """Check that a list of sites is read or refused, and that a url keeps its key when cleaned."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list"
        path.write_bytes(data)
        try:
            sites = read_sites(path)
        except (InputError, MissingExtraError):
            return
    if not sites:
        yield "read, but no site"
    for name, url in sites:
        if not isinstance(name, str) or not isinstance(url, str):
            yield f"{name!r}: {url!r} is no text"
        with suppress(UrlError):
            clean = normalize_url(url)
            check_url(clean)
            if spelling_key(without_tracking(clean)) != spelling_key(url):
                yield f"{url!r} has several keys"


def texts(data: bytes) -> Iterator[str]:
    """Check that text is decoded or refused, as a table and as a list of names in one encoding."""
    with suppress(InputError):
        text = decode_text(data)
        if not isinstance(text, str):
            yield f"{text!r} is no text"
        for row in parse_rows(text):
            if not row or not any(row):
                yield "an empty row"
    names = data.split(b"\n")
    encoding = guess_encoding(names, NAME_ENCODINGS)
    if encoding not in ("utf-8", *NAME_ENCODINGS):
        yield f"unknown encoding {encoding}"
    with suppress(UnicodeDecodeError):
        near_equal_names(name.decode(encoding) for name in names)


def copies(data: bytes) -> Iterator[str]:
    """Check that any two thumbnails can be compared, and that an image is a copy of itself."""
    side = COPY_SIDE
    bytes_of_both = np.resize(np.frombuffer(data or b"\0", np.uint8), 2 * side * side * 3)
    first, second = bytes_of_both.reshape(2, side, side, 3)
    small = np.frombuffer(data[:192].ljust(192, b"\0"), np.uint8).reshape(8, 8, 3)
    coarse = copy_thumbnail(small)
    for a, b in ((first, second), (coarse, second), (coarse, coarse)):
        agreement = compare_details(a, b)
        if not all(0 <= value <= 1 for value in agreement):
            yield f"{agreement} is not within 0…1"
    itself = compare_details(coarse, coarse)
    if itself.patches and itself.colors < 1:
        yield f"an image differs from itself: {itself}"


@cache
def image_seeds() -> list[bytes]:
    """Encode a small photo in all formats and modes that are read."""
    photo = Image.fromarray(load_image("almonds", 1)).resize((64, 48))
    rotated = Image.Exif()
    rotated[0x0112] = 6
    forms: list[tuple[Image.Image, str, dict[str, object]]] = [
        (photo, "JPEG", {}),
        (photo, "JPEG", {"progressive": True, "exif": rotated}),
        (photo.convert("L"), "JPEG", {}),
        (photo.convert("CMYK"), "JPEG", {}),
        (photo, "PNG", {}),
        (photo.convert("P"), "PNG", {"transparency": 3}),
        (photo.convert("RGBA"), "PNG", {}),
        (photo.convert("I;16"), "PNG", {}),
        (photo.convert("1"), "PNG", {}),
        (photo, "GIF", {"save_all": True, "append_images": [photo.rotate(9)]}),
        (photo, "WEBP", {}),
        (photo.convert("RGBA"), "WEBP", {"lossless": True, "exif": rotated}),
        (photo, "BMP", {}),
        (photo.convert("P"), "BMP", {}),
        (photo, "TIFF", {}),
        (photo, "TIFF", {"compression": "tiff_lzw"}),
        (photo.convert("CMYK"), "TIFF", {"compression": "tiff_adobe_deflate"}),
        (photo, "TIFF", {"compression": "jpeg"}),
        (photo, "MPO", {"save_all": True, "append_images": [photo]}),
    ]
    blank = Image.new("RGB", photo.size, "white")
    animated: dict[str, object] = {"save_all": True, "append_images": [blank.copy(), photo.copy()]}
    forms += [(blank, kind, animated) for kind in ("GIF", "PNG", "WEBP", "TIFF")]
    if features.check("avif"):
        forms += [(photo, "AVIF", {}), (blank, "AVIF", animated)]
    deep = np.asarray(photo).astype(">u2") * 16
    heic = [path.read_bytes() for path in sorted(HEIC.glob("*.heic"))]
    return [*(_encoded(*form) for form in forms), _deep_png(deep), *heic]


def _deep_png(pixels: np.ndarray) -> bytes:
    """Encode colours of 16 bits, which Pillow cannot."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        parts += [len(body).to_bytes(4, "big"), kind, body]
        parts.append(zlib.crc32(kind + body).to_bytes(4, "big"))
    return b"".join(parts)


def _encoded(image: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    image.copy().save(buffer, kind, **options)  # saving changes the image itself
    return buffer.getvalue()


@cache
def archive_seeds() -> list[bytes]:
    """Pack a few small files, stored and deflated, with folders and a name in UTF-8."""
    result = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name in ("almonds/1.jpg", "almonds/2.jpg", "Nüsse/1.jpg"):
                content = image_seeds()[0] if name.startswith("a") else b"no image"
                archive.writestr(zipfile.ZipInfo(name), content)
            archive.writestr(zipfile.ZipInfo("empty/"), b"")
        result.append(file.getvalue())
    windows = result[0].replace(b"almonds/", b"\x83A\x83\x82\x83\x93\\")  # Shift-JIS
    return [*result, windows]


@cache
def page_seeds() -> list[bytes]:
    """Make a shop that shows its products in all ways we know; return its pages and sitemaps."""
    subjects = ["almonds", "dates", "oats", "scene"]
    shop = make_shop(
        "Nüsse & Co", [subjects[n % 4] for n in range(len(IMAGE_MARKUPS))], size=(32, 32)
    )
    kinds = ("text/html", "application/xml", "application/gzip", "text/plain")
    found = [body for kind, body in shop.files.values() if kind.startswith(kinds)]
    return [*found, *(body[:400] for body in found if body.startswith(b"<!doctype"))]


@cache
def list_seeds() -> list[bytes]:
    """Write lists of sites in several dialects and encodings."""
    table = "Nr;Supplier;Website\n1;Nüsse & Co;https://nuts.example/?utm_source=x\n2;B;b.example\n"
    lines = "# ours\n- <https://a.example>\n[B](https://b.example/b_(c))\nC: c.example, d.example\n"
    tabs = table.replace(";", "\t")
    texts = [table.encode("cp1252"), f"sep=;\n{table}".encode(), tabs.encode("utf-16")]
    links = [
        b'[{"name": "A", "url": "https://a.example"}, {"url": "b.example"}]',
        b'{"name": "A", "url": "a.example"}\n{"url": "b.example"}\n',
        b"<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DT><A HREF='x' HREF=\"https://a.example\">A</A>",
        b"[InternetShortcut]\r\nURL=https://a.example\r\n",
        b'url\n"=HYPERLINK(""https://a.example"",""A"")"\n',
    ]
    return [*texts, lines.encode(), table.replace(";", ",").encode("utf-8-sig"), *links]


@cache
def text_seeds() -> list[bytes]:
    """Write names of foods in legacy encodings, and lists of sites."""
    words = {
        "cp437": "Nüsse Äpfel Käse", "cp932": "アーモンド くるみ", "gbk": "杏仁 核桃",
        "cp1251": "миндаль финики", "cp949": "아몬드 호두", "cp874": "อัลมอนด์ ถั่ว",
    }  # fmt: skip
    names = [text.replace(" ", "\n").encode(encoding) for encoding, text in words.items()]
    return [*names, *list_seeds()]


@cache
def copy_seeds() -> list[bytes]:
    """Return the pixels of two thumbnails: of a photo, and of its crop."""
    photo = load_image("almonds", 1)
    cropped = np.ascontiguousarray(photo[8:-8, 8:-8])
    return [b"".join(copy_thumbnail(image).tobytes() for image in (photo, cropped))]


TARGETS = {
    "images": (images, image_seeds),
    "archives": (archives, archive_seeds),
    "pages": (pages, page_seeds),
    "lists": (lists, list_seeds),
    "texts": (texts, text_seeds),
    "copies": (copies, copy_seeds),
}
