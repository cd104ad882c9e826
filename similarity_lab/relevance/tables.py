"""Decisions on many sites, and those on which none is possible, as tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from similarity_lab.errors import InputError
from similarity_lab.relevance.decision import SITE_COLUMNS, SiteRelevance


@dataclass(frozen=True)
class SiteFailure:
    """A site on which no decision is possible, and why."""

    site: str
    target: str
    reason: str

    def to_row(self) -> dict[str, object]:
        """Return the failure as one row of the table of sites."""
        return {"site": self.site, "target": self.target, "reason": self.reason}

    def to_dict(self) -> dict[str, object]:
        """Return the failure as plain values, for JSON."""
        return self.to_row()


def decisions_table(results: Iterable[SiteRelevance | SiteFailure]) -> pd.DataFrame:
    """Return decisions and failures as a table, one row per site and target, in order."""
    return pd.DataFrame([result.to_row() for result in results], columns=SITE_COLUMNS)


def rank_results(
    results: Iterable[SiteRelevance | SiteFailure], targets: Sequence[str] = ()
) -> list[SiteRelevance | SiteFailure]:
    """Return results by target, then most probable first; failures come last.

    The probability decides, or the share where a rule has no probability. Ties keep their order.

    Parameters
    ----------
    results : iterable of SiteRelevance or SiteFailure
    targets : sequence of str, optional
        Order of the targets; by default the order in which they occur.
    """
    results = list(results)
    order = list(dict.fromkeys([*targets, *(result.target for result in results)]))

    def place(result: SiteRelevance | SiteFailure) -> tuple[int, bool, float]:
        index = order.index(result.target)
        if isinstance(result, SiteFailure):
            return index, True, 0.0
        value = result.share if result.probability is None else result.probability
        return index, False, -value

    return sorted(results, key=place)


def expected_accuracy(table: pd.DataFrame, certainty: float = 0.9) -> dict[str, float]:
    """Return how often decisions are right, as far as their own probabilities say.

    Parameters
    ----------
    table : DataFrame
        With a column ``probability``; rows without one (failures) do not count.
    certainty : float
        Decisions less certain than this count as unsure.

    Returns
    -------
    dict
        ``unsure_rate``; ``accuracy`` of the decided sites, NaN if there is none; and
        ``accuracy_forced``, when the unsure ones are decided as well.

    Examples
    --------
    >>> table = pd.DataFrame({"probability": [0.99, 0.6, 0.03]})
    >>> {name: round(value, 2) for name, value in expected_accuracy(table).items()}
    {'unsure_rate': 0.33, 'accuracy': 0.98, 'accuracy_forced': 0.85}
    """
    chance = table["probability"].dropna().astype(float)
    if chance.empty:
        raise InputError(
            'no decision here has a probability; score with method="learned" and pass its table'
        )
    right = np.maximum(chance, 1 - chance)
    decided = right >= certainty
    return {
        "unsure_rate": float(1 - decided.mean()),
        "accuracy": float(right[decided].mean()),
        "accuracy_forced": float(right.mean()),
    }
