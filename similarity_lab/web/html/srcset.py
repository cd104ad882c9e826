"""Read ``srcset``: which of several sizes of one image is the largest."""

import math
from collections.abc import Iterator

_WHITESPACE = " \t\n\r\f"
_UNITS = {"w": 1, "x": 1000}


def candidates(srcset: str) -> Iterator[tuple[str, float]]:
    """Yield ``(address, size)``; width descriptors as they are, densities as 1000 per x.

    Follows the parsing of the HTML standard: addresses may hold commas, and end at white space.

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
        address = srcset[start:position]
        descriptor = ""
        if address.endswith(","):
            address = address.rstrip(",")
        else:
            end = srcset.find(",", position)
            end = length if end < 0 else end
            descriptor, position = srcset[position:end], end
        if address:
            yield address, _size(descriptor)


def largest(srcset: str) -> tuple[str, float]:
    """Return the candidate of the largest size, the first of equals; ``("", 0)`` if none."""
    return max(candidates(srcset), key=lambda candidate: candidate[1], default=("", 0.0))


def _size(descriptor: str) -> float:
    for word in descriptor.split():
        try:
            size = float(word[:-1]) * _UNITS.get(word[-1], math.nan)
        except ValueError:
            continue
        if not math.isnan(size):  # "nanw" is no size either
            return min(size, 1e6)
    return 1000.0
