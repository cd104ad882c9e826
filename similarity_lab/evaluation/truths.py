"""Truth values as people have them: True, False, 1, 0, and None or NaN for what was not judged."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab.errors import InputError


def nullable_truths(values: Iterable[object], names: Iterable[object] | None = None) -> pd.Series:
    """Return truth values as a nullable boolean Series; missing is what was not judged.

    Parameters
    ----------
    values : iterable
    names : iterable, optional
        What each value is about, for the message of an error.

    Raises
    ------
    InputError
        For any other value: the text "no" would count as true.

    Examples
    --------
    >>> nullable_truths([True, 0, None]).tolist()
    [True, False, <NA>]
    """
    named = zip(values, repeat(None) if names is None else names, strict=False)
    return pd.Series([truth_value(value, name) for value, name in named], dtype="boolean")


def truth_value(value: object, name: object = None, *, kind: str = "truth") -> bool | None:
    """Return a truth value as True, False or None.

    Parameters
    ----------
    value : object
    name, kind : object, str
        What the value is about and what it is, for the message of an error.

    Raises
    ------
    InputError
        As `nullable_truths`.

    Examples
    --------
    >>> truth_value(np.float64(1.0)), truth_value(np.nan)
    (True, None)
    """
    if is_missing(value):
        return None
    if isinstance(value, (bool, np.bool_, int, np.integer, float)) and value in (0, 1):
        return bool(value)
    of = "" if name is None else f" for {name!r}"
    raise InputError(f"{kind} is True, False or None (not judged), got {value!r}{of}")


def paired_truths(
    probability: npt.ArrayLike, truth: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], pd.Series]:
    """Return probabilities and as many nullable truth values.

    Raises
    ------
    InputError
        If the shapes differ, or for a value that is not a truth value.
    """
    values, truths = np.asarray(probability, np.float64), np.asarray(truth)
    if values.ndim != 1 or values.shape != truths.shape:
        raise InputError(
            f"expected one truth value per probability, got shapes {values.shape} and "
            f"{truths.shape}"
        )
    if truths.dtype == bool:  # the common case, and fast
        return values, pd.Series(truths, dtype="boolean")
    return values, nullable_truths(np.asarray(truth, object))


def judged_truths(
    probability: npt.ArrayLike, truth: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return probabilities and truth values of cases that are all judged.

    Raises
    ------
    InputError
        If the shapes differ, a probability is not from 0 to 1, or a truth value is missing.
    """
    values, truths = paired_truths(probability, truth)
    n_missing = int(truths.isna().sum())
    if n_missing:
        raise InputError(
            f"truth is missing for {n_missing} of {len(truths)} cases; leave out cases that were "
            "not judged"
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError("expected probabilities from 0 to 1; leave out cases without one")
    return values, truths.to_numpy(bool)


def is_missing(value: object) -> bool:
    """Return whether a value stands for "not judged"."""
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))
