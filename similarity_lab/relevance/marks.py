"""Manual labels, keyed by content hash: they override the rule and extend the library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import ImageError, InputError, check_type
from similarity_lab.evaluation.prediction_powered import ShareEstimate, prediction_powered_share
from similarity_lab.evaluation.truths import truth_value
from similarity_lab.files import atomic_write, skipped_table
from similarity_lab.images.sources import Source, content_digest, printable
from similarity_lab.relevance.decision import SiteRelevance
from similarity_lab.relevance.verdict import MARKED_RATIO, probability_with_words

_FORMAT = 1


@dataclass(frozen=True)
class Mark:
    """A manual label of one image.

    Attributes
    ----------
    target : str
    sha256 : str
        Digest of the image's content, so that the mark applies under any name.
    shows : bool
        Whether it shows the target.
    path : str
        Where the file was, so that it can join a library; empty for arrays and bytes.
    """

    target: str
    sha256: str
    shows: bool
    path: str = ""


class Marks:
    """Marks of images, for one or more targets.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((4, 4, 3), np.uint8)
    >>> marks = Marks()
    >>> marks.set(image, "almonds", True)
    >>> marks.get(image, "almonds"), marks.get(image, "dates"), len(marks)
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
        """Return the marks of a target, sorted by digest."""
        return [mark for key, mark in sorted(self._marks.items()) if key[0] == target]

    def get(self, source: Source, target: str) -> bool | None:
        """Return whether an image is marked as showing the target; None if it is not marked."""
        return self.find(content_digest(source), target)

    def find(self, sha256: str, target: str) -> bool | None:
        """Return whether the image with a digest is marked as showing the target, as `get`."""
        mark = self._marks.get((target, sha256))
        return None if mark is None else mark.shows

    def set(self, source: Source, target: str, shows: bool | None) -> None:
        """Mark an image; None removes its mark, and so does a missing value of pandas."""
        mark = truth_value(shows, kind="a mark")
        key = (target, content_digest(source))
        if mark is None:
            self._marks.pop(key, None)
        else:
            path = str(source) if isinstance(source, (str, PathLike)) else ""
            self._marks[key] = Mark(*key, mark, path)

    def apply(self, result: SiteRelevance) -> SiteRelevance:
        """Return the decision with the marks of its target applied; nothing is embedded again."""
        check_type(result, SiteRelevance, "the decision on a site")
        scored = result.images[result.images["status"] == "scored"]
        marks: dict[int | str, bool] = {}
        if self.of(result.target):
            for row in scored.index.tolist():
                shows = self._get_if_readable(result.sources[row], result.target)
                if shows is not None:
                    marks[row] = shows
        return with_marks(result, marks)

    def _get_if_readable(self, source: Source, target: str) -> bool | None:
        try:
            return self.get(source, target)
        except ImageError:  # the file is gone: the rule decides
            return None

    def save(self, file: str | PathLike[str]) -> None:
        """Write all marks as JSON, atomically."""
        path = Path(file)
        marks = [asdict(mark) for _, mark in sorted(self._marks.items())]
        text = json.dumps({"format": _FORMAT, "marks": marks}, indent=1)
        with atomic_write(path) as part:
            part.write_text(text + "\n", "utf-8")

    @classmethod
    def load(cls, file: str | PathLike[str]) -> Marks:
        """Read what `save` wrote.

        Raises
        ------
        FileNotFoundError
            No such file.
        InputError
            If the file contains something else.
        """
        try:
            content = json.loads(Path(file).read_text("utf-8"))
            if content["format"] != _FORMAT:
                raise InputError(f"its format is {content['format']!r}, expected {_FORMAT}")
            marks = [Mark(**entry) for entry in content["marks"]]
            kinds = {"target": str, "sha256": str, "shows": bool, "path": str}
            for mark in marks:
                for name, kind in kinds.items():
                    if not isinstance(getattr(mark, name), kind):
                        raise InputError(f"{name} of {mark} is not a {kind.__name__}")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{file}: not a file of marks written by Marks.save ({error})"
            ) from None
        return cls({(mark.target, mark.sha256): mark for mark in marks})

    def as_library(self, library: ImageDataset, target: str) -> ImageDataset:
        """Return a library extended by the marked images, to fit on.

        Images that show the target join its references; the others form the class
        "not TARGET (marked)". Files that are gone, have changed or are in the library already are
        listed in ``skipped`` with a reason.

        Parameters
        ----------
        library : ImageDataset
            Of files, as `load_dataset` returns it.
        target : str

        Examples
        --------
        >>> library = marks.as_library(load_dataset("library"), "almonds")   # doctest: +SKIP
        >>> scorer = RelevanceScorer("almonds").fit(library)                 # doctest: +SKIP
        """
        index = library.class_index(target)
        if library.arrays is not None:
            raise InputError(
                "a library of arrays cannot be extended by files; load it from a folder"
            )
        present = {path.resolve() for path in library.paths}
        additions: list[tuple[Path, bool]] = []
        skipped_rows: list[tuple[object, str]] = []
        for mark in self.of(target):
            reason = _reason_to_skip(mark, present)
            if reason:
                skipped_rows.append((mark.path or f"<{mark.sha256[:12]}>", reason))
            else:
                additions.append((Path(mark.path), mark.shows))
        if not additions:
            return replace(library, skipped=_extended_skipped(library, skipped_rows))
        other_class = f"not {target} (marked)"
        classes = library.classes
        if not all(shows for _, shows in additions) and other_class not in classes:
            classes = (*classes, other_class)
        labels = [index if shows else classes.index(other_class) for _, shows in additions]
        return replace(
            library,
            paths=(*library.paths, *(path for path, _ in additions)),
            labels=np.concatenate([library.labels, np.array(labels, np.int64)]),
            classes=classes,
            skipped=_extended_skipped(library, skipped_rows),
        )


def with_marks(result: SiteRelevance, marks: Mapping[int | str, bool | None]) -> SiteRelevance:
    """Return the decision with some images labelled by hand; nothing is embedded again.

    A marked image is certain: its probability becomes 1 or 0 (learned rule), its distance minus or
    plus infinity (mean-distance rule). Its reason says so, and ``settings.n_marked`` counts them.
    It still counts as one image of a sample.

    Parameters
    ----------
    result : SiteRelevance
        Marks that it has already stay, unless they are replaced.
    marks : mapping of row number or path to bool
        Whether the image shows the target; None: not marked.

    Raises
    ------
    InputError
        For an image that the site does not have, or that does not count, or another value.

    Examples
    --------
    >>> with_marks(result, {3: True, "sites/shop/7.jpg": False}).decision     # doctest: +SKIP
    'relevant'
    """
    if not marks:
        return result
    images, all_marks = result.images.copy(), dict(result.marks)
    for image, shows in marks.items():
        row, mark = _row(result, image), truth_value(shows, image, kind="a mark")
        if mark is None:
            continue
        all_marks[row] = mark
        _mark_row(images, row, mark)
        verb = "shows" if mark else "does not show"
        images.loc[row, "reason"] = f"marked by hand: {verb} {result.target}"
    return result.with_images(images, all_marks)


def marked_share(
    result: SiteRelevance,
    marks: Marks | Mapping[int | str, bool | None],
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> ShareEstimate:
    """Return the share of a site's images that show the target, from marks on a random sample.

    The rule's predictions for all scored images are corrected by how wrong they are on the marked
    ones (prediction-powered inference, see `prediction_powered_share`). The interval holds however
    wrong the rule is, if the marked images are a random sample of the scored ones: mark them in the
    order of ``label(result, order="random")``, and stop at a number that you chose before.

    Parameters
    ----------
    result : SiteRelevance
        Without marks.
    marks : Marks, or mapping of row number or path to bool
    confidence : float
        Above 0 and below 1.
    seed : int

    Raises
    ------
    InputError
        If no scored image is marked, or the decision has marks already.

    Examples
    --------
    >>> marked_share(result, Marks.load("marks.json"))               # doctest: +SKIP
    <share 31% (95% CI 24–40%) from 40 marks on 120 images>
    """
    if result.marks:
        raise InputError(
            "the predictions of marked images are replaced by the marks; pass the decision as it "
            "was before"
        )
    marked = marks.apply(result) if isinstance(marks, Marks) else with_marks(result, marks)
    scored = result.images[result.images["status"] == "scored"]
    if result.probability is None:
        predicted = scored["is_match"].to_numpy(float)
    else:
        predicted = probability_with_words(scored, result.settings).to_numpy(float)
    truths = [marked.marks.get(row) for row in scored.index.tolist()]
    return prediction_powered_share(
        predicted, np.array(truths, object), confidence=confidence, seed=seed
    )


def _mark_row(images: pd.DataFrame, row: int, shows: bool) -> None:
    sign = 1 if shows else -1
    if images["probability"].isna()[row]:  # a rule that gives none
        images.loc[row, ["score", "distance"]] = [sign * np.inf, -sign * np.inf]
        return
    images.loc[row, ["score", "probability"]] = [sign * MARKED_RATIO, float(shows)]
    images.loc[row, "margin"] = sign * np.inf
    images.loc[row, "word_kind"] = ""  # the person has seen the image


def _row(result: SiteRelevance, image: int | str) -> int:
    if isinstance(image, (str, PathLike)):
        rows = result.images.index[result.images["path"] == printable(str(image))]
    else:
        rows = result.images.index[result.images.index == image]
    if not len(rows):
        raise InputError(
            f"{result.site} has no image {image!r}; pass a row number of result.images, or a path "
            "exactly as in that table"
        )
    row = int(rows[0])
    status = result.images.loc[row, "status"]
    if status != "scored":
        raise InputError(
            f"image {image!r} has the status {status!r} and does not count, so it cannot be marked"
        )
    return row


def _reason_to_skip(mark: Mark, present: set[Path]) -> str:
    if not mark.path:
        return "has no path: marked as an array or bytes, or in a report kept apart from its images"
    if Path(mark.path).resolve() in present:
        return "is in the library already"
    try:
        is_same = content_digest(mark.path) == mark.sha256
    except ImageError as error:
        return error.reason
    return "" if is_same else "has changed since it was marked"


def _extended_skipped(library: ImageDataset, rows: list[tuple[object, str]]) -> pd.DataFrame:
    return pd.concat([library.skipped, skipped_table(rows)], ignore_index=True)
