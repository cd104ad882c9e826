"""Parse ``srcset``: the sizes in which a page offers one image."""

import math
from collections.abc import Iterator

_WHITESPACE = " \t\n\r\f"
_UNITS = {"w": 1, "x": 1000}


def candidates(srcset: str) -> Iterator[tuple[str, float]]:
    """Yield ``(url, size)``: the width of ``400w``, and 1000 per unit of density for ``2x``.

    Follows the parsing algorithm of the HTML standard: URLs may contain commas and end at white
    space.

    Examples
    --------
    >>> list(candidates("a,b.jpg 400w, c.jpg 800w"))
    [('a,b.jpg', 400.0), ('c.jpg', 800.0)]
    >>> list(candidates("a.jpg, b.jpg 2x"))
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
        descriptor = ""
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            end = srcset.find(",", position)
            end = length if end < 0 else end
            descriptor, position = srcset[position:end], end
        if url:
            yield url, _size(descriptor)


def largest(srcset: str) -> tuple[str, float]:
    """Return the largest candidate, the first of equals; ``("", 0)`` if there is none."""
    return max(candidates(srcset), key=lambda candidate: candidate[1], default=("", 0.0))


def _size(descriptor: str) -> float:
    for word in descriptor.split():
        try:
            size = float(word[:-1]) * _UNITS.get(word[-1], math.nan)
        except ValueError:
            continue
        if not math.isnan(size):  # "nanw" parses as a float
            return min(size, 1e6)
    return 1000.0
