"""What may be wrong with a library: doubtful photos, duplicates, small and twin classes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.datasets import load_dataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.distances.comparators import ComparatorSource, as_comparator
from similarity_lab.errors import InputError
from similarity_lab.images.sources import describe, printable
from similarity_lab.relevance.library import EmbeddedLibrary
from similarity_lab.relevance.repeats import close_pairs
from similarity_lab.relevance.rules.prototypes import Scatter, Vectors, Whitening, unit

_FOLDS = 8
_SMALL = 5  # references below this say little about what a product looks like
_TWINS = 0.8  # of 1: how well two classes are told apart by their own photos


@dataclass(frozen=True, eq=False)
class LibraryReport:
    """What may be wrong with a library, the worst first.

    Attributes
    ----------
    photos : DataFrame
        One row per readable photo: path, label; margin (cosine to its own class without it, minus
        that to the nearest other class; below 0 = it looks more like the other), looks_like (that
        class), own (cosine to its own class), doubtful. Smallest margin first.
    duplicates : DataFrame with columns path, label, other_path, other_label
        Pairs of photos that are the same picture; with different labels one of them is wrong.
    classes : DataFrame
        One row per class, in order: label, n_photos, small, doubtful (share of its photos),
        nearest_class, told_apart (from the nearest class, 0.5 = not at all, 1 = always), twin.
    skipped : DataFrame with columns path, reason
    """

    photos: pd.DataFrame
    duplicates: pd.DataFrame
    classes: pd.DataFrame
    skipped: pd.DataFrame

    @property
    def doubtful(self) -> pd.DataFrame:
        """Photos that look more like another class than like their own, the worst first."""
        return self.photos[self.photos["doubtful"]].reset_index(drop=True)

    def __repr__(self) -> str:
        return (
            f"<library: {len(self.photos)} photos of {len(self.classes)} classes; "
            f"{len(self.doubtful)} doubtful, {len(self.duplicates)} pairs of duplicates, "
            f"{int(self.classes['small'].sum())} classes with fewer than {_SMALL} photos, "
            f"{int(self.classes['twin'].sum())} hardly told from another, "
            f"{len(self.skipped)} files unreadable>"
        )

    def _repr_html_(self) -> str:
        """Show the summary and the worst of each kind in a notebook."""
        parts = [f"<p>{repr(self)[1:-1]}</p>"]
        for name, table in (
            ("Doubtful photos", self.doubtful),
            ("Duplicates", self.duplicates),
            ("Classes", self.classes),
        ):
            if len(table):
                parts.append(f"<p><b>{name}</b></p>{table.head(10).to_html(index=False)}")
        return "".join(parts)


def library_report(
    library: DatasetSource | EmbeddedLibrary,
    *,
    embedder: ComparatorSource = "efficientnet-lite0",
    progress: bool = True,
) -> LibraryReport:
    """Look for photos that do not belong where they are.

    Each photo is compared with the mean directions of all classes, in the space of the learned
    rule, made without it and an eighth of the others: a photo in the wrong place must not
    vouch for itself. In a library of one class alone, doubtful are photos that are unlike the rest.

    Parameters
    ----------
    library : folder, zip, mapping, ImageDataset or EmbeddedLibrary
        The `library_` of a fitted scorer is not embedded again.
    embedder : name, embedder or comparator
        Of what is not embedded yet.
    progress : bool

    Examples
    --------
    >>> report = library_report("library/")          # doctest: +SKIP
    >>> report.doubtful.head()                       # doctest: +SKIP
    """
    if isinstance(library, EmbeddedLibrary):
        embedded = library
    else:
        photos = load_dataset(library, progress=progress)
        embedded = EmbeddedLibrary.of(photos, as_comparator(embedder), progress=progress)
    if not len(embedded.photos):
        raise InputError("none of the library's photos could be read")
    present, codes = np.unique(embedded.photos.labels, return_inverse=True)
    names = [embedded.photos.classes[label] for label in present]
    paths = [printable(describe(source)) for source in embedded.photos.sources]
    vectors = unit(embedded.vectors)
    likeness = _likeness(vectors, codes)
    table = _photos(likeness, codes, names, paths)
    return LibraryReport(
        table.sort_values("margin", kind="stable").reset_index(drop=True),
        _duplicates(vectors, codes, names, paths),
        _classes(table, likeness, codes, names),
        embedded.skipped,
    )


def _likeness(vectors: Vectors, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return cosines of photos to classes, each made without the photo's fold, (n, classes).

    NaN where the fold holds the whole class.
    """
    count = int(codes.max()) + 1
    if count == 1:  # nothing to tell it from: centring on the class would hide what is unlike it
        return (vectors * unit(vectors.sum(0) - vectors)).sum(1)[:, None].astype(np.float64)
    order = np.argsort(codes, kind="stable")
    fold_of = np.empty(len(codes), int)
    fold_of[order] = np.arange(len(codes)) % _FOLDS  # neighbours of a class in different folds
    likeness = np.full((len(codes), count), np.nan)
    for fold in range(_FOLDS):
        out = fold_of == fold
        rest, rest_codes = vectors[~out], codes[~out]
        if not out.any() or not len(rest):
            continue
        space = Whitening.from_scatter(Scatter.of(rest, rest_codes))
        whitened = space(rest)
        left = np.unique(rest_codes)
        means = unit(np.array([whitened[rest_codes == code].mean(0) for code in left]))
        likeness[np.ix_(out, left)] = space(vectors[out]) @ means.T
    return likeness


def _photos(
    likeness: npt.NDArray[np.float64],
    codes: npt.NDArray[np.intp],
    names: list[str],
    paths: list[str],
) -> pd.DataFrame:
    rows = np.arange(len(codes))
    own = np.nan_to_num(likeness[rows, codes])  # a photo alone in its class is like nothing
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


def _duplicates(
    vectors: Vectors, codes: npt.NDArray[np.intp], names: list[str], paths: list[str]
) -> pd.DataFrame:
    pairs = [
        (paths[a], names[codes[a]], paths[b], names[codes[b]])
        for block in close_pairs(vectors)
        for a, b in zip(*block, strict=True)
    ]
    return pd.DataFrame(pairs, columns=["path", "label", "other_path", "other_label"])


def _classes(
    photos: pd.DataFrame,
    likeness: npt.NDArray[np.float64],
    codes: npt.NDArray[np.intp],
    names: list[str],
) -> pd.DataFrame:
    counts = np.bincount(codes)
    table = pd.DataFrame({"label": names, "n_photos": counts, "small": counts < _SMALL})
    doubtful = photos.groupby("label")["doubtful"].mean()
    table["doubtful"] = doubtful.reindex(names).to_numpy()
    if len(names) == 1:
        return table.assign(nearest_class="", told_apart=np.nan, twin=False)
    known = np.nan_to_num(likeness, nan=-1.0)
    between = np.array([known[codes == code].mean(0) for code in range(len(names))])
    between += between.T
    np.fill_diagonal(between, -np.inf)
    nearest = between.argmax(1)
    apart = np.array([_told_apart(known, codes, a, b) for a, b in enumerate(nearest)])
    return table.assign(
        nearest_class=[names[code] for code in nearest], told_apart=apart, twin=apart < _TWINS
    )


def _told_apart(
    likeness: npt.NDArray[np.float64], codes: npt.NDArray[np.intp], a: int, b: int
) -> float:
    """Share of two classes' photos that are nearer to their own class than to the other."""
    rights = [
        (likeness[codes == own, own] > likeness[codes == own, other]).mean()
        for own, other in ((a, b), (b, a))
    ]
    return float(np.mean(rights))
