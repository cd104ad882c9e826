"""Invented decisions of every kind, and websites with names and texts that are hard to show."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from similarity_lab.relevance import DecisionSettings, SiteFailure, SiteRelevance
from similarity_lab.relevance.verdict import SCORE_COLUMNS
from similarity_lab.sites import ORIGIN_COLUMNS

from .conftest import CALIBRATION

RULES = ("offered", "share", "mean-distance")
KINDS = ("target", "target and other", "ambiguous", "other form", "other", "")
PRIOR, PRIOR_SHARE = 0.25, 0.1


def invented_settings(rng, rule, *, words=True):
    """Return settings of a rule: "offered", "share" or "mean-distance"."""
    if rule == "mean-distance":
        return DecisionSettings(
            "mean-distance", "none", 0.4, float(rng.choice([0.1, 0.25, 0.6])), n_references=12
        )
    learned = {
        "separability": float(rng.choice([0.6, 0.95])),
        "n_products": int(rng.choice([4, 30])),
    }
    return DecisionSettings(
        "learned",
        "none",
        0.5,
        float(rng.choice([0.02, 0.25, 0.6])),
        rule,
        certainty=float(rng.choice([0.7, 0.9, 0.99])),
        prior=float(rng.choice([0.05, PRIOR, 0.6])),
        prior_share=PRIOR_SHARE,
        words=("almonds",) if words else (),
        n_references=20,
        calibration=replace(CALIBRATION, **learned) if rng.random() < 0.5 else CALIBRATION,
        image_coverage=float(rng.choice([0.2, 1.0])),
        page_coverage=float(rng.choice([0.2, 1.0])),
    )


def invented_table(rng, paths, *, level=None, naming=None):
    """Return `SCORE_COLUMNS` of images.

    Parameters
    ----------
    level : float, optional
        Mean margin; higher = more like the target.
    naming : sequence of float, optional
        Probabilities of `KINDS`.
    """
    n = len(paths)
    level = rng.normal(-0.3, 0.3) if level is None else level
    table = pd.DataFrame(index=range(n), columns=SCORE_COLUMNS)
    table["path"] = pd.Series([str(path) for path in paths], dtype=object)
    status = rng.choice(["scored", "repeated", "left out"], n, p=[0.8, 0.1, 0.1])
    status[rng.integers(n)] = "scored"
    is_scored = status == "scored"
    margin = np.where(is_scored, rng.normal(level, 0.3, n), np.nan)
    score = 8 * margin + rng.normal(0, 1, n)
    kind = rng.choice(KINDS, n, p=naming) if naming is not None else np.full(n, "")
    kind = np.where(status == "left out", "", kind)
    table["status"], table["margin"], table["score"] = status, margin, score
    table["probability"] = expit(logit(PRIOR_SHARE) + score)
    table["distance"] = np.where(is_scored, np.clip(0.6 - margin, 0, 2), np.nan)
    table["reason"] = np.where(is_scored, "", "same image as another one")
    table["word_kind"], table["words"] = kind, [f"names {each}" if each else "" for each in kind]
    table["confusable"] = np.where(is_scored, "dates", None)
    table["nearest_distance"] = np.where(is_scored, rng.random(n), np.nan)
    table["nearest_reference"] = [str(paths[0]) if each else None for each in is_scored]
    return table


def invented_origins(rng, paths, texts, prices=(("", ""),)):
    """Return origins whose texts and prices are drawn from those given."""
    rows = []
    for number, path in enumerate(paths):
        text, (price, currency) = texts[rng.integers(len(texts))], prices[rng.integers(len(prices))]
        rows.append(
            dict.fromkeys(ORIGIN_COLUMNS, "")
            | {"path": str(path), "url": f"https://shop.example/{number}.jpg", "alt": text,
               "page": "https://shop.example/", "product": text, "position": number + 1,
               "price": price if price != "" else None, "currency": currency}
        )  # fmt: skip
    return pd.DataFrame(rows)


def invented_result(rng, paths, *, site="shop.example", target="almonds", rule="offered",
                    level=None, naming=None, texts=None, prices=(("", ""),)):  # fmt: skip
    """Return a decision on the images; the rest is drawn."""
    settings = invented_settings(rng, rule, words=naming is not None)
    if rule == "mean-distance":
        naming = None
    table = invented_table(rng, paths, level=level, naming=naming)
    if rule == "mean-distance":
        table["probability"] = np.nan
    return SiteRelevance.from_images(
        table,
        settings=settings,
        site=site,
        target=target,
        skipped=pd.DataFrame(columns=["path", "reason"]),
        versions={"similarity_lab": "0"},
        origins=None if texts is None else invented_origins(rng, paths, texts, prices),
    )


def failure(site, reason, target="almonds"):
    """Return a site on which no decision was possible."""
    return SiteFailure(site, target, reason)
