"""Decisions on 25 real small shops: who sells the target at all, judged by what a person saw.

    python -m benchmarks.real_shops [--images catalogue|crawled] [--quality standard|best]

Needs the shops' websites and product photos, rebuilt from public repositories into the folder that
SIMILARITY_LAB_SHOPS names (``sites/`` and ``photos/``), and the lists beside the rebuilding script
(SIMILARITY_LAB_SHOPS_LISTS, default ../shared/real-shops). Exits with a reason where they are
absent. Two settings: *catalogue*, every image in the list of a shop, which is what an ideal crawl
would bring; and *crawled*, what `collect` brings from the website served on this machine.

The library of a shop holds the photos of all other repositories, classes with three or more. A pair
of shop and target counts as selling if a person saw the target as the main subject of an image;
pairs where it is only seen among other products count neither way. Nothing is chosen here.
Writes benchmarks/results/real_shops_IMAGES.json; figures only, no images.
"""

import functools
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from benchmarks.common import CACHE, HERE, make_parser, origin, require_clean_tree, write_results
from similarity_lab import ImageDataset, RelevanceScorer, Site, load_dataset
from similarity_lab.evaluation.intervals import bootstrap_interval, wilson_interval
from similarity_lab.relevance import SiteRelevance
from similarity_lab.web import collect

CORE_TARGETS = ("almonds", "cashews", "walnuts", "pistachios", "raisins", "dates", "rice")
FURTHER_TARGETS = ("peanuts", "oats", "coconut", "spices")
# classes of photos that show the targets in another form, or several of them
LEFT_OUT = (
    "target_plants", "almond_oil", "coconut_oil", "peanut_oil", "cocoa_butter",
    "coconut_byproducts", "oat_dishes", "mixed_nuts", "chocolate",
)  # fmt: skip
FEWEST_PHOTOS = 3
FIRST = 5  # places of a ranking that a buyer looks at
SEED = 0


def shops_folders() -> tuple[Path, Path]:
    """Return the folder of the rebuilt shops and the folder of their lists."""
    lists = HERE.parent.parent / "shared" / "real-shops"
    shops = Path(os.environ.get("SIMILARITY_LAB_SHOPS", ""))
    lists = Path(os.environ.get("SIMILARITY_LAB_SHOPS_LISTS", lists))
    if "SIMILARITY_LAB_SHOPS" not in os.environ or not (shops / "sites").is_dir():
        raise SystemExit("set SIMILARITY_LAB_SHOPS to the folder of the rebuilt shops")
    if not (lists / "images.csv").is_file():
        raise SystemExit(f"No images.csv in {lists}; set SIMILARITY_LAB_SHOPS_LISTS")
    return shops, lists


def read_truth(lists: Path) -> pd.DataFrame:
    """Return a row per listed image: repo, sha256, file, shows, among (both sets of targets)."""
    table = pd.read_csv(lists / "images.csv", dtype=str, keep_default_na=False)
    for column in ("shows", "shows_among_others"):
        table[column] = [frozenset(filter(None, text.split(";"))) for text in table[column]]
    return table.rename(columns={"shows_among_others": "among"}).drop_duplicates(["repo", "sha256"])


def read_library(shops: Path, lists: Path) -> pd.DataFrame:
    """Return a row per photo that could be rebuilt: path, label, repo."""
    table = pd.read_csv(lists / "photos.csv", dtype=str)
    paths = [shops / "photos" / file for file in table["file"]]
    photos = pd.DataFrame(
        {"path": paths, "label": [path.parent.name for path in paths], "repo": table["source_repo"]}
    )
    is_usable = np.array([path.is_file() for path in paths])
    return photos[is_usable & ~photos["label"].isin(LEFT_OUT)]


def library_without(photos: pd.DataFrame, repo: str) -> ImageDataset:
    """Return the photos of other repositories, without classes that are too small then."""
    others = photos[photos["repo"] != repo]
    counts = others["label"].value_counts()
    classes = sorted(counts.index[counts >= FEWEST_PHOTOS])
    return load_dataset(
        {name: list(others["path"][others["label"] == name]) for name in classes}, progress=False
    )


def catalogue_site(shops: Path, repo: str, truth: pd.DataFrame) -> Site:
    """Return the listed images of a shop, found by content."""
    folder = shops / "sites" / repo.replace("/", "__")
    by_digest = {file_digest(path): path for path in sorted(folder.rglob("*")) if path.is_file()}
    paths = [by_digest[digest] for digest in truth["sha256"] if digest in by_digest]
    return Site.from_paths(paths, name=repo)


@functools.cache  # every target asks for the images of a shop again
def file_digest(path: object) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(Path(str(path)).read_bytes()).hexdigest()


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


def crawled_site(shops: Path, repo: str, start: str, out: Path) -> Site | None:
    """Return what `collect` brings from a shop; None if it brings nothing."""
    with served(shops / "sites" / repo.replace("/", "__")) as endpoint:
        collection = collect(
            {repo: f"http://{endpoint}/{quote(start)}"},
            out,
            allow=[endpoint],
            throttle=False,
            render="auto",
            progress=False,
        )
    return next(iter(collection.sites), None)


def score_pairs(
    sites: dict[str, Site | None], photos: pd.DataFrame, truth: pd.DataFrame, quality: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decide on every shop for every target.

    Returns
    -------
    pairs : DataFrame
        repo, target, sells (None: only seen among others), decision, probability, share, best
        (highest image score), missing (nothing was collected).
    images : DataFrame
        target, shows, score, is_match of every scored image with an unambiguous answer.
    """
    pairs, images = [], []
    for repo, site in tqdm(sites.items(), desc="shops", unit="shop"):
        seen = truth[truth["repo"] == repo].set_index("sha256")
        library = library_without(photos, repo)
        targets = [name for name in CORE_TARGETS + FURTHER_TARGETS if name in library.classes]
        scorer = RelevanceScorer(targets[0], quality=quality, store=CACHE, progress=False)
        results = [] if site is None else scorer.fit(library).decide_each([site], targets=targets)
        decided = {result.target: result for result in results}
        for target in targets:
            shows = any(target in each for each in seen["shows"])
            among = any(target in each for each in seen["among"])
            pair = {"repo": repo, "target": target, "sells": None if among > shows else shows}
            result = decided.get(target)
            if not isinstance(result, SiteRelevance):
                pairs.append(pair | {"missing": True})
                continue
            scored = result.images[result.images["status"] == "scored"]
            pairs.append(
                pair
                | {
                    "missing": False,
                    "decision": result.decision,
                    "probability": result.probability,
                    "share": result.share,
                    "best": scored["score"].max(),
                }
            )
            digests = [file_digest(path) for path in scored["path"]]
            known = [digest in seen.index for digest in digests]
            rows = seen.loc[[digest for digest in digests if digest in seen.index]]
            images.append(
                pd.DataFrame(
                    {
                        "target": target,
                        "shows": [target in each for each in rows["shows"]],
                        "among": [target in each for each in rows["among"]],
                        "score": scored["score"].to_numpy(float)[known],
                        "is_match": scored["is_match"].to_numpy(bool)[known],
                    }
                )
            )
    return pd.DataFrame(pairs), pd.concat(images, ignore_index=True)


def ranking_figures(pairs: pd.DataFrame, column: str) -> dict[str, object]:
    """Return how well a column ranks sellers, all pairs pooled; missing shops rank last."""
    clear = pairs[pairs["sells"].notna()]
    sells, value = clear["sells"].to_numpy(bool), clear[column].astype(float).to_numpy()
    value = np.where(np.isnan(value), -np.inf, value)
    ranks = pd.Series(value).rank(method="average").to_numpy()

    def auc(rows: np.ndarray) -> float:
        is_mixed = 0 < sells[rows].sum() < len(rows)
        return roc_auc_score(sells[rows], ranks[rows]) if is_mixed else np.nan

    found = possible = 0
    for _, group in clear.assign(rank=ranks).groupby("target"):
        first = group.sort_values("rank", ascending=False, kind="stable").head(FIRST)
        found += int(first["sells"].sum())
        possible += min(FIRST, int(group["sells"].sum()))
    return {
        "auc": auc(np.arange(len(sells))),
        "auc_interval": bootstrap_interval(auc, len(sells), seed=SEED),
        "sellers_in_first_five": found,
        "possible": possible,
    }


def decision_figures(pairs: pd.DataFrame) -> dict[str, object]:
    """Return of each decision how many pairs it has and which part of them sells."""
    clear = pairs[pairs["sells"].notna()]
    figures: dict[str, object] = {}
    for decision in ("relevant", "irrelevant", "unsure"):
        sells = clear["sells"][clear["decision"] == decision].to_numpy(bool)
        figures[decision] = {
            "pairs": len(sells),
            "sell": int(sells.sum()),
            "interval": wilson_interval(int(sells.sum()), len(sells)) if len(sells) else None,
        }
    figures["without_images"] = int(clear["missing"].sum())
    return figures


def image_figures(images: pd.DataFrame) -> dict[str, float]:
    """Return AUC, precision and recall of matches, all targets pooled."""
    clear = images[images["shows"] | ~images["among"]]
    shows, is_match = clear["shows"], clear["is_match"]
    hits = int((shows & is_match).sum())
    by_target = [
        roc_auc_score(group["shows"], group["score"])
        for _, group in clear.groupby("target")
        if group["shows"].nunique() == 2
    ]
    return {
        "auc": float(np.mean(by_target)),
        "precision": hits / max(1, int(is_match.sum())),
        "recall": hits / max(1, int(shows.sum())),
        "images": len(clear),
        "showing": int(shows.sum()),
    }


def main() -> None:
    """Decide on all shops and print the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--images", choices=["catalogue", "crawled"], default="catalogue")
    parser.add_argument("--quality", choices=["standard", "best"], default="standard")
    options = parser.parse_args()
    shops, lists = shops_folders()
    require_clean_tree()
    truth, photos = read_truth(lists), read_library(shops, lists)
    listed = pd.read_csv(lists / "sites.csv", dtype=str, keep_default_na=False)
    sites: dict[str, Site | None] = {}
    with tempfile.TemporaryDirectory() as out:
        for number, shop in enumerate(tqdm(listed.itertuples(), total=len(listed), desc="images")):
            if options.images == "catalogue":
                sites[shop.repo] = catalogue_site(shops, shop.repo, truth[truth.repo == shop.repo])
            else:
                folder = Path(out) / str(number)
                sites[shop.repo] = crawled_site(shops, shop.repo, shop.start, folder)
        pairs, images = score_pairs(sites, photos, truth, options.quality)
    rows: dict[str, object] = {"shops": len(sites), "photos": len(photos)}
    for name, targets in (
        ("7 targets", CORE_TARGETS),
        ("11 targets", CORE_TARGETS + FURTHER_TARGETS),
    ):
        of_targets = pairs[pairs["target"].isin(targets)]
        rows[name] = {
            "pairs": int(of_targets["sells"].notna().sum()),
            "selling": int(of_targets["sells"].fillna(False).astype(bool).sum()),
            "by probability": ranking_figures(of_targets, "probability"),
            "by best image": ranking_figures(of_targets, "best"),
            "decisions": decision_figures(of_targets),
            "images": image_figures(images[images["target"].isin(targets)]),
        }
    command = f"python -m benchmarks.real_shops --images {options.images}"
    command += "" if options.quality == "standard" else f" --quality {options.quality}"
    configuration = {"seed": SEED, "quality": options.quality, "first": FIRST}
    results = {"origin": origin(command, **configuration), "rows": rows}
    print(pd.json_normalize(rows).T.to_string(header=False))
    name = f"real_shops_{options.images}" + ("_best" if options.quality == "best" else "")
    print(f"written to {write_results(name, results)}")


if __name__ == "__main__":
    main()
