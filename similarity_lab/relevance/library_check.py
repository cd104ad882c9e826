"""Check a library: doubtful images, duplicates, classes that are small, alike or not learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab._numbers import format_count
from similarity_lab._progress import tqdm
from similarity_lab.datasets import load_dataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.distances.comparators import ComparatorSource, as_comparator
from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import InputError
from similarity_lab.files.listing import count_lost
from similarity_lab.images.sources import describe, printable
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.rules.calibration import Calibration, cross_fit
from similarity_lab.relevance.rules.prototypes import Scatter, Whitening, one_thread
from similarity_lab.relevance.site import close_pairs, linked_groups, nearest_pairs
from similarity_lab.store import unit

_FOLDS = 8
_SMALL = 5  # fewer images than this show too little of a product
_TWINS = 0.8  # accuracy below which two classes look alike
_NAMES = 5  # shown in the summary
_QUICK_FOLDS = 4  # of cross-fitting each class: half of what a scorer takes its time for


@dataclass(frozen=True, eq=False)
class LibraryReport:
    """Possible errors in a library, most suspicious first.

    Attributes
    ----------
    images : DataFrame
        One row per readable image: path, label; margin (cosine to its own class without it, minus
        that to the nearest other class; below 0 = it looks more like the other), looks_like (that
        class), own (cosine to its own class), doubtful. Smallest margin first.
    duplicates : DataFrame with columns path, label, other_path, other_label, kind
        Pairs of files with the same image ("same image"), or of which one is cropped, mirrored,
        framed or has text ("near copy"). If the labels differ, one of them is wrong; if they are
        equal, one photo counts as several references.
    classes : DataFrame
        One row per class, in order: label, n_images, small, doubtful (share of its images),
        nearest_class, nearest_accuracy (of telling its images from those of the nearest class,
        0.5 = chance, 1 = perfect), twin (low accuracy); separability (P(a held-out image of the
        class scores above an image of another product under the learned rule), 0.5 = chance,
        1 = perfect; NaN for a class of one image, or beside fewer than two others) and learned
        (high separability). If a class is not learned, decisions on it are unsure.
    skipped : DataFrame with columns path, reason
    """

    images: pd.DataFrame
    duplicates: pd.DataFrame
    classes: pd.DataFrame
    skipped: pd.DataFrame

    @property
    def doubtful(self) -> pd.DataFrame:
        """Images that look more like another class than like their own, most suspicious first."""
        return self.images[self.images["doubtful"]].reset_index(drop=True)

    def __repr__(self) -> str:
        return (
            f"<library: {format_count(len(self.images), 'image')} of {len(self.classes)} classes; "
            f"{len(self.doubtful)} doubtful, {len(self.duplicates)} pairs of duplicates, "
            f"{int(self.classes['small'].sum())} classes with fewer than {_SMALL} images, "
            f"{int(self.classes['twin'].sum())} hard to tell from another, "
            f"{self._learning()}{count_lost(self.skipped)} files unreadable>"
        )

    def _learning(self) -> str:
        """Return which classes were not learned, with advice."""
        is_known = self.classes["separability"].notna()
        names = self.classes["label"][is_known & ~self.classes["learned"]].tolist()
        if not names:
            return ""
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        return (
            f"{len(names)} not learned ({', '.join(names[:_NAMES])}{more}: split them into "
            "products that look alike, or add images), "
        )

    def _repr_html_(self) -> str:
        """Return the summary and the first rows of each table as HTML, for notebooks."""
        parts = [f"<p>{escape(repr(self)[1:-1])}</p>"]
        for name, table in (
            ("Doubtful images", self.doubtful),
            ("Duplicates", self.duplicates),
            ("Classes", self.classes),
        ):
            if len(table):
                parts.append(f"<p><b>{name}</b></p>{table.head(10).to_html(index=False)}")
        return "".join(parts)


def library_report(
    library: DatasetSource | EmbeddedLibrary,
    *,
    embedder: ComparatorSource | None = None,
    progress: bool = True,
) -> LibraryReport:
    """Find mislabelled images, duplicates, and classes that are small, alike or not learned.

    Each image is compared with the mean directions of all classes, in the space of the learned
    rule, fitted without it, its copies and an eighth of the others, so that a mislabelled image
    does not vouch for itself. In a library of one class, outliers are doubtful. Each class is also
    scored by the learned rule as a target, with images and other products held out.

    Parameters
    ----------
    library : folder, zip, mapping, ImageDataset or EmbeddedLibrary
        The `library_` of a fitted scorer is not embedded again.
    embedder : name, embedder or comparator, optional
        Default: ``"efficientnet-lite0"``. Not with an `EmbeddedLibrary`, which has its vectors.
    progress : bool

    Returns
    -------
    LibraryReport

    Raises
    ------
    InputError
        If no image could be read, or `embedder` has no effect.

    Examples
    --------
    >>> report = library_report("library/")          # doctest: +SKIP
    >>> report.doubtful.head()                       # doctest: +SKIP
    """
    if isinstance(library, EmbeddedLibrary):
        if embedder is not None:
            raise InputError("The library is embedded already; leave embedder= out")
        embedded = library
    else:
        dataset = load_dataset(library, progress=progress)
        comparator = as_comparator("efficientnet-lite0" if embedder is None else embedder)
        embedded = EmbeddedLibrary.of(dataset, comparator, progress=progress)
    if not len(embedded.dataset):
        raise InputError("No image of the library could be read")
    present, codes = np.unique(embedded.dataset.labels, return_inverse=True)
    names = [embedded.dataset.classes[label] for label in present]
    paths = [printable(describe(source)) for source in embedded.dataset.sources]
    vectors = unit(embedded.vectors)
    copies = _copies(vectors, embedded, progress)
    likeness = _likeness(vectors, codes, _photos(codes, [pair for *pair, _ in copies]))
    table = _image_table(likeness, codes, names, paths)
    return LibraryReport(
        table.sort_values("margin", kind="stable").reset_index(drop=True),
        pd.DataFrame(
            [(paths[a], names[codes[a]], paths[b], names[codes[b]], kind) for a, b, kind in copies],
            columns=["path", "label", "other_path", "other_label", "kind"],
        ),
        _classes(table, likeness, codes, names).assign(**_learned(vectors, codes, progress)),
        embedded.skipped,
    )


def _likeness(
    vectors: Vectors, codes: npt.NDArray[np.intp], photos: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Return cosines of images to classes, each fitted without the image's fold, (n, classes).

    Images of one photo are in one fold. NaN where the fold contains the whole class.
    """
    count = int(codes.max()) + 1
    if count == 1:  # whitening would centre on the only class and hide its outliers
        own = np.zeros_like(vectors)
        np.add.at(own, photos, vectors)
        others = unit(vectors.sum(0) - own[photos])
        return (vectors * others).sum(1)[:, None].astype(np.float64)
    distinct = np.unique(photos)
    distinct = distinct[np.argsort(codes[distinct], kind="stable")]
    fold_of = np.empty(len(codes), int)
    fold_of[distinct] = np.arange(len(distinct)) % _FOLDS  # spreads each class over the folds
    fold_of = fold_of[photos]
    likeness = np.full((len(codes), count), np.nan)
    for fold in range(_FOLDS):
        is_out = fold_of == fold
        rest, rest_codes = vectors[~is_out], codes[~is_out]
        if not is_out.any() or not len(rest):
            continue
        space = Whitening.from_scatter(Scatter.of(rest, rest_codes))
        whitened = space(rest)
        present = np.unique(rest_codes)
        means = unit(np.array([whitened[rest_codes == code].mean(0) for code in present]))
        likeness[np.ix_(is_out, present)] = space(vectors[is_out]) @ means.T
    return likeness


def _image_table(
    likeness: npt.NDArray[np.float64],
    codes: npt.NDArray[np.intp],
    names: list[str],
    paths: list[str],
) -> pd.DataFrame:
    rows = np.arange(len(codes))
    own = np.nan_to_num(likeness[rows, codes])  # NaN for an image alone in its class
    table = pd.DataFrame({"path": paths, "label": [names[code] for code in codes]})
    if len(names) == 1:
        middle = np.median(own)
        spread = 1.4826 * np.median(np.abs(own - middle))
        return table.assign(
            margin=own - middle, looks_like="", own=own, doubtful=own < middle - 3 * spread
        )
    others = np.nan_to_num(likeness, nan=-1.0)
    others[rows, codes] = -np.inf
    nearest = others.argmax(1)
    margin = own - others[rows, nearest]
    return table.assign(
        margin=margin,
        looks_like=[names[code] for code in nearest],
        own=own,
        doubtful=margin < 0,
    )


def _copies(
    vectors: Vectors, embedded: EmbeddedLibrary, progress: bool
) -> list[tuple[int, int, str]]:
    """Return pairs of positions with the same photo, and in which way it is the same."""
    same = [(int(a), int(b)) for block in close_pairs(vectors) for a, b in zip(*block, strict=True)]
    near = embedded.near_copies(set(nearest_pairs(vectors)).difference(same), progress=progress)
    return [(a, b, "same image") for a, b in same] + [(a, b, "near copy") for a, b in near]


def _photos(codes: npt.NDArray[np.intp], pairs: Sequence[Sequence[int]]) -> npt.NDArray[np.intp]:
    """Return the position of the first image of each image's class with the same photo, (n,)."""
    in_class = [pair for pair in pairs if codes[pair[0]] == codes[pair[1]]]
    groups = linked_groups(np.array(in_class, np.intp).reshape(-1, 2).T, len(codes))
    _, first = np.unique(groups, return_index=True)
    return np.asarray(first[groups], np.intp)


def _classes(
    images: pd.DataFrame,
    likeness: npt.NDArray[np.float64],
    codes: npt.NDArray[np.intp],
    names: list[str],
) -> pd.DataFrame:
    counts = np.bincount(codes)
    table = pd.DataFrame({"label": names, "n_images": counts, "small": counts < _SMALL})
    table = table.astype({"n_images": "Int64"})
    doubtful = images.groupby("label")["doubtful"].mean()
    table["doubtful"] = doubtful.reindex(names).to_numpy()
    if len(names) == 1:
        return table.assign(nearest_class="", nearest_accuracy=np.nan, twin=False)
    known = np.nan_to_num(likeness, nan=-1.0)
    between = np.array([known[codes == code].mean(0) for code in range(len(names))])
    between += between.T
    np.fill_diagonal(between, -np.inf)
    nearest = between.argmax(1)
    accuracy = np.array([_accuracy(known, codes, a, b) for a, b in enumerate(nearest)])
    return table.assign(
        nearest_class=[names[code] for code in nearest],
        nearest_accuracy=accuracy,
        twin=accuracy < _TWINS,
    )


@one_thread
def _learned(
    vectors: Vectors, codes: npt.NDArray[np.intp], progress: bool
) -> dict[str, npt.NDArray[np.generic]]:
    """Return how well the learned rule tells each class from the other products."""
    counts = np.bincount(codes)
    separability, learned = np.full(len(counts), np.nan), np.zeros(len(counts), bool)
    if len(counts) > 2:
        for code in tqdm(np.flatnonzero(counts > 1), desc="classes", disable=not progress):
            is_own = codes == code
            held_out = cross_fit(
                vectors[is_own], vectors[~is_own], codes[~is_own], 0, n_folds=_QUICK_FOLDS
            )
            known = Calibration.of(held_out)
            separability[code], learned[code] = known.separability, known.is_learned
    return {"separability": separability, "learned": learned}


def _accuracy(
    likeness: npt.NDArray[np.float64], codes: npt.NDArray[np.intp], a: int, b: int
) -> float:
    """Return the share of two classes' images that are nearer to their own class, 0…1."""
    accuracies = [
        (likeness[codes == own, own] > likeness[codes == own, other]).mean()
        for own, other in ((a, b), (b, a))
    ]
    return float(np.mean(accuracies))
