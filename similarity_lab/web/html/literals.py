"""JSON, JavaScript objects and strings in the scripts of a page, without running anything."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import chompjs

_MAX_SCRIPT = 5 * 2**20  # characters
_MAX_NODES = 50_000  # values of one script
_MAX_STRINGS = 5_000  # image URLs of one script
_MAX_OBJECTS, _MAX_REFERENCES = 2_000, 30  # of a state with references
_MAX_NAME = 500  # characters of an image URL in a script
_OPENING, _CLOSING = ("//", "<!--", "<![CDATA["), ("-->", "]]>", "//")  # old habits
_ESCAPE = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL
)
_QUOTE = re.compile("&quot;|&#0{0,5}34;|&#[xX]0{0,5}22;|[\u201c\u201d\u201e]")
_IMAGE_END = re.compile(r"\.(?:jpe?g|jfif|png|webp|avif|gif|bmp|tiff?)\b", re.IGNORECASE)
_PARSED = re.compile(
    r"""JSON\.parse\(\s*+(?:(?:window\.)?(decodeURIComponent|decodeURI|unescape|atob)\(\s*+)?"""
    r"""(?:"((?:[^"\\]|\\.)*+)"|'((?:[^'\\]|\\.)*+)')""",
    re.DOTALL,
)
_DATA_FILE = re.compile(r"""["'`]([\w./:~%@+-]{1,300}\.json)(?:\?[^"'`\s]{0,200})?["'`]""")
_NOT_DATA = re.compile(
    r"(?:manifest|package|tsconfig|config|composer|locale|lang|i18n)[\w.-]*$", re.IGNORECASE
)
_MAX_FILES = 10
# Code, JSON that is escaped, and endings alone, which scripts put behind a name
_NOT_IMAGE_URL = re.compile(r"[<>{}|\n]|\s\s|\\[nrt]|%22|%7B|(?:^|/)\.\w+$", re.IGNORECASE)
_FOLDER = re.compile(r"""["'`(]((?:[\w.-]+/|/)[\w./-]{0,200})(?:\$\{|\{\{|["']\s{0,9}\+)""")


def json_of(text: str) -> tuple[Any, bool]:
    """Return the JSON in a text, and whether it had to be repaired; ``(None, True)`` without any.

    Repaired are what browsers' scripts would accept (trailing commas, comments, single quotes, a
    semicolon behind), wrappings in comments, and quotes that are entities or typographic.

    Examples
    --------
    >>> json_of('{"a": [1, 2]}'), json_of('<!-- {"a": [1, 2,],}; -->')
    (({'a': [1, 2]}, False), ({'a': [1, 2]}, True))
    """
    try:
        return json.loads(text, strict=False), False
    except (ValueError, RecursionError):
        pass
    text = _unwrapped(text)
    try:
        return json.loads(text, strict=False), True
    except (ValueError, RecursionError):
        pass
    if text.count('"') < min(2, len(_QUOTE.findall(text))):
        text = _QUOTE.sub('"', text)
    values = list(objects(text))
    return (values[0] if len(values) == 1 else values or None), True


def objects(script: str) -> Iterator[Any]:
    r"""Yield the objects and arrays of a script that are literals, outermost ones only.

    Examples
    --------
    >>> list(objects("var a = {name: 'Almonds', sizes: [1, 2,]}; f([3])"))
    [{'name': 'Almonds', 'sizes': [1, 2]}, [3]]
    >>> list(objects(r"var b = JSON.parse('{\"name\": \"Almonds\"}')"))
    [{'name': 'Almonds'}]
    """
    text = script[:_MAX_SCRIPT]
    for match in _PARSED.finditer(text):
        literal = unescaped(match[2] or match[3] or "")
        with suppress(ValueError, RecursionError):
            if match[1] == "atob":
                literal = base64.b64decode(literal).decode()
            elif match[1]:
                literal = unquote(literal)
            yield json.loads(literal, strict=False)
    text = _PARSED.sub(" ", text).replace("*/", "*/ ")  # chompjs skips what follows a comment
    try:
        # Empty ones are left out: every function has some
        yield from filter(None, chompjs.parse_js_objects(text, loader_kwargs={"strict": False}))
    except (ValueError, RecursionError):  # nested too deeply
        return


def nodes(value: Any) -> Iterator[tuple[dict, tuple[dict, ...]]]:  # noqa: ANN401
    """Yield each object in a JSON value with the objects around it, innermost last, in order.

    JSON in strings is read too (frameworks pass their state so), and so is Nuxt's state, in which
    objects refer to places of an array.

    Examples
    --------
    >>> [node for node, _ in nodes([1, '[{"name": "Almonds"}]'])]
    [{'name': 'Almonds'}]
    """
    stack: list[tuple[Any, tuple[dict, ...]]] = [(value, ())]
    n_nodes = 0
    while stack and n_nodes < _MAX_NODES:  # last in, first out: pushed in reverse
        item, parents = stack.pop()
        n_nodes += 1
        if isinstance(item, dict):
            yield item, parents
            inner = (*parents, item)[-4:]
            stack.extend((child, inner) for child in reversed(item.values()))
        elif isinstance(item, list):
            children = _unflattened(item) if _is_flattened(item) else item
            stack.extend((child, parents) for child in reversed(children))
        elif isinstance(item, str) and len(item) > 20 and '":' in item:
            stack.extend((child, parents) for child in reversed(list(objects(item))))


def image_strings(script: str) -> Iterator[str]:
    """Yield the strings of a script that end like the URL of an image, escapes undone.

    Examples
    --------
    >>> list(image_strings(r"show('img/almonds.jpg?v=1'); x = `url(b\u002fc.png)`; y = `${p}.jpg`"))
    ['img/almonds.jpg?v=1', 'b/c.png']
    """
    script = script[:_MAX_SCRIPT]
    last = 0
    for number, match in enumerate(_IMAGE_END.finditer(script)):
        if number >= _MAX_STRINGS:
            return
        low = max(last, match.start() - _MAX_NAME)
        start = 1 + max(script.rfind(quote, low, match.start()) for quote in "\"'`(\n")
        end = match.end()
        if start <= low or script[start - 1] == "\n":
            continue
        closing = ")" if script[start - 1] == "(" else script[start - 1]
        if script[end : end + 1] == "?":
            close = script.find(closing, end, end + _MAX_NAME)
            end = close if close > 0 else end
        last = end
        text = script[start:end].rstrip("\\").strip()
        is_ending = text[:1] in "-_@." and script[low : start - 1].rstrip()[-1:] == "+"
        if not _NOT_IMAGE_URL.search(text) and not is_ending:
            yield unescaped(text)


def data_files(script: str) -> list[str]:
    """Return the files of JSON that a script names, as it names them.

    Examples
    --------
    >>> data_files("fetch('data/products.json?v=' + now); import('./manifest.json')")
    ['data/products.json']
    """
    names = (match[1] for match in _DATA_FILE.finditer(script[:_MAX_SCRIPT]))
    return list(dict.fromkeys(name for name in names if not _NOT_DATA.search(name)))[:_MAX_FILES]


def folders(script: str) -> list[str]:
    """Return the folders that a script puts before names: ``images/${name}``, ``"img/" + name``.

    Templates in pages do likewise: ``src="images/{{name}}"``.

    Examples
    --------
    >>> folders("img.src = `images/${p.image}`; a = 'media/' + x")
    ['images/', 'media/']
    """
    found = (match[1] for match in _FOLDER.finditer(script[:_MAX_SCRIPT]))
    return list(dict.fromkeys(folder for folder in found if folder.endswith("/")))[:10]


def unescaped(text: str) -> str:
    """Undo the escapes of a JavaScript string."""
    if "\\" not in text:
        return text

    def character(match: re.Match[str]) -> str:
        digits = match[1] or match[2] or match[3]
        code = int(digits, 16) if digits else 0
        return chr(code) if digits and code < 0x110000 else match[4] or ""

    return _ESCAPE.sub(character, text)


def _unwrapped(text: str) -> str:
    # Not a regular expression: with white space allowed, it would backtrack on a page full of it
    text = text.strip().removeprefix("\ufeff").lstrip()
    for mark in _OPENING:
        text = text.removeprefix(mark).lstrip()
    for mark in _CLOSING:
        text = text.removesuffix(mark).rstrip()
    return text.rstrip("; \t\r\n")


def _is_flattened(values: list) -> bool:
    """Tell whether an array looks like Nuxt 3's state: objects that refer to places in it."""
    maps = [value for value in values[:200] if isinstance(value, dict) and value]
    places = [place for value in maps for place in value.values()]
    return (
        len(values) > 2
        and bool(places)
        and all(isinstance(place, int) and -10 < place < len(values) for place in places)
        and any(isinstance(value, str) for value in values)
    )


def _unflattened(values: list) -> list:
    """Return the objects of a flattened array with what they refer to, a few levels deep."""

    def resolve(place: Any, depth: int) -> Any:  # noqa: ANN401
        value = values[place] if isinstance(place, int) and 0 <= place < len(values) else None
        if isinstance(value, (list, dict)) and not depth:
            return None
        if isinstance(value, list):
            return [resolve(item, depth - 1) for item in value[:_MAX_REFERENCES]]
        if isinstance(value, dict):
            return {name: resolve(item, depth - 1) for name, item in value.items()}
        return value

    places = [place for place, value in enumerate(values) if isinstance(value, dict)]
    return [resolve(place, 3) for place in places[:_MAX_OBJECTS]]
