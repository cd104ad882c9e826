"""Figures of decisions and probabilities that several benchmarks report, with their intervals."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, log_loss

from similarity_lab.evaluation import (
    bootstrap_interval,
    expected_calibration_error,
    reliability_curve,
    wilson_interval,
)

SEED, REPEATS = 0, 1000  # of the bootstrap
DECISIONS = ("relevant", "irrelevant", "unsure")
Rows = npt.NDArray[np.intp]


def roc_auc(value: np.ndarray, truth: np.ndarray) -> float:
    """Return the area under the ROC curve, NaN unless both classes occur.

    By ranks, since that of scikit-learn takes 200 times as long, and with infinite values.

    Examples
    --------
    >>> roc_auc(np.array([0.1, 0.4, 0.4]), np.array([False, False, True]))
    0.75
    """
    positives = int(truth.sum())
    pairs = positives * (len(truth) - positives)
    above = rankdata(value)[truth].sum() - positives * (positives + 1) / 2
    return float(above / pairs) if pairs else np.nan


def average_precision(value: np.ndarray, truth: np.ndarray) -> float:
    """Return the area under the precision-recall curve, NaN if nothing is true."""
    # scikit-learn refuses infinite values
    ranks = rankdata(value) if len(value) else value
    return float(average_precision_score(truth, ranks)) if truth.any() else np.nan


def mean_log_loss(probability: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean negative log-likelihood, natural; a certain and wrong case costs 36."""
    return float(log_loss(truth, probability, labels=[False, True]))


def reliability(probability: np.ndarray, truth: np.ndarray) -> list[list[float]]:
    """Return the reliability curve, a row per bin: predicted, observed, n."""
    return reliability_curve(probability, truth).round(4).to_numpy().tolist()


def values_by(
    images: pd.DataFrame, by: str, figure: Callable[[np.ndarray, np.ndarray], float]
) -> pd.Series:
    """Return a figure of the scores of each group of images.

    Parameters
    ----------
    images : DataFrame
        score, shows, and the column `by`.
    by : str
    figure : callable
        Takes scores and truth.
    """
    return pd.Series(
        {
            name: figure(rows["score"].to_numpy(float), rows["shows"].to_numpy(bool))
            for name, rows in images.groupby(by)
        }
    )


def interval_over(groups: pd.Series, figure: Callable[[Rows], float]) -> tuple[float, float]:
    """Return the bootstrap interval of a figure of rows, resampling groups of rows.

    Rows of one group, such as the sites that were composed for one target, are not independent.
    """
    rows = list(groups.reset_index(drop=True).groupby(groups.to_numpy()).indices.values())
    return bootstrap_interval(
        lambda drawn: figure(np.concatenate([rows[index] for index in drawn])),
        len(rows),
        seed=SEED,
        repeats=REPEATS,
    )


def with_intervals(
    figures: dict[str, Callable[[Rows], float]], groups: pd.Series
) -> dict[str, object]:
    """Return each figure of all rows and its interval over groups, without those that are NaN."""
    rows, results = np.arange(len(groups)), {}
    for name, figure in figures.items():
        value = figure(rows)
        if np.isfinite(value):
            results[name] = value
            results[f"{name}_interval"] = interval_over(groups, figure)
    return results


def calibration_figures(
    probability: np.ndarray, truth: np.ndarray, groups: pd.Series
) -> dict[str, object]:
    """Return how well probabilities are calibrated.

    Parameters
    ----------
    probability : ndarray of float, shape (n,)
    truth : ndarray of bool, shape (n,)
    groups : Series, shape (n,)
        What the intervals resample.

    Returns
    -------
    dict
        cases and true (numbers), ece (15 bins of equal mass) and log_loss, both with an interval,
        and reliability.
    """
    figures: dict[str, Callable[[Rows], float]] = {
        "ece": lambda rows: expected_calibration_error(probability[rows], truth[rows]),
        "log_loss": lambda rows: mean_log_loss(probability[rows], truth[rows]),
    }
    return {
        "cases": len(truth),
        "true": int(truth.sum()),
        **with_intervals(figures, groups),
        "reliability": reliability(probability, truth),
    }


def ranking_figures(value: np.ndarray, truth: np.ndarray, groups: pd.Series) -> dict[str, object]:
    """Return ROC-AUC and average precision of a value, which may be infinite, with intervals."""
    return with_intervals(
        {
            "auc": lambda rows: roc_auc(value[rows], truth[rows]),
            "average_precision": lambda rows: average_precision(value[rows], truth[rows]),
        },
        groups,
    )


def image_figures(images: pd.DataFrame, *, mean_over: str, resample: str) -> dict[str, object]:
    """Return ranking, calibration and matches of images.

    Parameters
    ----------
    images : DataFrame
        target, shows (whether an image truly shows it), score, probability, is_match, and the
        columns named here.
    mean_over : str
        ROC-AUC and average precision are means over these groups, one scorer each; their intervals
        resample targets.
    resample : str
        What the intervals of the calibration resample.
    """
    targets = images.groupby(mean_over)["target"].first()
    figures: dict[str, object] = {}
    for name, figure in (("auc", roc_auc), ("average_precision", average_precision)):
        values = values_by(images, mean_over, figure)[targets.index]
        figures |= with_intervals({name: _mean_of(values)}, targets)
    shows, probability = images["shows"].to_numpy(bool), images["probability"].to_numpy(float)
    return (
        figures
        | calibration_figures(probability, shows, images[resample])
        | match_figures(images["is_match"].to_numpy(bool), shows)
    )


def _mean_of(values: pd.Series) -> Callable[[Rows], float]:
    return lambda rows: float(values.iloc[rows].mean())  # without NaN


def decision_figures(
    decision: np.ndarray, probability: np.ndarray, truth: np.ndarray, groups: pd.Series
) -> dict[str, object]:
    """Return how often decisions are right, and of each decision the part that is true.

    Parameters
    ----------
    decision : ndarray of str, shape (n,)
        "relevant", "irrelevant" or "unsure".
    probability : ndarray of float, shape (n,)
        The forced choice is "relevant" from 0.5.
    truth : ndarray of bool, shape (n,)
    groups : Series, shape (n,)
        What the intervals resample.

    Returns
    -------
    dict
        accuracy (of the forced choice), right_when_sure, unsure (part of all), each with an
        interval; wrong_when_sure (number); "decided relevant", "decided irrelevant", "decided
        unsure": cases, true (numbers) and the Wilson interval of the part that is true.
    """
    is_sure = decision != "unsure"
    is_right = np.where(is_sure, decision == "relevant", probability >= 0.5) == truth
    figures: dict[str, Callable[[Rows], float]] = {
        "accuracy": lambda rows: float(is_right[rows].mean()),
        "right_when_sure": lambda rows: (
            float(is_right[rows][is_sure[rows]].mean()) if is_sure[rows].any() else np.nan
        ),
        "unsure": lambda rows: float(1 - is_sure[rows].mean()),
    }
    parts = {
        f"decided {name}": _part(int(truth[decision == name].sum()), int((decision == name).sum()))
        for name in DECISIONS
    }
    wrong = int((~is_right & is_sure).sum())
    return with_intervals(figures, groups) | {"wrong_when_sure": wrong, **parts}


def match_figures(is_match: np.ndarray, truth: np.ndarray) -> dict[str, object]:
    """Return precision and recall of matches with Wilson intervals, where they exist."""
    hits, matches, true = int((is_match & truth).sum()), int(is_match.sum()), int(truth.sum())
    figures: dict[str, object] = {"matches": matches, "showing": true}
    for name, total in (("precision", matches), ("recall", true)):
        if total:
            figures[name] = hits / total
            figures[f"{name}_interval"] = wilson_interval(hits, total)
    return figures


def _part(true: int, cases: int) -> dict[str, object]:
    interval = {"interval": wilson_interval(true, cases)} if cases else {}
    return {"cases": cases, "true": true, **interval}


def print_figures(rows: dict[str, object]) -> None:
    """Print nested figures, one a line, without reliability curves."""
    flat = pd.json_normalize(rows).iloc[0]
    for name, value in flat.items():
        if not str(name).endswith("reliability"):
            print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
