"""Fit the constants of the learned rule, and show how far they depend on what they are fitted on.

    python -m benchmarks.rule_constants

Images: slope and offset of the log likelihood ratio, by logistic regression on the images of the
composite grocery sites, of the composite sites of shop photos, and of the real shops, together and
apart, and with each target left out. Sites: slope and offset of the best margin, and what words
say, on the real shops, with each shop and each target left out; decisions on what was left out
beside those of the constants in use. Needs all photos. Writes
benchmarks/results/rule_constants.json.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit
from tqdm import tqdm

from benchmarks.common import CACHE, make_parser, origin, require_clean_tree, write_results
from benchmarks.few_photos import EmbeddedTask, grocery_tasks, shop_tasks
from benchmarks.measures import mean_log_loss, roc_auc
from benchmarks.shops import (
    TARGETS,
    catalogue_site,
    file_digest,
    library_without,
    read_library,
    read_shops,
    read_truth,
    shops_folders,
)
from similarity_lab import RelevanceScorer
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.embedders import CachedEmbedder
from similarity_lab.relevance import SiteRelevance, offered
from similarity_lab.relevance.rules import calibration
from similarity_lab.relevance.rules.learned import quality_embedder

PRIOR = 0.23  # of selling, on these shops
RIDGE = 0.01
Images = tuple[np.ndarray, np.ndarray, np.ndarray]  # above the anchor, reliability, truth
Evidence = Callable[[], offered.OfferedEvidence]  # by the constants that are set when it is called


def image_values(result: SiteRelevance, shows: np.ndarray) -> Images | None:
    """Return scores above the anchor, reliability and truth; None if nothing was learned."""
    known = result.settings.calibration
    if known is None or known.reliability == 0 or known.n_products < calibration._MANY_PRODUCTS:
        return None
    scored = (result.images["status"] == "scored").to_numpy()
    line = result.images["score"].to_numpy(float)[scored] / known.reliability
    above = (line - calibration._OFFSET) / calibration._SLOPE
    return above, np.full(scored.sum(), known.reliability), shows[scored]


def images_of(tasks: list[EmbeddedTask]) -> dict[str, list[Images]]:
    """Return the images of composite sites by target."""
    images: dict[str, list[Images]] = {}
    for task in tqdm(tasks, desc="tasks", unit="task"):
        scorer = RelevanceScorer(task.target, store=CACHE, progress=False).fit(task.library)
        for site, shows in zip(task.sites, task.shows, strict=True):
            values = image_values(scorer.decide(site), shows)
            if values is not None:
                images.setdefault(task.target, []).append(values)
    return images


def shop_results() -> tuple[list[SiteRelevance], pd.DataFrame]:
    """Return the decisions on the real shops, and the truth of each: repo, target, sells, shows."""
    shops, lists = shops_folders()
    photos, truth = read_library(shops, lists), read_truth(lists)
    results, rows = [], []
    for repo in tqdm(read_shops(lists)["repo"], desc="shops", unit="shop"):
        seen = truth[truth["repo"] == repo].set_index("sha256")
        library = library_without(photos, [repo])
        targets = [name for name in TARGETS if name in library.classes]
        scorer = RelevanceScorer(targets[0], store=CACHE, progress=False).fit(library)
        site = catalogue_site(shops, repo, seen.reset_index())
        for result in scorer.decide_each([site], targets):
            digests = [file_digest(path) for path in result.images["path"]]
            shows = np.array([result.target in seen["shows"][digest] for digest in digests])
            among = np.array([result.target in seen["among"][digest] for digest in digests])
            sells = None if among.any() and not shows.any() else bool(shows.any())
            results.append(result)
            rows.append({"repo": repo, "target": result.target, "sells": sells, "shows": shows})
    return results, pd.DataFrame(rows)


def fit_line(parts: Iterable[list[Images]]) -> list[float]:
    """Return slope and offset; each list counts alike, and in it images that show the target."""
    above, reliability, truth, weights = [], [], [], []
    for images in parts:
        x, g, y = (np.concatenate(values) for values in zip(*images, strict=True))
        if y.any() and not y.all():
            above.append(x), reliability.append(g), truth.append(y)
            weights.append(np.where(y, 0.5 / y.sum(), 0.5 / (~y).sum()))
    x, g, y, w = map(np.concatenate, (above, reliability, truth, weights))

    def loss(line: np.ndarray) -> float:
        return float(w @ np.logaddexp(0, np.where(y, -1, 1) * g * (line[0] * x + line[1])))

    return minimize(loss, [2.5, 1.5], method="Nelder-Mead").x.round(2).tolist()


def image_constants(sets: dict[str, dict[str, list[Images]]]) -> dict[str, object]:
    """Return slope and offset on each set, on all, and the range with each target left out."""
    rows: dict[str, object] = {
        "in use": [calibration._SLOPE, calibration._OFFSET],
        "all": fit_line(images for by_target in sets.values() for images in by_target.values()),
    }
    for name, by_target in sets.items():
        rows[name] = fit_line(by_target.values())
    lines = np.array(
        [
            fit_line(
                images
                for by_target in sets.values()
                for target, images in by_target.items()
                if target != left_out
            )
            for left_out in sorted({target for by_target in sets.values() for target in by_target})
        ]
    )
    rows["each target left out"] = [lines.min(0).tolist(), lines.max(0).tolist()]
    return rows


def evidence_of(result: SiteRelevance) -> Evidence:
    """Return the evidence of a site, as the rule has it."""
    images = result.images
    seen, repeated = (images[images["status"] == status] for status in ("scored", "repeated"))
    return partial(
        offered.offered_evidence,
        seen["margin"].to_numpy(float),
        seen["word_kind"].tolist(),
        result.settings.calibration,
        repeated_kinds=repeated["word_kind"].tolist(),
    )


def probabilities(sites: list[Evidence], constants: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return P(offered) by images alone and with words, under other constants.

    Parameters
    ----------
    sites : list of Evidence
    constants : ndarray, shape (4,)
        Slope and offset of the best margin, log likelihood ratio of a name, log-odds of "no text
        names it although it is sold".
    """
    slope, offset, named, silent = constants
    values = {"_SLOPE": slope, "_OFFSET": offset, "_NAMED": named, "_SILENT": expit(silent)}
    old = {name: getattr(offered, name) for name in values}
    vars(offered).update(values)
    try:
        evidence = [site() for site in sites]
    finally:
        vars(offered).update(old)
    images = np.array([each.images for each in evidence])
    words = np.array([each.words for each in evidence])
    return expit(logit(PRIOR) + images), expit(logit(PRIOR) + images + words)


def fit_sites(sites: list[Evidence], sells: np.ndarray) -> np.ndarray:
    """Return the four constants of `probabilities`, shrunk towards those in use."""
    start = in_use()

    def loss(constants: np.ndarray) -> float:
        alone, both = probabilities(sites, constants)
        ridge = RIDGE * ((constants - start) / [5, 1, 1, 1]) ** 2
        return mean_log_loss(alone, sells) + mean_log_loss(both, sells) + ridge.sum()

    options = {"xatol": 0.02, "fatol": 1e-4, "maxiter": 120}
    return minimize(loss, start, method="Nelder-Mead", options=options).x


def in_use() -> np.ndarray:
    """Return the constants in use, in the order of `probabilities`."""
    return np.array([offered._SLOPE, offered._OFFSET, offered._NAMED, logit(offered._SILENT)])


def site_figures(alone: np.ndarray, both: np.ndarray, sells: np.ndarray) -> dict[str, object]:
    """Return AUC, log loss and what sure answers are worth, for images alone and with words."""
    figures: dict[str, object] = {}
    for name, chance in (("images alone", alone), ("with words", both)):
        yes, no = chance >= 0.9, chance <= 0.1
        figures[name] = {
            "auc": roc_auc(chance, sells),
            "log_loss": mean_log_loss(chance, sells),
            "sure yes": [int(yes.sum()), int(sells[yes].sum())],
            "sure no": [int(no.sum()), int(sells[no].sum())],
        }
    return figures


def site_constants(sites: list[Evidence], truth: pd.DataFrame) -> dict[str, object]:
    """Return the constants fitted on all pairs, and decisions on shops and targets left out."""
    sells = truth["sells"].to_numpy(bool)
    rows: dict[str, object] = {
        "in use": {"constants": in_use().round(2).tolist()}
        | site_figures(*probabilities(sites, in_use()), sells),
        "fitted on all": fit_sites(sites, sells).round(2).tolist(),
    }
    for column in ("repo", "target"):
        alone, both, fitted = np.empty(len(sells)), np.empty(len(sells)), []
        for value in tqdm(truth[column].unique(), desc=f"each {column} left out"):
            is_out = (truth[column] == value).to_numpy()
            rest = [site for site, out in zip(sites, is_out, strict=True) if not out]
            fitted.append(fit_sites(rest, sells[~is_out]))
            left_out = [site for site, out in zip(sites, is_out, strict=True) if out]
            alone[is_out], both[is_out] = probabilities(left_out, fitted[-1])
        limits = [np.min(fitted, 0).round(2).tolist(), np.max(fitted, 0).round(2).tolist()]
        rows[f"each {column} left out"] = {"constants": limits} | site_figures(alone, both, sells)
    return rows


def main() -> None:
    """Fit all constants, print and write them."""
    make_parser(__doc__).parse_args()
    require_clean_tree()
    comparator = EmbeddingComparator(CachedEmbedder(quality_embedder("standard"), CACHE))
    sets = {
        "grocery sites": images_of(grocery_tasks(comparator)),
        "composites of shop photos": images_of(shop_tasks(comparator)),
    }
    results, truth = shop_results()
    shops: dict[str, list[Images]] = {}
    for result, row in zip(results, truth.itertuples(), strict=True):
        values = image_values(result, row.shows)
        if values is not None:
            shops.setdefault(row.target, []).append(values)
    sets["real shops"] = shops
    is_clear = truth["sells"].notna().to_numpy()
    clear = [evidence_of(result) for result, keep in zip(results, is_clear, strict=True) if keep]
    rows = {
        "images": image_constants(sets),
        "sites": site_constants(clear, truth[is_clear].reset_index(drop=True)),
    }
    print(pd.json_normalize(rows).T.to_string(header=False))
    written = {
        "origin": origin("python -m benchmarks.rule_constants", prior=PRIOR, ridge=RIDGE),
        "rows": rows,
    }
    print(f"written to {write_results('rule_constants', written)}")


if __name__ == "__main__":
    main()
