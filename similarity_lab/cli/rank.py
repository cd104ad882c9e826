"""``similarity-lab rank``: from urls to decisions and a report."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from similarity_lab._version import versions
from similarity_lab.cli import collect
from similarity_lab.cli import options as shared
from similarity_lab.cli.tables import format_sites
from similarity_lab.errors import InputError

if TYPE_CHECKING:
    from similarity_lab.ranking import Ranking


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "rank",
        help="collect websites, decide on each, and write a report",
        description="Collect the images of websites, decide which sites sell a product, and write "
        "a report with the evidence.",
    )
    parser.add_argument(
        "--library",
        metavar="DIR|ZIP",
        help="labelled images, one subfolder per product; --text needs none",
    )
    shared.add_target_option(parser, required=True)
    collect.add_collecting_options(parser)
    shared.add_scoring_options(parser)
    shared.add_output_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from similarity_lab.ranking import rank

    shared.check_outputs(options)
    if not options.library and not options.text:
        raise InputError("pass --library with labelled images, or --text to go by names alone")
    ranking = rank(
        collect.url_source(options),
        options.library,
        options.target,
        options.out,
        collecting=collect.collecting_params(options),
        **shared.scorer_params(options),
    )
    title = f"Who sells {', '.join(dict.fromkeys(options.target))}?"
    shared.write_outputs(options, ranking.sites, ranking.images, ranking.results, title)
    if options.json:
        print(json.dumps({"versions": versions(), "sites": _json_sites(ranking)}, indent=1))
    else:
        print(format_sites(ranking.sites))
    print(f"report: {ranking.page}", file=sys.stderr)
    if ranking.sites["decision"].isna().all():
        raise InputError("no decision on any site; the reasons are in the table")


def _json_sites(ranking: "Ranking") -> list[dict[str, Any]]:
    """Return each decision with what the crawl adds to it."""
    columns = ["rank", "url", "crawl_status", "reason", "n_pages", "n_images", "n_found"]
    table = ranking.sites[columns].astype(object)
    rows: list[dict[Any, Any]] = table.where(table.notna(), None).to_dict("records")
    return [{**result.to_dict(), **row} for result, row in zip(ranking.results, rows, strict=True)]
