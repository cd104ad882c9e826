"""The orientation is EXIF's, read as browsers do: neither XMP's nor that of damaged data."""

import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from similarity_lab.images.exif import exif_orientation

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "MPO"])
def test_orientation_in_xmp_is_ignored(photo, encode, read, assert_close, kind):
    options = {"xmp": XMP}
    if kind == "TIFF":
        options = {"tiffinfo": {700: XMP}}
    if kind == "PNG":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    data = encode(photo, kind, **options)
    assert b'tiff:Orientation="6"' in data
    assert_close(read(data), photo)
    if kind != "TIFF":  # EXIF wins
        exif = Image.Exif()
        exif[0x0112] = 3
        assert_close(read(encode(photo, kind, exif=exif, **options)), photo[::-1, ::-1])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "MPO"])
def test_orientation_in_exif_is_applied(photo, encode, read, assert_close, kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert_close(read(encode(photo, kind, exif=exif)), np.rot90(photo, -1))


def test_orientation_in_a_text_of_a_png_is_ignored(photo, encode, read):
    exif = Image.Exif()
    exif[0x0112] = 6
    body = exif.tobytes()
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(body):8}\n{body.hex()}\n")
    np.testing.assert_array_equal(read(encode(photo, "PNG", pnginfo=info)), photo)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(10))
def test_exif_orientation(order, value):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = [(0x010F, 2, 4, 0), (0x0112, 3, 1, value << (16 if order == ">" else 0))]
    body = b"".join(struct.pack(order + "HHII", *entry) for entry in entries)
    exif = mark + struct.pack(order + "IH", 8, len(entries)) + body
    expected = value if 1 <= value <= 8 else 1
    for prefix in (b"", b"Exif\0\0"):
        assert exif_orientation(prefix + exif) == expected
    assert exif_orientation(exif[:-4]) == 1


@pytest.mark.parametrize("exif", [b"", b"II", b"Exif\0\0", b"MM\0*\xff\xff\xff\xff", b"II*\0" * 9])
def test_exif_orientation_of_damaged_data(exif):
    assert exif_orientation(exif) == 1
