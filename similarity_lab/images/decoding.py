"""Decode many pictures in threads, in order, a bounded number ahead of whoever uses them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from similarity_lab.errors import ImageError
from similarity_lab.files import skipped_table
from similarity_lab.images import Color, Pixels, check_image, read_image
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.sources import Source

S = TypeVar("S")
T = TypeVar("T")

Decoded = tuple[Pixels, list[int], list[tuple[int, ImageError]]]

_WORKERS = min(8, os.cpu_count() or 1)


def in_order(
    function: Callable[[S], T], things: Iterable[S], *, workers: int, ahead: int | None = None
) -> Iterator[T]:
    """Yield ``function(thing)`` in order, from threads.

    At most `ahead` results wait (default: one per worker), so memory does not grow with the number
    of things.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    rest = iter(things)
    waiting: deque[Future[T]] = deque()
    try:
        waiting.extend(pool.submit(function, thing) for thing in islice(rest, ahead or workers))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, thing) for thing in islice(rest, 1))
            yield result
    finally:  # also when the user interrupts: drop what has not started
        pool.shutdown(wait=False, cancel_futures=True)


def map_ahead(
    function: Callable[[S], T], sources: Iterable[S], *, ahead: int = 64
) -> Iterator[T | ImageError]:
    """Yield ``function(source)`` in order; an `ImageError` is yielded in place of its picture."""
    return in_order(partial(_attempt, function), sources, ahead=ahead, workers=_WORKERS)


def _attempt(function: Callable[[S], T], source: S) -> T | ImageError:
    try:
        result = function(source)
        if isinstance(source, OpenedImage):
            source.done()
    except ImageError as error:
        return error
    return result


def spans(count: int, length: int) -> list[range]:
    """Cut the positions up to `count` into ranges of at most `length`."""
    return [range(at, min(at + length, count)) for at in range(0, count, length)]


def decode(
    sources: Sequence[Source],
    span: Iterable[int],
    size: tuple[int, int],
    color: Color,
    reader: Callable[..., Pixels] = read_image,
) -> Decoded:
    """Return ``(pixels (b, h, w, c), their positions, failures)`` of the sources in `span`."""
    read = partial(reader, size=size, color=color)
    return _stacked([(index, _attempt(read, sources[index])) for index in span], size, color)


def decoded_batches(
    sources: Sequence[Source],
    size: tuple[int, int],
    color: Color,
    batch_size: int,
    reader: Callable[..., Pixels] = read_image,
) -> Iterator[Decoded]:
    """Yield what `decode` returns until all sources are read, decoding ahead in threads.

    Unreadable pictures take no room in a batch; a batch may be empty when all of it was bad.
    """
    read = partial(reader, size=size, color=color)
    results = enumerate(map_ahead(read, sources, ahead=max(2 * batch_size, 8)))
    while chunk := list(islice(results, batch_size)):
        yield _stacked(chunk, size, color)


def _stacked(
    chunk: list[tuple[int, Pixels | ImageError]], size: tuple[int, int], color: Color
) -> Decoded:
    good = [(index, pixels) for index, pixels in chunk if not isinstance(pixels, ImageError)]
    bad = [(index, error) for index, error in chunk if isinstance(error, ImageError)]
    shape = (len(good), *size, 1 if color == "gray" else 3)
    stacked = np.stack([pixels for _, pixels in good]) if good else np.empty(shape, np.uint8)
    return stacked, [index for index, _ in good], bad


def readable(
    sources: Sequence[Source], *, progress: bool = True
) -> tuple[list[int], dict[int, ImageError]]:
    """Return the positions of the pictures that decode, and the errors of the others."""
    checks = tqdm(
        map_ahead(check_image, sources),
        total=len(sources),
        desc="checking images",
        unit="image",
        disable=not progress,
        leave=False,
    )
    kept: list[int] = []
    errors: dict[int, ImageError] = {}
    for index, result in enumerate(checks):
        if isinstance(result, ImageError):
            errors[index] = result
        else:
            kept.append(index)
    return kept, errors


def errors_table(errors: dict[int, ImageError]) -> pd.DataFrame:
    """Return errors by position as the table ``path, reason``."""
    return skipped_table([(errors[index].path, errors[index].reason) for index in sorted(errors)])
