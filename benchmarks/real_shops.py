"""Decisions on 25 real small shops: who sells the target at all, judged by what a person saw.

    python -m benchmarks.real_shops [--images catalogue|crawled] [--quality fast|standard|best]

Needs the rebuilt shops, see `benchmarks.shops`. Two settings: *catalogue*, every image in the list
of a shop with its file name and the alternative text of the pages, which is what an ideal crawl
would bring; and *crawled*, what `collect` brings from the website served on this machine. Two
libraries: the photos of all other repositories, and those without any of the 25 shops; classes with
three or more photos.

Figures are given of images alone (the same sites without texts), of what words add, alone, and of
both. A pair of shop and target counts as selling if a person saw the target as the main subject of
an image; pairs where it is only seen among other products count neither way. A shop without a
collected image stays in, without evidence: unsure, the prior as probability, last in the ranking.
Intervals resample shops, those of means over targets resample targets. Nothing is chosen here, but
the constants of the learned rule were fitted on these shops, see `benchmarks.rule_constants`.
Writes benchmarks/results/real_shops_IMAGES.json; figures only, no images.
"""

import functools
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
from PIL import Image
from scipy.special import expit, logit
from tqdm import tqdm

from benchmarks.common import CACHE, make_parser, origin, require_clean_tree, write_results
from benchmarks.measures import (
    SEED,
    calibration_figures,
    decision_figures,
    image_figures,
    print_figures,
    ranking_figures,
)
from benchmarks.shops import (
    CORE_TARGETS,
    TARGETS,
    catalogue_site,
    file_digest,
    files_of,
    library_without,
    read_library,
    read_shops,
    read_truth,
    shop_folder,
    shops_folders,
)
from similarity_lab import RelevanceScorer, Site
from similarity_lab.relevance import SiteRelevance
from similarity_lab.relevance.offered import word_ratios
from similarity_lab.relevance.scorer import DEFAULT_PRIOR
from similarity_lab.web import collect

TARGET_SETS = {"7 targets": CORE_TARGETS, "11 targets": TARGETS}
EVIDENCE = ("images alone", "words alone", "images and words")
FEWEST_PIXELS = 100  # of both sides of an image
FIRST = 5  # places of a ranking that a buyer looks at


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder without a line for each request."""

    def log_message(self, *arguments: object) -> None:
        """Write nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; gives ``host:port``."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@contextmanager
def served_shops(shops: Path, listed: pd.DataFrame) -> Iterator[dict[str, str]]:
    """Serve shops on this machine, each by a server of its own; gives the URL of each."""
    with ExitStack() as servers:
        yield {
            shop.repo: f"http://{servers.enter_context(served(shop_folder(shops, shop.repo)))}/"
            f"{quote(shop.start)}"
            for shop in listed.itertuples()
        }


def crawled_sites(shops: Path, listed: pd.DataFrame, out: Path) -> dict[str, Site | None]:
    """Return what `collect` brings from each shop; None if it brings nothing."""
    with served_shops(shops, listed) as urls:
        collection = collect(
            urls,
            out,
            allow=[url.split("/")[2] for url in urls.values()],
            throttle=False,
            render="auto",
        )
    rows = collection.table.set_index("name")
    for repo, reason in rows.loc[rows["crawl_status"] != "collected", "reason"].items():
        tqdm.write(f"{repo}: {reason}")
    sites = {site.name: site for site in collection.sites}
    return {repo: sites.get(repo) for repo in listed["repo"]}


def catalogue_sites(shops: Path, repos: list[str], truth: pd.DataFrame) -> dict[str, Site | None]:
    """Return the site of each repository with every listed image."""
    return {
        repo: catalogue_site(shops, repo, truth[truth["repo"] == repo])
        for repo in tqdm(repos, desc="images", unit="shop")
    }


def score_pairs(
    sites: dict[str, Site | None],
    groups: list[list[str]],
    photos: pd.DataFrame,
    truth: pd.DataFrame,
    scoring: dict[str, object],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decide on every shop for every target, with and without the texts of its images.

    Parameters
    ----------
    sites : dict
        The site of each repository; None if nothing was collected.
    groups : list of list of str
        Repositories that are decided on with one library, which holds the photos of all others.
    photos, truth : DataFrame
        Of `read_library` and `read_truth`.
    scoring : dict
        Parameters of `RelevanceScorer`: ``quality`` or ``embedder``.

    Returns
    -------
    pairs : DataFrame
        repo, target, sells (None: only seen among others), is_missing (nothing was collected),
        has_evidence, best (highest image score), and for each kind of `EVIDENCE`, prefixed with it:
        decision, probability.
    images : DataFrame
        repo, target, shows, among and for each kind of `EVIDENCE`, prefixed with it: score,
        probability, is_match; of every scored image that is listed.
    """
    pairs, images = [], []
    for repos in tqdm(groups, desc="libraries", unit="library"):
        library = library_without(photos, repos)
        targets = [name for name in TARGETS if name in library.classes]
        scorer = RelevanceScorer(targets[0], store=CACHE, progress=False, **scoring)
        present = {repo: site for repo in repos if (site := sites[repo]) is not None}
        silent = [Site.from_paths(site.paths, name=repo) for repo, site in present.items()]
        results = scorer.fit(library).decide_each([*present.values(), *silent], targets)
        decided = dict(zip(product((True, False), present, targets), results, strict=True))
        for repo, target in product(repos, targets):
            seen = truth[truth["repo"] == repo].set_index("sha256")
            shows = any(target in each for each in seen["shows"])
            among = any(target in each for each in seen["among"])
            pair = {"repo": repo, "target": target, "sells": None if among > shows else shows}
            together, alone = (
                decided.get((has_texts, repo, target)) for has_texts in (True, False)
            )
            if isinstance(together, SiteRelevance) and isinstance(alone, SiteRelevance):
                pairs.append(pair | evidence_of(together, alone))
                images.append(listed_images(together, seen).assign(repo=repo, target=target))
            else:
                pairs.append(pair | no_evidence())
    return pd.DataFrame(pairs), pd.concat(images, ignore_index=True)


def evidence_of(together: SiteRelevance, alone: SiteRelevance) -> dict[str, object]:
    """Return what the decisions with and without texts say, and what the texts add."""
    settings, scored = together.settings, alone.images["status"] == "scored"
    words = float(expit(logit(settings.prior) + together.word_evidence))
    return {
        "is_missing": False,
        "has_evidence": together.evidence,
        "best": alone.images["score"][scored].max(),
        "images alone decision": alone.decision,
        "images alone probability": alone.offered,
        "words alone decision": decision_of(words, settings.certainty),
        "words alone probability": words,
        "images and words decision": together.decision,
        "images and words probability": together.offered,
    }


def decision_of(probability: float, certainty: float) -> str:
    """Return the decision by a probability alone."""
    if max(probability, 1 - probability) < certainty:
        return "unsure"
    return "relevant" if probability >= 0.5 else "irrelevant"


def no_evidence() -> dict[str, object]:
    """Return what is said of a shop of which nothing was collected."""
    answers = {f"{kind} decision": "unsure" for kind in EVIDENCE}
    probabilities = {f"{kind} probability": DEFAULT_PRIOR for kind in EVIDENCE}
    return {"is_missing": True, "has_evidence": False, "best": -np.inf} | answers | probabilities


def listed_images(result: SiteRelevance, seen: pd.DataFrame) -> pd.DataFrame:
    """Return the scored images that a person saw, and whether they show the target."""
    scored = result.images[result.images["status"] == "scored"]
    digests = pd.Series([file_digest(path) for path in scored["path"]], index=scored.index)
    listed = scored[digests.isin(seen.index)]
    rows = seen.loc[digests[listed.index]]
    kinds = listed["word_kind"].tolist()
    words, prior = word_ratios(kinds), logit(result.settings.prior_share)
    images = logit(listed["probability"].to_numpy(float)) - prior
    table = pd.DataFrame(
        {
            "shows": [result.target in each for each in rows["shows"]],
            "among": [result.target in each for each in rows["among"]],
        }
    )
    matches = {
        "images alone": (images, listed["is_match"]),
        "words alone": (words, np.array(kinds) == "target"),
        "images and words": (images + words, listed["is_match_with_words"]),
    }
    for kind, (ratio, is_match) in matches.items():
        table[f"{kind} score"] = ratio
        table[f"{kind} probability"] = expit(prior + ratio)
        table[f"{kind} is_match"] = np.asarray(is_match, bool)
    return table


def pair_figures(pairs: pd.DataFrame, kind: str) -> dict[str, object]:
    """Return ranking, decisions and calibration by one kind of evidence, all pairs pooled."""
    clear = pairs[pairs["sells"].notna()].reset_index(drop=True)
    sells, probability = clear["sells"].to_numpy(bool), clear[f"{kind} probability"].to_numpy(float)
    value = np.where(clear["has_evidence"], probability, -np.inf)
    found, possible = sellers_first(clear, value)
    decision = clear[f"{kind} decision"].to_numpy(str)
    return (
        ranking_figures(value, sells, clear["repo"])
        | {"sellers_first": found, "possible": possible}
        | decision_figures(decision, probability, sells, clear["repo"])
        | calibration_figures(probability, sells, clear["repo"])
    )


def sellers_first(pairs: pd.DataFrame, value: np.ndarray) -> tuple[int, int]:
    """Return how many of each target's first five shops sell it, and how many could."""
    found = possible = 0
    for _, group in pairs.assign(value=value).groupby("target"):
        first = group.sort_values("value", ascending=False, kind="stable").head(FIRST)
        found += int(first["sells"].sum())
        possible += min(FIRST, int(group["sells"].sum()))
    return found, possible


def figures_of(pairs: pd.DataFrame, images: pd.DataFrame) -> dict[str, object]:
    """Return all figures of the pairs and images of some targets."""
    clear_pairs = pairs[pairs["sells"].notna()]
    clear_images = images[images["shows"] | ~images["among"]]
    return {
        "pairs": len(clear_pairs),
        "selling": int(clear_pairs["sells"].sum()),
        "without_images": int(clear_pairs["is_missing"].sum()),
        "best image": ranking_figures(
            clear_pairs["best"].to_numpy(float),
            clear_pairs["sells"].to_numpy(bool),
            clear_pairs["repo"],
        ),
        "evidence": {
            kind: {
                "sites": pair_figures(pairs, kind),
                "images": image_figures(
                    by_evidence(clear_images, kind), mean_over="target", resample="repo"
                ),
            }
            for kind in EVIDENCE
        },
    }


def by_evidence(images: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the images with score, probability and is_match by one kind of evidence."""
    columns = {name: images[f"{kind} {name}"] for name in ("score", "probability", "is_match")}
    return images[["repo", "target", "shows"]].assign(**columns)


def collected_figures(
    shops: Path, listed: pd.DataFrame, sites: dict[str, Site | None], truth: pd.DataFrame
) -> dict[str, object]:
    """Return how many of the listed images and of the selling pairs the sites have.

    Images with a side below `FEWEST_PIXELS` are icons. A pair sells if an image shows the target;
    it is found if such an image was collected.
    """
    found = {
        (repo, file_digest(path))
        for repo, site in sites.items()
        if site is not None
        for path in site.paths
    }
    files = {
        (repo, file_digest(shop_folder(shops, repo) / name)): shop_folder(shops, repo) / name
        for repo in listed["repo"]
        for name in files_of(shop_folder(shops, repo))
    }
    images = truth.merge(listed, on="repo")
    keys = list(zip(images["repo"], images["sha256"], strict=True))
    images["is_found"] = [key in found for key in keys]
    images["is_large"] = [key in files and is_large(files[key]) for key in keys]
    pairs = images.explode("targets").dropna(subset="targets")
    is_found = pairs.groupby(["repo", "targets"])["is_found"].any()
    by_kind = images[images["is_large"]].groupby("kind")["is_found"]
    return {
        "images": sum(len(site.paths) for site in sites.values() if site is not None),
        "sites_without_images": sum(site is None for site in sites.values()),
        "listed": len(images),
        "listed_found": int(images["is_found"].sum()),
        "of_100_pixels": by_kind.size().to_dict(),
        "of_100_pixels_found": by_kind.sum().to_dict(),
        "selling_pairs": len(is_found),
        "selling_pairs_found": int(is_found.sum()),
    }


def is_large(path: Path) -> bool:
    """Return whether an image is larger than an icon."""
    try:
        with Image.open(path) as image:
            return min(image.size) >= FEWEST_PIXELS
    except OSError:  # a drawing
        return False


def main() -> None:
    """Decide on all shops and print the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--images", choices=["catalogue", "crawled"], default="catalogue")
    parser.add_argument("--quality", choices=["fast", "standard", "best"], default="standard")
    parser.add_argument("--shops", type=int, help="use the first N shops only; writes nothing")
    options = parser.parse_args()
    shops, lists = shops_folders()
    if options.shops is None:
        require_clean_tree()
    listed = read_shops(lists)[: options.shops]
    photos, truth = read_library(shops, lists), read_truth(lists)
    truth = truth[truth["repo"].isin(listed["repo"])]
    repos = list(listed["repo"])
    libraries = {"without the shop": [[repo] for repo in repos], "without all shops": [repos]}
    rows: dict[str, object] = {"shops": len(repos), "photos": len(photos)}
    sites: dict[str, Site | None]
    with tempfile.TemporaryDirectory() as out:
        if options.images == "catalogue":
            sites = catalogue_sites(shops, repos, truth)
        else:
            sites = crawled_sites(shops, listed, Path(out))
        shown = truth.assign(targets=[[*shows & set(TARGETS)] for shows in truth["shows"]])
        rows["collected"] = collected_figures(shops, listed, sites, shown)
        for name, groups in libraries.items():
            pairs, images = score_pairs(sites, groups, photos, truth, {"quality": options.quality})
            rows[name] = {
                label: figures_of(
                    pairs[pairs["target"].isin(targets)], images[images["target"].isin(targets)]
                )
                for label, targets in TARGET_SETS.items()
            }
    print_figures(rows)
    if options.shops is not None:
        return
    command = f"python -m benchmarks.real_shops --images {options.images}"
    command += "" if options.quality == "standard" else f" --quality {options.quality}"
    configuration = {"seed": SEED, "quality": options.quality, "first": FIRST}
    results = {"origin": origin(command, **configuration), "rows": rows}
    name = f"real_shops_{options.images}" + (
        "" if options.quality == "standard" else f"_{options.quality}"
    )
    print(f"written to {write_results(name, results)}")


if __name__ == "__main__":
    main()
