"""What the url of an image names: its file name and its folders."""

import re
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

_MAX_URL = 4_000  # characters; browsers and servers refuse longer ones
_EXTENSION = re.compile(r"\.[a-z0-9]{1,5}$", re.IGNORECASE)
_IMAGE_FILE = re.compile(
    r"\.(?:avif|bmp|gif|heic|jfif|jpe?g|jxl|png|svg|tiff?|webp)$", re.IGNORECASE
)
_INNER_URL = re.compile(r"https?:/+[^/]+(?=/)", re.IGNORECASE)
_CHUNK = re.compile(r"[A-Za-z0-9]{12,}")
_CHANGE = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")
_MIN_CHANGES = 4  # between letters and digits in a hash


def url_parts(url: str) -> tuple[str, str]:
    """Return the file name and the folders of an image's url as texts.

    The host is left out, like everything that is not a word: the extension and hashes. Image
    proxies name the image in the query or contain another url; then that path counts.

    Returns
    -------
    file_name, folders : str
        Empty for what is not an ``http`` or ``https`` url: data urls and local files name nothing.

    Examples
    --------
    >>> url_parts("https://almond-company.com/nuts/brazil%20nuts-300x300.jpg?v=3")
    ('brazil nuts-300x300', 'nuts')
    >>> url_parts("https://shop.example/_next/image?url=%2Fmedia%2Fdates.jpg&w=640")
    ('dates', 'media')
    """
    try:
        parts = urlsplit(url[:_MAX_URL].strip())
    except ValueError:
        return "", ""
    if parts.scheme.lower() not in {"http", "https"}:
        return "", ""
    path = _decode(parts.path)
    if not _IMAGE_FILE.search(path):
        for _, value in parse_qsl(parts.query, errors="replace"):
            inner = re.split(r"[?#]", _decode(value))[0]
            if _IMAGE_FILE.search(inner):
                path = inner
    embedded = list(_INNER_URL.finditer(path))
    if embedded:
        path = path[embedded[-1].end() :]
    segments = path.split("/")
    files = [position for position, name in enumerate(segments) if _IMAGE_FILE.search(name)]
    last = files[-1] if files else len(segments) - 1
    # A folder with a dot is the host of a proxied image.
    folders = [_without_hashes(name) for name in segments[:last] if name and "." not in name]
    return file_words(segments[last]), ", ".join(folders)


def is_file_name(text: str) -> bool:
    """Return whether a text is the name of an image file, as alternative texts often are."""
    return len(text) < _MAX_URL and " " not in text and bool(_IMAGE_FILE.search(text))


def file_words(name: str) -> str:
    """Return a file name without its extensions and hashes."""
    name = _EXTENSION.sub("", name)
    while _IMAGE_FILE.search(name):
        name = _IMAGE_FILE.sub("", name)
    return _without_hashes(name.replace(".", " "))


def _without_hashes(text: str) -> str:
    return _CHUNK.sub(
        lambda chunk: "" if len(_CHANGE.findall(chunk[0])) >= _MIN_CHANGES else chunk[0], text
    )


def _decode(text: str) -> str:
    """Decode percent signs, twice if necessary; Latin-1 where the bytes are not UTF-8."""
    for _ in range(2):
        if "%" not in text:
            break
        content = unquote_to_bytes(text)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    return text
