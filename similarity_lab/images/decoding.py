"""Decode many images in threads, in order, a bounded number ahead of the consumer."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

import pandas as pd

from similarity_lab._progress import tqdm
from similarity_lab._threads import in_order, usable_cores
from similarity_lab.errors import ImageError
from similarity_lab.files import skipped_table
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.reading import check_image
from similarity_lab.images.sources import Source

__all__ = [
    "Decoded",
    "decode",
    "decoded_batches",
    "errors_table",
    "map_ahead",
    "readable",
    "spans",
]

S = TypeVar("S")
T = TypeVar("T")

Decoded = tuple[list[T], list[int], list[tuple[int, ImageError]]]
"""What was decoded of the readable images, their positions, and the errors by position."""

_MOST_WORKERS = 8


def map_ahead(
    function: Callable[[S], T], sources: Iterable[S], *, ahead: int = 64
) -> Iterator[T | ImageError]:
    """Yield ``function(source)`` in order, computed in threads; yield an `ImageError`, too."""
    workers = min(_MOST_WORKERS, usable_cores())
    return in_order(partial(_attempt, function), sources, ahead=ahead, workers=workers)


def _attempt(function: Callable[[S], T], source: S) -> T | ImageError:
    try:
        result = function(source)
        if isinstance(source, OpenedImage):
            source.notify_done()
    except ImageError as error:
        return error
    return result


def spans(count: int, length: int) -> list[range]:
    """Split the positions 0…`count` − 1 into ranges of at most `length`."""
    return [range(start, min(start + length, count)) for start in range(0, count, length)]


def decode(
    read: Callable[[Source], T], sources: Sequence[Source], span: Iterable[int]
) -> Decoded[T]:
    """Decode the sources at the positions of `span`.

    Parameters
    ----------
    read : callable
        Decodes one image; raises `ImageError` if it cannot be read.
    sources : sequence of images
    span : iterable of int
    """
    return _separate((index, _attempt(read, sources[index])) for index in span)


def decoded_batches(
    read: Callable[[Source], T], sources: Sequence[Source], batch_size: int
) -> Iterator[Decoded[T]]:
    """Yield all sources in batches, decoded ahead in threads; parameters as of `decode`.

    A batch covers `batch_size` sources and holds the readable ones only, possibly none.
    """
    results = enumerate(map_ahead(read, sources, ahead=max(2 * batch_size, 8)))
    while chunk := list(islice(results, batch_size)):
        yield _separate(chunk)


def _separate(results: Iterable[tuple[int, T | ImageError]]) -> Decoded[T]:
    """Return results, their positions, and the errors by position."""
    decoded: list[T] = []
    positions: list[int] = []
    errors: list[tuple[int, ImageError]] = []
    for index, result in results:
        if isinstance(result, ImageError):
            errors.append((index, result))
        else:
            decoded.append(result)
            positions.append(index)
    return decoded, positions, errors


def readable(
    sources: Sequence[Source], *, progress: bool = True
) -> tuple[list[int], dict[int, ImageError]]:
    """Check which images can be decoded.

    Returns
    -------
    positions : list of int
        Of the readable images.
    errors : dict of int to ImageError
        Of the others, by position.
    """
    checks = tqdm(
        map_ahead(check_image, sources),
        total=len(sources),
        desc="checking images",
        unit="image",
        disable=not progress,
        leave=False,
    )
    positions: list[int] = []
    errors: dict[int, ImageError] = {}
    for index, result in enumerate(checks):
        if isinstance(result, ImageError):
            errors[index] = result
        else:
            positions.append(index)
    return positions, errors


def errors_table(errors: dict[int, ImageError]) -> pd.DataFrame:
    """Return errors as a table with columns ``path, reason``, sorted by position."""
    return skipped_table([(errors[index].path, errors[index].reason) for index in sorted(errors)])
