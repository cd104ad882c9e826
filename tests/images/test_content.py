"""Files under the name of an image are named by what they contain."""

import base64
import gzip
import io

import numpy as np
import pytest
from PIL import Image

from similarity_lab.images.content import describe_content, image_format

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
PAGE = "content looks like an HTML page"
VECTORS = "SVG is a vector graphic"
LONG_COMMENT = b"<!-- " + b"x" * 30_000 + b" -->"
DOCTYPE_SVG = b"""<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd" [
  <!ENTITY ns_svg "http://www.w3.org/2000/svg">
]>
"""
XHTML = b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x">'

TEXTS = {
    "page": (b"<!DOCTYPE html><html>", PAGE),
    "page in UTF-8": ("<html><title>Größe".encode(), PAGE),
    "page with a mark": (b"\xef\xbb\xbf<!doctype html>", PAGE),
    "page in UTF-16": ("<html>ä".encode("utf-16"), PAGE),
    "page in UTF-16 without a mark": ("<html>ä".encode("utf-16-be"), PAGE),
    "page in UTF-32": ("<html>ä".encode("utf-32"), PAGE),
    "page in CP1252": ("<html><title>Größe – 404".encode("cp1252"), PAGE),
    "page in Shift-JIS": ("<html><title>アーモンド".encode("shift_jis"), PAGE),
    "page after space": (b"\r\n\r\n\t <HTML lang='en'>", PAGE),
    "page after a comment": (b"<!-- " + b"y" * 600 + b" --><!DOCTYPE html>", PAGE),
    "page after a long comment": (LONG_COMMENT + b"<html>", PAGE),
    "page in XML": (XHTML + b"<html>", PAGE),
    "page that shows an SVG": (b"<html><body>" + SVG, PAGE),
    "part of a page": (b"<div class='error'>Not found</div>", PAGE),
    "warning of a server": (b"<br />\n<b>Warning</b>: x in", PAGE),
    "warning before a page": (b"Warning: x\n<!DOCTYPE html>", PAGE),
    "cut character": (b"<html>" + b"\xc3", PAGE),
    "SVG": (SVG, VECTORS),
    "SVG with a mark": (b"\xef\xbb\xbf" + SVG, VECTORS),
    "SVG in UTF-16": (SVG.decode().encode("utf-16"), VECTORS),
    "SVG after a comment": (b"<?xml version='1.0'?>\n" + LONG_COMMENT + SVG, VECTORS),
    "SVG with entities": (DOCTYPE_SVG + SVG, VECTORS),
    "SVG with non-ASCII text": ("<!-- Größe -->".encode() + SVG, VECTORS),
    "SVG with a prefix": (b'<svg:svg xmlns:svg="http://www.w3.org/2000/svg">', VECTORS),
    "SVG compressed": (gzip.compress(SVG), VECTORS),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "looks like XML"),
    "property list": (b"<!DOCTYPE plist PUBLIC 'x'><plist>", "looks like XML"),
    "JSON": (b'\n{"error": 404}', "looks like JSON"),
    "CSV": (b"a;b\n1;2", "looks like text"),
    "legacy text": ("Grüße aus Köln".encode("cp1252"), "looks like text"),
    "text that begins like a video": (b"Use free samples", "looks like text"),
    "text that begins like a BMP": (b"BMW and other brands " * 9, "looks like text"),
    "white space": (b"\n\n ", "looks like text"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
    "RTF": (b"{\\rtf1\\ansi", "an RTF document"),
    "PDF": (b"%PDF-1.7\n", "a PDF document"),
    "image in a data: url": (b"data:image/png;base64,iVBORw0KGgoAAAA", "an image in base64"),
    "image in base64": (base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(90)), "image in base64"),
    "AVIF in base64": (base64.b64encode(b"\0\0\0\x20ftypavif" + bytes(90)), "image in base64"),
    "shortcut of Windows": (b"[InternetShortcut]\r\nURL=https://x.example\r\n", "a link to a page"),
    "shortcut of Linux": (b"[Desktop Entry]\nType=Link\n", "a link to a page or a file"),
    "saved page": (b"From: <Saved by Blink>\r\nSnapshot-Content-Location: x", "MHTML"),
    "JSON of numbers": (b"[1, 2]", "looks like JSON"),
    "settings": (b"[core]\nbare = false", "looks like text"),
    "style sheet": (b"body { color: red }", "looks like text"),
    "script": (b"window.location = 'login'", "looks like text"),
    "playlist": (b"#EXTM3U\n#EXT-X-VERSION:3", "looks like text"),
    "plain PPM": (b"P3\n1 1\n255\n1 2 3", "a PNM image"),
}
BINARIES = {
    "JPEG XL": (b"\xff\x0a\xfa\x1f\x48", "JPEG XL"),
    "JPEG XL in boxes": (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "JPEG XL"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "JPEG 2000"),
    "JPEG 2000 stream": (b"\xff\x4f\xff\x51\0\x2f", "JPEG 2000"),
    "JPEG XR": (b"II\xbc\1\x08\0\0\0", "JPEG XR"),
    "JPEG-LS": (b"\xff\xd8\xff\xf7\0\x0b", "JPEG-LS"),
    "PSD": (b"8BPS\0\1" + bytes(20), "a Photoshop PSD document"),
    "ICO": (b"\0\0\1\0\1\0\x10\x10", "an ICO icon"),
    "CUR": (b"\0\0\2\0\1\0\x20\x20", "a CUR cursor"),
    "TGA": (b"\0\0\2\0\0\0\0\0\0\0\0\0\x40\0\x40\0\x18\0", "a TGA image"),
    "XCF": (b"gimp xcf v011\0", "a GIMP XCF document"),
    "raw photo of Canon": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "a camera's raw photo"),
    "raw photo of Fujifilm": (b"FUJIFILMCCD-RAW 0201\0", "a camera's raw photo"),
    "Live Photo": (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a QuickTime video"),
    "old QuickTime": (b"\0\0\x10\0moov\0\0\0\x6cmvhd", "a QuickTime video"),
    "MP4": (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "an MP4 video"),
    "video of a phone": (b"\0\0\0\x14ftyp3gp5\0\0\0\0", "a 3GP video"),
    "voice memo": (b"\0\0\0\x18ftypM4A \0\0\0\0", "MPEG-4 audio"),
    "WebM": (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81", "a WebM or Matroska video"),
    "AVI": (b"RIFF\0\0\1\0AVI LIST", "an AVI video"),
    "zip": (b"PK\x03\x04\x14\0", "a zip archive"),
    "gzip": (gzip.compress(b"words"), "a gzip archive"),
    "broken gzip": (b"\x1f\x8b\x08\0\xff", "a gzip archive"),
    "AppleDouble": (b"\0\5\x16\7\0\2\0\0Mac OS X        ", "macOS metadata"),
    ".DS_Store": (b"\0\0\0\1Bud1\0\0\x10\0", "macOS folder settings"),
    "Thumbs.db": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "Thumbs.db"),
    "PNG of an iOS app": (b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI\x50\0\x20\2", "an iOS app's own"),
    "JPEG behind a line": (b"\r\n\xff\xd8\xff\xe0" + bytes(99), "JPEG image behind 2 bytes"),
    "GIF behind a mark": (b"\xef\xbb\xbfGIF89a\x01\0\x01\0\x80\0\0", "a GIF image behind 3 bytes"),
    "PNG with other line ends": (b"\x89PNG\n\x1a\n\0\0\0\rIHDR", "was transferred as text"),
    "PNG as UTF-8": ("\x89PNG\r\n\x1a\n\0\0\0".encode(), "was transferred as text"),
    "JPEG as UTF-8": ("\xff\xd8\xff\xe0\0\x10JFIF".encode(), "was transferred as text"),
    "JPEG as bad UTF-8": (b"\xff\xd8\xff\xe0\0\1".decode("utf-8", "replace").encode(), "as text"),
    "TrueType": (b"\0\1\0\0\0\x0f\0\x80\0\3\0\x70DSIG", "a font"),
    "WebAssembly": (b"\0asm\1\0\0\0", "a WebAssembly program"),
    "glTF": (b"glTF\2\0\0\0\x10\0\0\0", "a glTF model"),
    "Affinity": (b"\0\xffKA\x0b\0\1", "an Affinity document"),
    "Sun raster": (b"\x59\xa6\x6a\x95\0\0\0\1", "a Sun raster image"),
    "SGI": (b"\x01\xda\1\1\0\3\0\x10", "an SGI image"),
    "zeros": (bytes(1000), "nothing but zero bytes"),
    "noise": (np.random.default_rng(0).bytes(500), "content not recognised"),
}
CASES = {**TEXTS, **BINARIES}


@pytest.mark.parametrize("kind", CASES)
def test_content_is_named(refusal, kind):
    data, expected = CASES[kind]
    reason = refusal(data)
    assert reason.startswith("unsupported image format (") and expected in reason
    assert describe_content(data) in reason


@pytest.mark.parametrize("kind", ["ICO", "JPEG2000", "PPM", "TGA", "PCX", "DDS", "ICNS"])
def test_content_of_what_pillow_writes_is_named(kind):
    buffer = io.BytesIO()
    image = Image.fromarray(np.full((64, 64, 3), 99, np.uint8))
    image.save(buffer, kind)
    assert image_format(buffer.getvalue()) is None
    assert describe_content(buffer.getvalue()).startswith("content is ")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xd8\xff\xe1", "JPEG"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PNG"),
        (b"GIF87a", "GIF"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WEBP"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "BMP"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"II+\0\x08\0\0\0", "TIFF"),
        (b"BM", None),
        (b"", None),
    ],
)
def test_image_format(data, expected):
    assert image_format(data) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n", "damaged PNG: no image in it"),
        (b"\xff\xd8\xff\xd9", "damaged JPEG: no image in it"),
        (b"GIF89a\x01\0\x01\0\0\0\0;", "damaged GIF: no image in it"),
    ],
)
def test_image_without_an_image_is_called_that(refusal, data, reason):
    assert refusal(data) == reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF"])
def test_damaged_image_is_called_damaged(photo, encode, refusal, kind):
    data = encode(photo, kind)
    for length in (30, len(data) // 2, len(data) - 300):
        assert refusal(data[:length]).startswith(f"damaged {kind}: ")
