"""The command line: ``similarity-lab demo | rank | score | collect | embed | search | fetch``.

Exit codes: 0 done, 2 bad usage or input (one line on stderr says what), 130 interrupted.
"""

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from similarity_lab._version import __version__, versions
from similarity_lab.cli.demo import add_demo
from similarity_lab.cli.rank import add_collect, add_rank
from similarity_lab.cli.search import add_search, add_store_options, chosen_store
from similarity_lab.errors import InputError
from similarity_lab.relevance.tables import DECISION_COLUMNS

if TYPE_CHECKING:
    from similarity_lab.images.sources import Source
    from similarity_lab.relevance import (
        LearnedRule,
        MeanDistanceRule,
        RelevanceScorer,
        SiteFailure,
        SiteRelevance,
    )

    Result = SiteRelevance | SiteFailure

DONE, BAD_INPUT, INTERRUPTED = 0, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may hold bytes that are no text
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except KeyboardInterrupt:
        print("similarity-lab: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, OSError, ImportError) as error:  # bad input, a missing extra
        print(f"similarity-lab: error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="similarity-lab", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"similarity_lab {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_demo(commands)
    _add_score(commands)
    _add_embed(commands)
    add_rank(commands)
    add_collect(commands)
    add_search(commands)
    _add_fetch(commands)
    return parser


def _add_score(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    score = commands.add_parser("score", help="decide which sites sell the target")
    score.add_argument("sites", nargs="+", metavar="SITE", help="folder or .zip of a site's images")
    score.add_argument("--library", metavar="DIR|ZIP", help="photos, a folder per product")
    score.add_argument("--target", metavar="NAME", help="a class of the library")
    score.add_argument("--scorer", metavar="DIR", help="a saved scorer, instead of --library")
    score.add_argument("--save-scorer", metavar="DIR", help="keep the fitted scorer")
    score.add_argument("--rule", default="learned", choices=["learned", "mean-distance"])
    score.add_argument("--quality", help="standard (default) or best, slower")
    score.add_argument("--embedder", help="default: the method's own")
    score.add_argument("--color", choices=["rgb", "gray"], default="rgb", help="with --embedder")
    score.add_argument(
        "--similarity-threshold",
        type=float,
        metavar="X",
        help="probability (learned) or distance that makes a match",
    )
    score.add_argument("--relevance-threshold", type=float, default=0.25, metavar="SHARE")
    score.add_argument("--certainty", type=float, default=0.9, metavar="P", help="else unsure")
    score.add_argument(
        "--leave-out",
        nargs="+",
        default=(),
        metavar="KIND",
        help="icons, banners, graphics: pictures that do not count",
    )
    score.add_argument(
        "--references", type=int, default=15, metavar="N", help="drawn per image (mean-distance)"
    )
    score.add_argument("--seed", type=int, default=0)
    score.add_argument("--csv", type=Path, metavar="FILE", help="write the table of sites")
    score.add_argument("--images-csv", type=Path, metavar="FILE", help="write a row per image")
    score.add_argument("--report", type=Path, metavar="DIR", help="write a page with the evidence")
    score.add_argument("--json", action="store_true", help="print JSON instead of a table")
    score.add_argument("--quiet", action="store_true", help="no progress")
    add_store_options(score)
    score.set_defaults(run=_score)


def _add_embed(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    embed = commands.add_parser("embed", help="write the vectors of images")
    embed.add_argument("images", nargs="+", metavar="IMAGE|DIR|ZIP")
    embed.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    embed.add_argument("--embedder", default="efficientnet-lite0")
    embed.add_argument("--color", choices=["rgb", "gray"], default="rgb")
    embed.add_argument("--batch-size", type=int, metavar="N", help="default: the fastest")
    embed.add_argument("--quiet", action="store_true", help="no progress")
    embed.set_defaults(run=_embed)


def _add_fetch(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fetch = commands.add_parser("fetch", help="download photos to measure on")
    fetch.add_argument("dataset", choices=["grocery-store"])
    fetch.add_argument("--folder", type=Path, default=Path("data"))
    fetch.set_defaults(run=_fetch)


def _scorer(options: argparse.Namespace) -> "RelevanceScorer":
    from similarity_lab.embedders import load_embedder
    from similarity_lab.relevance import RelevanceScorer

    if options.scorer:
        if options.target or options.save_scorer:
            raise InputError("--scorer brings its own target and is saved already; leave them out")
        return RelevanceScorer.load(
            options.scorer, library=options.library, store=chosen_store(options)
        ).set_params(progress=not options.quiet)
    if not options.library or not options.target:
        raise InputError("pass --library and --target, or --scorer with a saved scorer")
    embedder = options.embedder and load_embedder(options.embedder, color=options.color)
    scorer = RelevanceScorer(
        options.target,
        rule=_rule(options),
        embedder=embedder,
        quality=options.quality,
        relevance_threshold=options.relevance_threshold,
        certainty=options.certainty,
        leave_out=options.leave_out,
        store=chosen_store(options),
        seed=options.seed,
        progress=not options.quiet,
    ).fit(options.library)
    if options.save_scorer:
        scorer.save(options.save_scorer)
    return scorer


def _rule(options: argparse.Namespace) -> "LearnedRule | MeanDistanceRule":
    from similarity_lab.relevance import LearnedRule, MeanDistanceRule

    threshold = options.similarity_threshold
    if options.rule == "learned":
        return LearnedRule() if threshold is None else LearnedRule(threshold)
    return MeanDistanceRule(threshold, n_references=options.references)


def _score(options: argparse.Namespace) -> None:
    from similarity_lab.relevance import SiteRelevance, decisions_table, rank_results

    scorer = _scorer(options)
    results = list(scorer.decide_each(options.sites))
    decided = [result for result in results if isinstance(result, SiteRelevance)]
    if options.csv or options.images_csv:
        from similarity_lab.report.text import write_csv
    if options.csv:
        write_csv(decisions_table(results), options.csv)
    if options.images_csv:
        tables = [result.images.assign(site=result.site) for result in decided]
        images = pd.concat(tables or [pd.DataFrame()])
        write_csv(images, options.images_csv)
    if options.report:
        from similarity_lab.report import write_report

        title = f"Who sells {scorer.target}?"
        page = write_report(rank_results(results), options.report, title=title)
        print(f"page: {page}", file=sys.stderr)
    for row in scorer.skipped_.itertuples():
        print(f"left out of the library: {row.path}: {row.reason}", file=sys.stderr)
    if options.json:
        print(json.dumps(_json(results), indent=1))
    else:
        _print_table(results)
    if not decided:
        raise InputError("no site could be decided on")


def _embed(options: argparse.Namespace) -> None:
    from similarity_lab.embedders import load_embedder
    from similarity_lab.sites import Site

    paths: list[Source] = []
    for source in map(Path, options.images):
        is_collection = source.is_dir() or source.suffix.lower() == ".zip"
        paths.extend(Site.of(source).paths if is_collection else [source])
    embedder = load_embedder(options.embedder, color=options.color)
    result = embedder.embed(paths, batch_size=options.batch_size, progress=not options.quiet)
    for row in result.skipped.itertuples():
        print(f"left out: {row.path}: {row.reason}", file=sys.stderr)
    if not result.kept:
        raise InputError(f"none of {len(paths)} files is a readable image")
    kept = np.array([str(paths[index]) for index in result.kept])
    with options.out.open("wb") as file:  # NumPy would add .npz to another name
        np.savez_compressed(file, vectors=result.vectors, paths=kept, embedder=embedder.name)
    print(f"{len(kept)} vectors of {embedder.dimension} numbers in {options.out}")


def _fetch(options: argparse.Namespace) -> None:
    from similarity_lab.datasets.fetching import fetch_grocery_store

    print(f"complete and verified: {fetch_grocery_store(options.folder)}")


def _print_table(results: "Sequence[Result]") -> None:
    rows = [{"decision": "none", **result.to_row()} for result in results]
    table = pd.DataFrame(rows, columns=DECISION_COLUMNS)
    decided = table["share"].notna()
    shown = table[["site", "decision"]].copy()
    if decided.any() and table["probability"].notna().any():
        chance = table["probability"].astype(float)
        shown["probability"] = chance.map("{:.1%}".format).where(decided, "")
    for name, column in (("share", "share"), ("from", "share_low"), ("to", "share_high")):
        shown[name] = table[column].map("{:.0%}".format).where(decided, "")
    for name, column in (
        ("matches", "n_matches"),
        ("images", "n_scored"),
        ("repeated", "n_repeated"),
        ("left out", "n_left_out"),
        ("unreadable", "n_skipped"),
    ):
        shown[name] = table[column].astype("Int64").astype(str).where(decided, "")
    if not decided.all():
        shown["reason"] = table["reason"]
    print(shown.to_string(index=False))


def _json(results: "Sequence[Result]") -> dict[str, object]:
    """Return what is printed by ``--json``; NaN, which JSON lacks, becomes null."""
    return {"versions": versions(), "sites": [result.to_dict() for result in results]}


if __name__ == "__main__":
    sys.exit(main())
