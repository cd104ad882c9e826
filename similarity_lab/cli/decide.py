"""``similarity-lab decide``: decide on sites whose images are on this machine."""

import argparse
import json
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from similarity_lab._version import versions
from similarity_lab.cli import options as shared
from similarity_lab.cli.tables import format_sites, print_line
from similarity_lab.errors import InputError, SimilarityLabError

if TYPE_CHECKING:
    import pandas as pd

    from similarity_lab.relevance import RelevanceScorer
    from similarity_lab.sites import Site


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "decide",
        help="decide which sites sell a product, from images on this machine",
        description="Decide which sites sell a product, from images on this machine.",
        epilog="example: similarity-lab decide --library library --target almonds sites/*",
    )
    parser.add_argument(
        "sites", nargs="+", metavar="SITE", help="folder or .zip with the images of a site"
    )
    parser.add_argument(
        "--library",
        metavar="DIR|ZIP",
        help="labelled images, one subfolder per product; with --scorer: check that it was fitted "
        "on these",
    )
    shared.add_target_option(parser, required=False)
    parser.add_argument(
        "--scorer",
        metavar="DIR",
        help="use a saved scorer instead of fitting one on --library for --target",
    )
    parser.add_argument(
        "--save-scorer", metavar="DIR", help="save the fitted scorer to this folder"
    )
    shared.add_scoring_options(parser)
    shared.add_output_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    import pandas as pd

    from similarity_lab.relevance import SiteRelevance, decisions_table, rank_results

    shared.check_outputs(options)
    shared.check_sites(options)
    _mention_folders(options.sites)
    scorer = _load_scorer(options) if options.scorer else _fit_scorer(options)
    targets = options.target or [scorer.target]
    more_targets = targets if len(targets) > 1 else None
    sites = _named_sites(options.sites)
    results = list(scorer.decide_each(sites, more_targets, thumbnails=options.report is not None))
    decisions = [result for result in results if isinstance(result, SiteRelevance)]
    table = decisions_table(results)
    images = [result.images.assign(site=result.site, target=result.target) for result in decisions]
    shared.write_outputs(
        options,
        table,
        pd.concat(images or [pd.DataFrame()]),
        rank_results(results),
        targets,
        crawl=_crawl(sites, options.sites) if options.report else None,
    )
    shared.print_skipped(scorer.skipped_, "the library")
    if options.json:
        decided = [result.to_dict() for result in results]
        print(json.dumps({"versions": versions(), "sites": decided}, indent=1))
    elif not decisions and len(results) == 1:  # the row would say the same as the error
        raise InputError(results[0].reason)
    else:
        if len(options.sites) == 1:
            for result in results:
                print_line(result.summary())
            print()
        print(format_sites(table))
    if not decisions:
        raise InputError("no decision on any site; the reasons are in the table")


def _mention_folders(paths: list[str]) -> None:
    """Say of a single folder if it may be one of several sites."""
    from similarity_lab.sites import ORIGINS, collected_sites

    folder = Path(paths[0])
    if len(paths) > 1 or not folder.is_dir() or (folder / ORIGINS).exists():
        return
    if collected_sites(folder):  # refused, with advice
        return
    children = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(children) > 1 and all(path.is_dir() for path in children):
        print_line(
            f"{folder} holds {len(children)} folders and nothing else: taken as one site. If each "
            f"is a site of its own, pass {folder / '*'}",
            sys.stderr,
        )


def _named_sites(paths: list[str]) -> "list[str | Site]":
    """Return the sites; those of folders with the same name get their path as their name."""
    occurrences = Counter(Path(path).name for path in set(paths))
    return [_named_by_path(path) if occurrences[Path(path).name] > 1 else path for path in paths]


def _crawl(sites: "list[str | Site]", paths: list[str]) -> "pd.DataFrame | None":
    """Return what is known of the crawl of sites that were collected; None without the extra."""
    from similarity_lab.sites import Site

    if find_spec("scrapy") is None:
        return None
    from similarity_lab.web import Collection  # deferred: slow import

    named = zip(sites, map(Path, paths), strict=True)
    folders = {
        site.name if isinstance(site, Site) else path.resolve().name: path for site, path in named
    }
    return Collection.from_folders(folders).table


def _named_by_path(path: str) -> "str | Site":
    from similarity_lab.sites import Site

    try:
        return Site.from_folder(path, name=path)
    except SimilarityLabError:
        return path  # gets a row with the reason


def _load_scorer(options: argparse.Namespace) -> "RelevanceScorer":
    from similarity_lab.relevance import RelevanceScorer

    flags = [flag for flag in shared.fitting_flags(options) if flag != "--library"]
    if options.save_scorer:
        flags.append("--save-scorer")
    if flags:
        raise InputError(f"{flags[0]} does not apply to a saved scorer; leave it or --scorer out")
    store = None if options.no_store else shared.make_store(options)
    scorer = RelevanceScorer.load(
        options.scorer,
        embedder=shared.embedder_source(options),
        library=options.library,
        store=store,
    )
    rule = scorer.rule_
    if not rule.gives_probability and (flags := shared.learned_flags(options)):
        raise InputError(f"{flags[0]} does not apply to a scorer of the {rule.name} rule")
    params = shared.deciding_params(options, scorer.criterion or rule.criteria[0])
    return scorer.set_params(progress=not options.quiet, **params)


def _fit_scorer(options: argparse.Namespace) -> "RelevanceScorer":
    from similarity_lab.datasets import load_dataset
    from similarity_lab.relevance import RelevanceScorer

    if not (options.library or options.text):
        raise InputError(
            "pass --library and --target, or --scorer with a saved scorer; --text needs no library"
        )
    if not options.target:
        raise InputError("pass --target with the name of the product, a folder of the library")
    options.target = list(dict.fromkeys(options.target))
    if options.save_scorer and len(options.target) > 1:
        raise InputError("--save-scorer saves the scorer of one target; pass one --target")
    params = shared.scorer_params(options)
    library = None
    if options.library:
        library = load_dataset(options.library, progress=not options.quiet)
    scorer = RelevanceScorer(options.target[0], **params).fit(library)
    for name in options.target[1:]:
        scorer.check_target(name)
    if options.save_scorer:
        scorer.save(options.save_scorer)
    return scorer
