"""What services answered, kept in a file of JSON lines, so that nothing is paid for twice."""

import json
import math
from os import PathLike
from pathlib import Path

from similarity_lab.errors import InputError

Pair = tuple[str, str]


class Answers:
    """Distances by service and pair of pictures, whichever of the two was sent first.

    Each answer is written as it comes, one line each. A line that a crash cut short is dropped; any
    other that cannot be read is an error, since it was paid for.

    Parameters
    ----------
    service : str
        Names what the distances depend on; lines of other services are left as they are.
    path : path, optional
        Made if it is not there; None keeps answers in memory only.

    Raises
    ------
    ValueError
        If the file holds something else.
    OSError
        If it cannot be written: said now, and not when the first answer is paid for.

    Examples
    --------
    >>> answers = Answers("one")
    >>> answers.keep(("aa", "bb"), 0.25)
    >>> answers.get(("bb", "aa"))
    0.25
    """

    def __init__(self, service: str, path: str | PathLike[str] | None = None) -> None:
        self.service = service
        self.path = None if path is None else Path(path)
        self._known: dict[Pair, float] = {}
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.open("a").close()
            self._read(self.path)

    def __len__(self) -> int:
        return len(self._known)

    def get(self, pair: Pair) -> float | None:
        """Return the distance of two pictures by their digests, or None if nobody asked yet."""
        first, second = pair
        return 0.0 if first == second else self._known.get(_ordered(pair))

    def keep(self, pair: Pair, distance: float) -> None:
        """Remember an answer, and write it down."""
        first, second = _ordered(pair)
        self._known[first, second] = distance
        if self.path is not None:
            row = {"service": self.service, "a": first, "b": second, "distance": distance}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def _read(self, path: Path) -> None:
        *lines, cut_short = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                service, pair = row["service"], (row["a"], row["b"])
                distance = float(row["distance"])
                if not (math.isfinite(distance) and all(isinstance(d, str) for d in pair)):
                    raise ValueError
            except (ValueError, TypeError, KeyError, RecursionError):
                raise InputError(
                    f"{path}, line {number}: no answer of a hosted service; take another file, or "
                    "mend the line"
                ) from None
            if service == self.service:
                self._known[_ordered(pair)] = distance
        if cut_short:
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size - len(cut_short))


def _ordered(pair: Pair) -> Pair:
    first, second = pair
    return (first, second) if first <= second else (second, first)
