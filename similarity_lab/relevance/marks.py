"""What a person says of images, kept by content: overrules the rule, and feeds the library."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import ImageError, InputError
from similarity_lab.files import atomic_write, skipped_table
from similarity_lab.images.sources import Source, content_digest
from similarity_lab.relevance.decision import SiteRelevance

_FORMAT = 1
# Where an image is certain: as far as the decision looks, and beyond every distance.
_LOG_RATIO = 27.0


@dataclass(frozen=True)
class Mark:
    """What a person says of one picture.

    Attributes
    ----------
    target : str
    sha256 : str
        Digest of the picture's content, so that the mark holds under any name.
    shows : bool
        Whether it shows the target.
    path : str
        Where it was seen, so that it can join a library; empty for one that was no file.
    """

    target: str
    sha256: str
    shows: bool
    path: str = ""


class Marks:
    """The marks of one or more targets.

    Examples
    --------
    >>> import numpy as np
    >>> photo = np.zeros((4, 4, 3), np.uint8)
    >>> marks = Marks()
    >>> marks.set(photo, "almonds", True)
    >>> marks.get(photo, "almonds"), marks.get(photo, "dates"), len(marks)
    (True, None, 1)
    """

    def __init__(self, marks: Mapping[tuple[str, str], Mark] | None = None) -> None:
        self._marks = dict(marks or {})

    def __len__(self) -> int:
        return len(self._marks)

    def __repr__(self) -> str:
        shows = sum(mark.shows for mark in self._marks.values())
        return f"Marks({shows} show the target, {len(self) - shows} do not)"

    def of(self, target: str) -> list[Mark]:
        """Return a target's marks, sorted by digest."""
        return [mark for key, mark in sorted(self._marks.items()) if key[0] == target]

    def get(self, source: Source, target: str) -> bool | None:
        """Return whether a picture was marked as showing the target; None if it was not marked."""
        mark = self._marks.get((target, content_digest(source)))
        return None if mark is None else mark.shows

    def set(self, source: Source, target: str, shows: bool | None) -> None:
        """Mark a picture; None takes its mark away."""
        key = (target, content_digest(source))
        if shows is None:
            self._marks.pop(key, None)
        else:
            path = str(source) if isinstance(source, (str, PathLike)) else ""
            self._marks[key] = Mark(*key, bool(shows), path)

    def apply(self, result: SiteRelevance) -> SiteRelevance:
        """Return the decision with the marks of its target; nothing is embedded again."""
        scored = result.images[result.images["status"] == "scored"]
        known: dict[int | str, bool] = {}
        if self.of(result.target):
            for at, source in scored["path"].items():
                shows = self._get_if_readable(source, result.target)
                if shows is not None:
                    known[int(at)] = shows  # type: ignore[call-overload]
        return with_marks(result, known)

    def _get_if_readable(self, source: Source, target: str) -> bool | None:
        try:
            return self.get(source, target)
        except ImageError:  # no longer there: nothing is known of it, the rule's word stands
            return None

    def save(self, file: str | PathLike[str]) -> None:
        """Write all marks as JSON, whole or not at all."""
        path = Path(file)
        marks = [asdict(mark) for _, mark in sorted(self._marks.items())]
        text = json.dumps({"format": _FORMAT, "marks": marks}, indent=1)
        with atomic_write(path) as part:
            part.write_text(text + "\n", "utf-8")

    @classmethod
    def load(cls, file: str | PathLike[str]) -> "Marks":
        """Read what `save` wrote.

        Raises
        ------
        FileNotFoundError
        ValueError
            If the file holds something else.
        """
        try:
            content = json.loads(Path(file).read_text("utf-8"))
            if content["format"] != _FORMAT:
                raise InputError(f"its format is {content['format']!r}, this reads {_FORMAT}")
            marks = [Mark(**entry) for entry in content["marks"]]
            kinds = {"target": str, "sha256": str, "shows": bool, "path": str}
            for mark in marks:
                for name, kind in kinds.items():
                    if not isinstance(getattr(mark, name), kind):
                        raise InputError(f"{name} of {mark} is not a {kind.__name__}")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file}: holds no marks that Marks.save wrote: {error}") from None
        return cls({(mark.target, mark.sha256): mark for mark in marks})

    def as_library(self, library: ImageDataset, target: str) -> ImageDataset:
        """Return a library with the marked pictures in it, to fit on.

        Those that show the target join its references; the others become a class of their own,
        "not TARGET (marked)", which is a counter-example. A picture that is no longer where it was,
        has changed, or is in the library already is left out, with its reason in ``skipped``.

        Parameters
        ----------
        library : ImageDataset
            Of files, as `load_dataset` gives it.
        target : str

        Examples
        --------
        >>> library = marks.as_library(load_dataset("library"), "almonds")   # doctest: +SKIP
        >>> scorer = RelevanceScorer("almonds").fit(library)                 # doctest: +SKIP
        """
        at = library.class_index(target)
        if library.arrays is not None:
            raise InputError("a library made from arrays cannot take files; load it from a folder")
        present = {path.resolve() for path in library.paths}
        joined: list[tuple[Path, bool]] = []
        left_out: list[tuple[object, str]] = []
        for mark in self.of(target):
            reason = _why_not(mark, present)
            if reason:
                left_out.append((mark.path or f"<{mark.sha256[:12]}>", reason))
            else:
                joined.append((Path(mark.path), mark.shows))
        if not joined:
            return replace(library, skipped=_added(library, left_out))
        counter = f"not {target} (marked)"
        classes = library.classes
        if not all(shows for _, shows in joined) and counter not in classes:
            classes = (*classes, counter)
        labels = [at if shows else classes.index(counter) for _, shows in joined]
        return replace(
            library,
            paths=(*library.paths, *(path for path, _ in joined)),
            labels=np.concatenate([library.labels, np.array(labels, np.int64)]),
            classes=classes,
            skipped=_added(library, left_out),
        )


def with_marks(result: SiteRelevance, marks: Mapping[int | str, bool]) -> SiteRelevance:
    """Return the decision with some images settled by hand; nothing is embedded again.

    A marked image is certain: its probability becomes 1 or 0 (learned rule), its distance smaller
    or larger than every threshold (original rule). Its reason says so, and ``settings.n_marked``
    how many there are. However certain, it is one image of a sample.

    Parameters
    ----------
    result : SiteRelevance
        As it was decided: marks are laid over it, and an earlier mark stays where none replaces it.
    marks : mapping of row number or path to bool
        Whether the image shows the target.

    Raises
    ------
    ValueError
        For an image that the site does not have, or that does not count.

    Examples
    --------
    >>> with_marks(result, {3: True, "sites/shop/7.jpg": False}).decision     # doctest: +SKIP
    'relevant'
    """
    if not marks:
        return result
    images = result.images.copy()
    for image, shows in marks.items():
        row = _row(result, image)
        sign = 1 if shows else -1
        if result.probability is None:
            images.loc[row, ["score", "distance"]] = [sign * np.inf, -sign * np.inf]
        else:
            images.loc[row, ["score", "probability"]] = [sign * _LOG_RATIO, float(shows)]
        verb = "shows" if shows else "does not show"
        images.loc[row, "reason"] = f"marked by hand: {verb} {result.target}"
    n_marked = int(images["reason"].str.startswith("marked by hand").sum())
    return result.with_images(images, n_marked=n_marked)


def _row(result: SiteRelevance, image: int | str) -> int:
    if isinstance(image, (str, PathLike)):
        found = result.images.index[result.images["path"].map(str) == str(image)]
    else:
        found = result.images.index[result.images.index == image]
    if not len(found):
        raise InputError(
            f"{result.site} has no image {image!r}; pass a row number of result.images, or a path "
            "exactly as it stands there"
        )
    row = int(found[0])
    status = result.images.loc[row, "status"]
    if status != "scored":
        raise InputError(
            f"image {image!r} is {status!s} and does not count, so it cannot be marked"
        )
    return row


def _why_not(mark: Mark, present: set[Path]) -> str:
    if not mark.path:
        return "was marked as an array or as bytes; only files can join a library"
    if Path(mark.path).resolve() in present:
        return "is in the library already"
    try:
        same = content_digest(mark.path) == mark.sha256
    except ImageError as error:
        return error.reason
    return "" if same else "has changed since it was marked"


def _added(library: ImageDataset, rows: list[tuple[object, str]]) -> pd.DataFrame:
    return pd.concat([library.skipped, skipped_table(rows)], ignore_index=True)
