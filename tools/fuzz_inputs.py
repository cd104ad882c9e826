"""What `tools/fuzz.py` feeds the readers: valid pictures, archives and pages, and how they change.

Every input follows from its seed and number alone, so a crash can be made again from two numbers.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, features

from similarity_lab.samples import load_image
from similarity_lab.samples.shops import WAYS, make_shop

Rng = np.random.Generator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# What a page, a style, a table of contents or an address may hold that means something; with
# the escapes of Python's bytes
_WORDS = [
    line.encode().decode("unicode_escape").encode("latin-1")
    for line in Path(__file__).with_name("fuzz_words.txt").read_text("utf-8").splitlines()
]


@cache
def pictures() -> list[bytes]:
    """Draw small photos in all formats and modes that are read."""
    photo = Image.fromarray(load_image("almonds", 1, size=(48, 64)))
    upside = Image.Exif()
    upside[0x0112] = 6
    forms: list[tuple[Image.Image, str, dict]] = [
        (photo, "JPEG", {}),
        (photo, "JPEG", {"progressive": True, "exif": upside}),
        (photo.convert("L"), "JPEG", {}),
        (photo.convert("CMYK"), "JPEG", {}),
        (photo, "PNG", {}),
        (photo.convert("P"), "PNG", {"transparency": 3}),
        (photo.convert("RGBA"), "PNG", {}),
        (photo.convert("I;16"), "PNG", {}),
        (photo.convert("1"), "PNG", {}),
        (photo, "GIF", {"save_all": True, "append_images": [photo.rotate(9)]}),
        (photo, "WEBP", {}),
        (photo.convert("RGBA"), "WEBP", {"lossless": True, "exif": upside}),
        (photo, "BMP", {}),
        (photo.convert("P"), "BMP", {}),
        (photo, "TIFF", {}),
        (photo, "TIFF", {"compression": "tiff_lzw"}),
        (photo.convert("CMYK"), "TIFF", {"compression": "tiff_adobe_deflate"}),
        (photo.convert("LAB"), "TIFF", {}) if "LAB" in Image.MODES else (photo, "TIFF", {}),
        (photo, "TIFF", {"compression": "jpeg"}),
        (photo, "MPO", {"save_all": True, "append_images": [photo]}),
    ]
    if features.check("avif"):
        forms.append((photo, "AVIF", {}))
    return [_saved(*form) for form in forms]


@cache
def archives() -> list[bytes]:
    """Pack a few small files, stored and deflated, with folders and a name in UTF-8."""
    result = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name in ("almonds/1.jpg", "almonds/2.jpg", "Nüsse/1.jpg"):
                archive.writestr(zipfile.ZipInfo(name), pictures()[0] if name[0] == "a" else b"no")
            archive.writestr(zipfile.ZipInfo("empty/"), b"")
        result.append(file.getvalue())
    return result


@cache
def pages() -> list[bytes]:
    """Draw a shop that shows its products in all the ways we know; its pages and sitemaps."""
    subjects = ["almonds", "dates", "oats", "scene"]
    shop = make_shop("Nüsse & Co", [subjects[n % 4] for n in range(len(WAYS))], size=(32, 32))
    kinds = ("text/html", "application/xml", "application/gzip", "text/plain")
    found = [body for kind, body in shop.files.values() if kind.startswith(kinds)]
    return [*found, *(body[:400] for body in found if body.startswith(b"<!doctype"))]


def mutated(seeds: Callable[[], list[bytes]], seed: int, number: int) -> bytes:
    """Return input `number`: one of the seeds, changed in up to sixteen places."""
    rng = np.random.default_rng([seed, number])
    originals = seeds()
    data = bytearray(originals[rng.integers(len(originals))])
    for _ in range(int(2 ** rng.integers(0, 5))):
        change = _CHANGES[rng.integers(len(_CHANGES))]
        data = change(data, rng, originals)[: 2**20]
    # a decoder looks at no chunk whose checksum is wrong
    return _with_checksums(bytes(data)) if rng.random() < 0.8 else bytes(data)


def _saved(image: Image.Image, kind: str, options: dict) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _span(data: bytearray, rng: Rng, longest: int = 64) -> slice:
    start = int(rng.integers(len(data) + 1))
    return slice(start, start + int(rng.integers(1, longest + 1)))


def _flip(data: bytearray, rng: Rng, _: list[bytes]) -> bytearray:
    if data:
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    return data


def _edge(data: bytearray, rng: Rng, _: list[bytes]) -> bytearray:
    """Write a number that is often one too many, in either order of bytes."""
    form = str(rng.choice(["<", ">"])) + str(rng.choice(["B", "H", "I"]))
    size = struct.calcsize(form)
    value = int(rng.choice(_EDGES)) & (256**size - 1)
    at = int(rng.integers(max(len(data) - size, 0) + 1))
    data[at : at + size] = struct.pack(form, value)
    return data


def _noise(data: bytearray, rng: Rng, _: list[bytes]) -> bytearray:
    span = _span(data, rng, 8)
    data[span] = rng.bytes(len(data[span]))
    return data


def _remove(data: bytearray, rng: Rng, _: list[bytes]) -> bytearray:
    del data[_span(data, rng)]
    return data


def _truncate(data: bytearray, rng: Rng, _: list[bytes]) -> bytearray:
    return data[: int(rng.integers(len(data) + 1))]


def _repeat(data: bytearray, rng: Rng, _: list[bytes]) -> bytearray:
    span = _span(data, rng)
    data[span] = bytes(data[span]) * int(2 ** rng.integers(1, 11))
    return data


def _word(data: bytearray, rng: Rng, _: list[bytes]) -> bytearray:
    at = int(rng.integers(len(data) + 1))
    data[at:at] = _WORDS[rng.integers(len(_WORDS))]
    return data


def _splice(data: bytearray, rng: Rng, seeds: list[bytes]) -> bytearray:
    other = seeds[rng.integers(len(seeds))]
    data[_span(data, rng)] = other[_span(bytearray(other), rng, 512)]
    return data


_CHANGES = (_flip, _edge, _noise, _remove, _truncate, _repeat, _word, _splice, _flip, _edge, _word)


def _with_checksums(data: bytes) -> bytes:
    """Return a PNG with the checksum that each of its chunks would have; all else as it is."""
    if not data.startswith(_SIGNATURE):
        return data
    parts, at = [_SIGNATURE], len(_SIGNATURE)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        parts += [data[at:end], struct.pack(">I", zlib.crc32(data[at + 4 : end]))]
        at = end + 4
    return b"".join([*parts, data[at:]])
