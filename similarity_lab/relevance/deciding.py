"""From a table of images to what is said about the site."""

from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import logit

from similarity_lab.evaluation.intervals import wilson_interval
from similarity_lab.relevance.rules.shares import SharePosterior, influences

Decision = Literal["relevant", "irrelevant", "unsure"]


def by_distance(
    images: pd.DataFrame, similarity_threshold: float, relevance_threshold: float
) -> dict[str, object]:
    """Decide by the original rule: count the images whose distance is at most the threshold.

    Returns
    -------
    dict
        The attributes of `SiteRelevance` that follow from the images.
    """
    scored = images["status"] == "scored"
    images = images.assign(is_match=scored & (images["distance"] <= similarity_threshold))
    n_matches, n_scored = int(images["is_match"].sum()), int(scored.sum())
    share = n_matches / n_scored
    relevant = share >= relevance_threshold
    return {
        "images": images,
        "decision": "relevant" if relevant else "irrelevant",
        "relevant": relevant,
        "share": share,
        "interval": wilson_interval(n_matches, n_scored),
        "probability": None,
    }


def by_probability(
    images: pd.DataFrame,
    similarity_threshold: float,
    relevance_threshold: float,
    prior_share: float,
    certainty: float,
) -> dict[str, object]:
    """Decide by the learned rule: weigh all shares by the images' probabilities.

    Parameters
    ----------
    images : DataFrame
    similarity_threshold : float
        Probability from which an image is called a match; for show, the share needs none.
    relevance_threshold : float
    prior_share : float
        That the probabilities were made with.
    certainty : float
        Unsure where neither answer has this probability.
    """
    scored = images["status"] == "scored"
    chances = images["probability"][scored].to_numpy(np.float64)
    log_ratios = logit(chances) - logit(prior_share)  # endless for what is certain
    posterior = SharePosterior.of(log_ratios)
    probability = posterior.at_least(relevance_threshold)
    relevant = probability >= 0.5
    decision: Decision = "relevant" if relevant else "irrelevant"
    images = images.assign(
        is_match=scored & (images["probability"] >= similarity_threshold), influence=np.nan
    )
    images.loc[scored, "influence"] = influences(log_ratios, relevance_threshold)
    return {
        "images": images,
        "decision": "unsure" if max(probability, 1 - probability) < certainty else decision,
        "relevant": relevant,
        "share": posterior.share,
        "interval": posterior.interval(),
        "probability": probability,
    }
