"""Active learning: which images to mark next, by how much a mark would change the decision."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from similarity_lab.errors import check_type
from similarity_lab.relevance.decision import SiteRelevance
from similarity_lab.relevance.tables import SiteResult, as_results
from similarity_lab.relevance.verdict import probabilities_after_marks, probability_with_words

ORDER_COLUMNS = ["result", "row", "site", "target", "path", "probability", "value"]
"""Columns of `marking_order`, one row per image."""


def mark_values(result: SiteRelevance) -> pd.Series:
    """Return how much a mark on each image is expected to change the decision.

    The value of an image is the expected change of the site's probability p: with q = P(the image
    shows the target), q |p(shows) − p| + (1 − q) |p(does not) − p|, where p(…) is the probability
    after that mark. It is the expected model change of active learning in which sites are bags of
    images (B. Settles, M. Craven, S. Ray, "Multiple-Instance Active Learning", NIPS 2007); unlike
    the expected error it is not 0 where no single mark changes the decision. The mean-distance rule
    gives no probability: its images come in the order of how close they are to the threshold, from
    sites whose share is close to the relevance threshold (uncertainty sampling; D. Lewis, W. Gale,
    1994, https://doi.org/10.1007/978-1-4471-2099-5_1).

    Parameters
    ----------
    result : SiteRelevance
        Marks that it has are taken into account.

    Returns
    -------
    Series of float
        0…1, largest first; the index is that of `SiteRelevance.images`. Images that do not count or
        are marked already are left out.
    """
    check_type(result, SiteRelevance, "the decision on a site, as decide returns it")
    scored = result.images[result.images["status"] == "scored"]
    rows = scored.index.difference(list(result.marks))
    if not len(rows):
        return pd.Series(dtype=float, index=rows)
    if result.probability is None:
        threshold = result.settings.similarity_threshold
        gap = (scored.loc[rows, "distance"].astype(float) - threshold).abs()
        share_gap = abs(result.share - result.settings.relevance_threshold)
        return (np.exp(-gap) * np.exp(-share_gap)).sort_values(ascending=False, kind="stable")
    chances = probability_with_words(scored, result.settings)[rows].to_numpy(float)
    changes = [
        (probabilities_after_marks(result.images, result.settings, shows) - result.probability)
        .abs()[rows]
        .to_numpy(float)
        for shows in (True, False)
    ]
    values = chances * changes[0] + (1 - chances) * changes[1]
    return pd.Series(values, rows).sort_values(ascending=False, kind="stable")


def marking_order(results: Iterable[SiteResult], n: int | None = None) -> pd.DataFrame:
    """Return the images of several sites in the order in which marks are worth most.

    Parameters
    ----------
    results : iterable of SiteRelevance or SiteFailure
        Failures have no images.
    n : int, optional
        Number of rows; default: all.

    Returns
    -------
    DataFrame
        result (position in `results`), row (of its `images`), site, target, path, probability (of
        the image; missing under a rule that gives none), value (see `mark_values`). After some
        marks, make it again with the updated decisions: the best next image is another one.

    Examples
    --------
    >>> order = marking_order(scorer.decide_each(sites), n=20)     # doctest: +SKIP
    """
    tables = []
    for position, result in enumerate(as_results(results)):
        if not isinstance(result, SiteRelevance):
            continue
        values = mark_values(result)
        images = result.images.loc[values.index, ["path", "probability"]]
        tables.append(
            images.assign(
                result=position,
                row=values.index,
                site=result.site,
                target=result.target,
                value=values,
            )[ORDER_COLUMNS]
        )
    if not tables:
        return pd.DataFrame(columns=ORDER_COLUMNS)
    table = pd.concat(tables, ignore_index=True)
    table = table.sort_values("value", ascending=False, kind="stable", ignore_index=True)
    return table.head(len(table) if n is None else n)
