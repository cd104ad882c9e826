"""Recognise what a file contains by its bytes, whatever its name: a format we decode, or not."""

import codecs
import re
import zlib

__all__ = ["describe_content", "image_format"]

_PREFIXES = [
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
]
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # lengths; "BM" alone could begin a text
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1",
    b"mif2", b"mif3",
}  # fmt: skip

# What people save under the name of an image, by the bytes at an offset.
_OTHERS = [
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (12, b"CgBI", "an iOS app's own kind of PNG"),
    (0, b"8BPS", "a Photoshop PSD document"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"\0\0\1\0", "an ICO icon"),
    (0, b"\0\0\2\0\0\0\0\0", "a TGA image"),
    (0, b"\0\0\x0a\0\0\0\0\0", "a TGA image"),
    (0, b"\0\0\2\0", "a CUR cursor"),
    (0, b"\x0a\5\1", "a PCX image"),
    (0, b"icns", "an ICNS icon"),
    (0, b"II\xbc", "JPEG XR"),
    (0, b"BPG\xfb", "a BPG image"),
    (0, b"FLIF", "a FLIF image"),
    (0, b"qoif", "a QOI image"),
    (0, b"farbfeld", "a farbfeld image"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"\xabKTX ", "a KTX texture"),
    (0, b"v/1\x01", "an OpenEXR image"),
    (0, b"#?RADIANCE", "a Radiance HDR image"),
    (0, b"SIMPLE  =", "a FITS image"),
    (0, b"gimp xcf", "a GIMP XCF document"),
    (0, b"\x8aMNG\r\n\x1a\n", "an MNG animation"),
    (0, b"\x8bJNG\r\n\x1a\n", "a JNG image"),
    (128, b"DICM", "a DICOM image"),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (40, b" EMF", "a Windows metafile"),
    (0, b"AT&TFORM", "a DjVu document"),
    (0, b"IIRO", "a camera's raw photo"),  # Olympus
    (0, b"IIRS", "a camera's raw photo"),
    (0, b"MMOR", "a camera's raw photo"),
    (0, b"IIU\0", "a camera's raw photo"),  # Panasonic
    (0, b"FUJIFILMCCD-RAW", "a camera's raw photo"),
    (0, b"FOVb", "a camera's raw photo"),  # Sigma
    (6, b"HEAPCCDR", "a camera's raw photo"),  # Canon
    (0, b"\0MRM", "a camera's raw photo"),  # Minolta
    (4, b"moov", "a QuickTime video"),  # without the box `ftyp`, as old cameras write it
    (4, b"mdat", "a QuickTime video"),
    (4, b"wide", "a QuickTime video"),
    (4, b"free", "a QuickTime video"),
    (4, b"skip", "a QuickTime video"),
    (4, b"pnot", "a QuickTime video"),
    (0, b"\x1a\x45\xdf\xa3", "a WebM or Matroska video"),
    (8, b"AVI ", "an AVI video"),
    (0, b"FLV\x01", "a Flash video"),
    (0, b"FWS", "a Flash film"),
    (0, b"CWS", "a Flash film"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media video"),
    (0, b"\0\0\1\xba", "an MPEG video"),
    (0, b"\0\0\1\xb3", "an MPEG video"),
    (8, b"WAVE", "WAVE audio"),
    (0, b"ID3", "MP3 audio"),
    (0, b"OggS", "Ogg audio or video"),
    (0, b"fLaC", "FLAC audio"),
    (0, b"PK\x03\x04", "a zip archive or office document"),
    (0, b"PK\x05\x06", "a zip archive or office document"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\0", "a xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document, or Windows' Thumbs.db"),
    (0, b"{\\rtf", "an RTF document"),
    (0, b"\0\x05\x16\x07", "macOS metadata, as in ._ files"),
    (0, b"\0\x05\x16\0", "macOS metadata, as in ._ files"),
    (4, b"Bud1", "macOS folder settings, as in .DS_Store"),
    (0, b"bplist", "a macOS property list"),
    (0, b"L\0\0\0\x01\x14\x02\0", "a Windows shortcut"),
    (0, b"MZ", "a Windows program"),
    (0, b"\x7fELF", "a program"),
    (0, b"SQLite format 3\0", "a SQLite database"),
    (0, b"PAR1", "a Parquet table"),
    (0, b"wOFF", "a font"),
    (0, b"wOF2", "a font"),
    (0, b"OTTO", "a font"),
    (0, b"ttcf", "a font"),
    (0, b"\0\1\0\0\0", "a font"),
    (0, b"\0asm", "a WebAssembly program"),
    (0, b"glTF", "a glTF model"),
    (0, b"\x59\xa6\x6a\x95", "a Sun raster image"),
    (0, b"\x01\xda\0", "an SGI image"),
    (0, b"\x01\xda\1", "an SGI image"),
    (0, b"\0\xffKA", "an Affinity document"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5 data"),
    (0, b"\x93NUMPY", "a NumPy array"),
]
# Images that something has changed on the way, by how they begin
_SENT_AS_TEXT = (
    b"\x89PNG", b"PNG\r\n", b"PNG\n", b"\xc2\x89PNG", b"\xef\xbf\xbdPNG", b"?PNG",
    b"\xc3\xbf\xc3\x98\xc3\xbf", b"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
)  # fmt: skip
_MAX_BEFORE = 1024  # bytes before an image in which it is looked for
_PNM = re.compile(rb"P[1-7fF]\s+(#|[\d-]|WIDTH)")  # PBM, PGM, PPM, PAM, PFM

_SVG = "SVG is a vector graphic"
_VIDEO_BRANDS = {  # by the first three letters of the major brand of an ISO media file
    "qt ": "a QuickTime video",
    "jxl": "JPEG XL",
    "jp2": "JPEG 2000",
    "jpx": "JPEG 2000",
    "jpm": "JPEG 2000",
    "crx": "a camera's raw photo",
    "M4A": "MPEG-4 audio",
    "M4B": "MPEG-4 audio",
    "3gp": "a 3GP video",
    "3g2": "a 3GP video",
}

_TEXT_WINDOW = 2**16  # bytes; the first element of a page may come after a long comment
_ENCODINGS = [  # byte order marks
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
]
_CONTROLS = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")  # not in texts of any encoding
# What may come before the first element: space, comments, processing instructions, the DTD's name.
_PROLOGUE = re.compile(r"(\s|<!--.*?-->|<\?.*?\?>)+", re.DOTALL)
_DOCTYPE = re.compile(r"<!doctype\s+([\w:]+)[^>\[]*(\[.*?\]\s*)?>?", re.IGNORECASE | re.DOTALL)
_ELEMENT = re.compile(r"<([\w.-]+:)?([a-z][\w.-]*)[\s/>]", re.IGNORECASE)
_HTML_LATER = re.compile(r"<!doctype\s+html|<html[\s>]", re.IGNORECASE)  # behind a warning
_KINDS_OF_TEXT = [
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (
            r"version https://git-lfs",
            "is a Git LFS pointer; fetch the file itself with: git lfs pull",
        ),
        (
            r"data:image/[\w.+-]+;base64,|/9j/|iVBORw0KGgo|R0lGOD[dl]h|UklGR|AAAA[a-z0-9+/]{2}Z0eX",
            "is an image in base64, as in data: urls; decode it first",
        ),
        (r"\[(InternetShortcut|Desktop Entry)\]", "is a link to a page or a file"),
        (r"mime-version:|from: <saved by", "is a saved page (MHTML)"),
        (r"\{\s*[\"}]|\[\s*([\"\[{\]\d-]|true|false|null)", "looks like JSON"),
    )
]
_HTML_ELEMENTS = frozenset({
    "a", "b", "base", "body", "br", "button", "center", "div", "font", "footer", "form", "frameset",
    "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "i", "iframe", "img",
    "input", "li", "link", "main", "meta", "nav", "noscript", "object", "ol", "p", "pre", "script",
    "section", "span", "strong", "style", "table", "td", "template", "title", "tr", "ul",
})  # fmt: skip


def image_format(data: bytes) -> str | None:
    """Return the format that the bytes of an image file begin with.

    Returns
    -------
    {"JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF", "BMP", "TIFF"} or None
        None for everything that we do not decode.

    Examples
    --------
    >>> image_format(b"GIF89a...")
    'GIF'
    """
    for prefix, name in _PREFIXES:
        if data.startswith(prefix):
            is_lookalike = data[12:16] == b"CgBI" or data[3:4] == b"\xf7"  # iOS; JPEG-LS
            return None if is_lookalike else name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    brands = _brands(data)
    if not _AVIF_BRANDS.isdisjoint(brands):
        return "AVIF"
    return "HEIF" if not _HEIF_BRANDS.isdisjoint(brands) else None


def _brands(data: bytes) -> list[bytes]:
    """Return the major and the compatible brands of an ISO media file; empty for other files."""
    if data[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(data[:4], "big"), 1024)
    return [data[8:12], *(data[start : start + 4] for start in range(16, end, 4))]


def describe_content(data: bytes) -> str:
    """Return what a file contains that is not an image we read, in a few words.

    Examples
    --------
    >>> describe_content(b"<!-- a banner --><!DOCTYPE html><p>Not found")
    'content looks like an HTML page'
    >>> describe_content(b"%PDF-1.7")
    'content is a PDF document'
    """
    if data[:2] == b"\x1f\x8b":
        return _describe_gzip(data)
    text = _decode_text(data[:_TEXT_WINDOW])
    if (name := _name(data, is_text=text is not None)) is not None:
        return f"content is {name}"
    if text is not None:
        return _describe_text(text)
    if data.startswith(_SENT_AS_TEXT):
        return "content is an image that was transferred as text; fetch it again, as binary"
    for prefix, name in _PREFIXES[:4]:
        if (position := data.find(prefix, 0, _MAX_BEFORE)) > 0:
            return f"content is a {name} image behind {position} bytes of something else"
    return "content not recognised" if data.strip(b"\0") else "content is nothing but zero bytes"


def _describe_gzip(data: bytes) -> str:
    try:
        head = zlib.decompressobj(31).decompress(data, _TEXT_WINDOW)
    except zlib.error:
        head = b""
    text = _decode_text(head)
    is_svg = text is not None and _root_element(text) == "svg"
    return _SVG if is_svg else "content is a gzip archive"


def _name(data: bytes, *, is_text: bool) -> str | None:
    for offset, magic, name in _OTHERS:
        is_word = is_text and magic.isalnum()  # "free", "MZ" … may begin a text
        if data[offset : offset + len(magic)] == magic and not is_word:
            return name
    if brands := _brands(data):
        return _VIDEO_BRANDS.get(brands[0].decode("latin-1")[:3], "an MP4 video")
    return "a PNM image" if _PNM.match(data) else None


def _decode_text(head: bytes) -> str | None:
    """Return the beginning of a file as text; None if it is not text."""
    encoding = next((name for mark, name in _ENCODINGS if head.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in head[:2]:  # every other byte of UTF-16
        encoding = "utf-16-be" if head[0] == 0 else "utf-16-le"
    try:  # the last character may be cut
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        text = head.decode("latin-1") if len(head) > 8 else "\0"  # whatever it is, tags are ASCII
    return None if not text or _CONTROLS.search(text) else text


def _describe_text(text: str) -> str:
    root = _root_element(text)
    if root == "svg":
        return _SVG
    if root in _HTML_ELEMENTS or (not root and _HTML_LATER.search(text)):
        return "content looks like an HTML page"
    start = text.lstrip()
    if root or start.startswith("<?xml"):
        return "content looks like XML"
    matches = (words for pattern, words in _KINDS_OF_TEXT if pattern.match(start))
    return f"content {next(matches, 'looks like text')}"


def _root_element(text: str) -> str:
    """Return the name of the first element of a page or an XML document, or an empty string."""
    position = 0
    if match := _PROLOGUE.match(text):
        position = match.end()
    if match := _DOCTYPE.match(text, position):
        return match[1].lower().rpartition(":")[2]
    if match := _ELEMENT.match(text, position):
        return match[2].lower()
    if text.startswith("<!--", position):  # a comment without end within the window
        match = _ELEMENT.search(text, position)
        return match[2].lower() if match else ""
    return ""
