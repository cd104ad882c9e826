"""Tables of decisions: their columns, and sites on which no decision is possible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from similarity_lab.errors import InputError, check_type
from similarity_lab.relevance.decision import SiteRelevance

DECISION_COLUMNS = [
    "site",
    "target",
    "decision",
    "relevant",
    "probability",
    "criterion",
    "offered",
    "image_evidence",
    "word_evidence",
    "share",
    "share_low",
    "share_high",
    "n_matches",
    "n_matches_with_words",
    "n_named",
    "n_scored",
    "n_repeated",
    "n_left_out",
    "n_skipped",
    "similarity_threshold",
    "relevance_threshold",
    "prior",
    "evidence",
    "reason",
]
"""Columns of `decisions_table`, one row per site and target."""

_NULLABLE = {"relevant": "boolean", "evidence": "boolean"} | {
    name: "Int64" for name in DECISION_COLUMNS if name.startswith("n_")
}


@dataclass(frozen=True)
class SiteFailure:
    """A site on which no decision is possible.

    Attributes
    ----------
    site, target : str
    reason : str
    code : str
        Of the reason, if the crawl gives one (`similarity_lab.web.reasons.Code`).
    """

    site: str
    target: str
    reason: str
    code: str = ""

    def to_row(self) -> dict[str, object]:
        """Return the failure as a row of `decisions_table`."""
        return {
            "site": self.site,
            "target": self.target,
            "evidence": False,
            "reason": self.reason,
        }

    def to_dict(self) -> dict[str, object]:
        """Return the failure as plain values, for JSON."""
        return {**self.to_row(), "summary": self.summary()}

    def summary(self) -> str:
        """Return the failure as one sentence."""
        return f"no decision on whether {self.site} sells {self.target}: {self.reason}"


SiteResult = SiteRelevance | SiteFailure
"""The result for one site and target."""


def as_results(results: object) -> list[SiteResult]:
    """Return decisions as a list; raise `InputTypeError` if they are something else."""
    expected = "decisions on sites, as RelevanceScorer.decide_each gives them"
    check_type(results, Iterable, expected)
    listed: list[SiteResult] = list(results)  # type: ignore[call-overload]
    for result in listed:
        check_type(result, (SiteRelevance, SiteFailure), expected)
    return listed


def decisions_table(results: Iterable[SiteResult]) -> pd.DataFrame:
    """Return decisions and failures as a table.

    Parameters
    ----------
    results : iterable of SiteRelevance or SiteFailure

    Returns
    -------
    DataFrame
        One row per result, in order, with `DECISION_COLUMNS`. Counts are nullable integers and
        ``relevant`` is a nullable boolean: a failure has neither.
    """
    rows = [result.to_row() for result in as_results(results)]
    table = pd.DataFrame(rows, columns=DECISION_COLUMNS)
    return table.astype(_NULLABLE)


def rank_results(results: Iterable[SiteResult], targets: Sequence[str] = ()) -> list[SiteResult]:
    """Return results by target, then most probable first; failures come last.

    Sites that show too little to say anything come after those with evidence. The probability
    decides, or the share under a rule that gives none. Ties and failures keep their order. Tables
    and reports keep this order.

    Parameters
    ----------
    results : iterable of SiteRelevance or SiteFailure
    targets : sequence of str, optional
        Order of the targets; default: the order in which they occur.
    """
    results = as_results(results)
    order = list(dict.fromkeys([*targets, *(result.target for result in results)]))

    def sort_key(result: SiteResult) -> tuple[int, bool, bool, float]:
        index = order.index(result.target)
        if isinstance(result, SiteFailure):
            return index, True, True, 0.0
        value = result.share if result.probability is None else result.probability
        return index, False, not result.evidence, -value

    return sorted(results, key=sort_key)


def expected_accuracy(table: pd.DataFrame, certainty: float = 0.9) -> dict[str, float]:
    """Return the accuracy that decisions have if their probabilities are calibrated.

    Parameters
    ----------
    table : DataFrame
        With a column ``probability``; rows without one (failures) do not count.
    certainty : float
        Decisions with a lower probability count as unsure.

    Returns
    -------
    dict
        ``unsure_rate``, 0…1; ``accuracy`` of the decided sites, NaN if there is none; and
        ``accuracy_forced``, when the unsure ones are decided as well.

    Raises
    ------
    InputError
        If no row has a probability: the mean-distance rule gives none.

    Examples
    --------
    >>> table = pd.DataFrame({"probability": [0.99, 0.6, 0.03]})
    >>> {name: round(value, 2) for name, value in expected_accuracy(table).items()}
    {'unsure_rate': 0.33, 'accuracy': 0.98, 'accuracy_forced': 0.85}
    """
    check_type(table, pd.DataFrame, "a table, as RelevanceScorer.decide_many returns it")
    probabilities = table["probability"].dropna().astype(float)
    if probabilities.empty:
        raise InputError(
            "No decision in this table has a probability; pass decisions of the learned rule"
        )
    expected = np.maximum(probabilities, 1 - probabilities)
    is_decided = expected >= certainty
    return {
        "unsure_rate": float(1 - is_decided.mean()),
        "accuracy": float(expected[is_decided].mean()),
        "accuracy_forced": float(expected.mean()),
    }
