"""Parse ``srcset``: the sizes in which a page offers one image."""

import re
from collections.abc import Iterator

_WHITESPACE = " \t\n\r\f"
_INTEGER = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_MEDIA = re.compile(r"\[[^\[\]|]*+\]")  # of lazysizes: `small.jpg [--small] | large.jpg`


def candidates(srcset: str) -> Iterator[tuple[str, float]]:
    """Yield ``(url, size)``: the width of ``400w``, and 1000 per unit of density for ``2x``.

    Follows the parsing algorithm of the HTML standard: URLs may contain commas and end at white
    space; a candidate with a descriptor that is unknown, invalid or repeated is dropped, as
    browsers do.

    Examples
    --------
    >>> list(candidates("a,b.jpg 400w, c.jpg 800w"))
    [('a,b.jpg', 400.0), ('c.jpg', 800.0)]
    >>> list(candidates("a.jpg, b.jpg 2x, c d.jpg 3x"))
    [('a.jpg', 1000.0), ('b.jpg', 2000.0)]
    """
    position, length = 0, len(srcset)
    while position < length:
        while position < length and srcset[position] in _WHITESPACE + ",":
            position += 1
        start = position
        while position < length and srcset[position] not in _WHITESPACE:
            position += 1
        url = srcset[start:position]
        descriptors = ""
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            start, depth = position, 0
            while position < length and (depth or srcset[position] != ","):
                depth = max(0, depth + {"(": 1, ")": -1}.get(srcset[position], 0))
                position += 1
            descriptors = srcset[start:position]
        size = _size(descriptors)
        if url and size is not None:
            yield url, size


def largest(srcset: str) -> tuple[str, float]:
    """Return the largest candidate, the first of equals; ``("", 0)`` if there is none.

    Examples
    --------
    >>> largest("a.jpg 180w 90h, b.jpg 360w 180h")
    ('b.jpg', 360.0)
    >>> largest("small.jpg [(max-width: 500px)] | large.jpg 900w")
    ('small.jpg', 1000.0)
    """
    if "|" in srcset:
        srcset = _MEDIA.sub("", srcset).replace("|", ",")
    return max(candidates(srcset), key=lambda candidate: candidate[1], default=("", 0.0))


def _size(descriptors: str) -> float | None:
    """Return the size that descriptors state, None if a browser would drop the candidate."""
    sizes: dict[str, float] = {}
    for word in descriptors.split():
        number, unit = word[:-1], word[-1]
        pattern = _NUMBER if unit == "x" else _INTEGER
        if unit not in "wxh" or unit in sizes or not pattern.fullmatch(number):
            return None
        sizes[unit] = float(number)
    density, width, height = (sizes.get(unit) for unit in "xwh")
    is_mixed = density is not None and (width is not None or height is not None)
    if is_mixed or width == 0 or height == 0 or (height is not None and width is None):
        return None
    if density is not None:
        return min(1000 * density, 1e6) if density >= 0 else None
    return 1000.0 if width is None else min(width, 1e6)
