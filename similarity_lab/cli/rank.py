"""``similarity-lab rank`` and ``similarity-lab collect``: from addresses to images and a page."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similarity_lab.cli.search import add_store_options, chosen_store
from similarity_lab.errors import InputError

if TYPE_CHECKING:
    from similarity_lab.ranking import Ranking
    from similarity_lab.web.collection import UrlSource


def add_rank(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``rank``."""
    rank = commands.add_parser("rank", help="collect websites, decide, write a page")
    rank.add_argument("--library", required=True, metavar="DIR|ZIP", help="a folder per product")
    rank.add_argument("--targets", required=True, metavar="A,B", help="classes of the library")
    rank.add_argument("--quality", help="standard (default) or best, slower")
    rank.add_argument("--relevance-threshold", type=float, default=0.25, metavar="SHARE")
    rank.add_argument("--certainty", type=float, default=0.9, metavar="P", help="else unsure")
    add_store_options(rank)
    _add_collecting(rank)
    rank.set_defaults(run=_rank)


def add_collect(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``collect``."""
    collect = commands.add_parser("collect", help="only collect the images of websites")
    _add_collecting(collect)
    collect.set_defaults(run=_collect)


def _add_collecting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sites", nargs="+", metavar="SITES.csv|URL", help="addresses, or a table of url[, name]"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--pages", type=int, default=100, metavar="N", help="most of a site")
    parser.add_argument("--images", type=int, default=200, metavar="N", help="most of a site")
    parser.add_argument("--seconds", type=float, default=900, metavar="S", help="most for a site")
    parser.add_argument("--parallel", type=int, default=4, metavar="N", help="sites at a time")
    parser.add_argument(
        "--render",
        choices=["never", "auto", "always"],
        default="never",
        help="draw pages in a browser: never, if they look empty, always",
    )
    parser.add_argument("--user-agent", metavar="TEXT", help="say who you are")
    parser.add_argument("--refresh", action="store_true", help="ask finished sites again")
    parser.add_argument(
        "--any-certificate",
        action="store_true",
        help="also servers whose certificate is not trusted",
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="a private address, for tests",
    )
    parser.add_argument(
        "--no-throttle", action="store_true", help="as fast as it goes, for servers of your own"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def _addresses(options: argparse.Namespace) -> "UrlSource":
    if len(options.sites) == 1:
        return str(options.sites[0])  # may be a table
    if tables := [text for text in options.sites if text.lower().endswith(".csv")]:
        raise InputError(f"pass either one table of addresses or addresses, not both: {tables[0]}")
    return list(options.sites)


def _options(options: argparse.Namespace) -> dict[str, Any]:
    from similarity_lab.web import Limits

    chosen = {
        "limits": Limits(pages=options.pages, images=options.images, seconds=options.seconds),
        "parallel": options.parallel,
        "render": options.render,
        "refresh": options.refresh,
        "verify": not options.any_certificate,
        "allow": options.allow,
        "throttle": not options.no_throttle,
    }
    return chosen | ({"user_agent": options.user_agent} if options.user_agent else {})


def _rank(options: argparse.Namespace) -> None:
    from similarity_lab.ranking import rank

    targets = [name.strip() for name in options.targets.split(",") if name.strip()]
    ranking = rank(
        _addresses(options),
        options.library,
        targets,
        options.out,
        collecting=_options(options),
        progress=not options.quiet,
        quality=options.quality,
        relevance_threshold=options.relevance_threshold,
        certainty=options.certainty,
        store=chosen_store(options),
    )
    show(ranking)
    print(f"page: {ranking.page}", file=sys.stderr)


def show(ranking: "Ranking") -> None:
    """Print the ranked table."""
    columns = ["rank", "site", "target", "decision", "probability", "share", "n_matches"]
    columns += ["n_scored", "reason"]
    texts = ranking.sites[columns].astype(object)
    for name in ("probability", "share"):
        texts[name] = texts[name].map("{:.1%}".format, na_action="ignore")
    if not texts["reason"].any():
        texts = texts.drop(columns="reason")
    shown = texts.where(texts.notna(), "").rename(
        columns={"n_matches": "matches", "n_scored": "images"}
    )
    print(shown.to_string(index=False))


def _collect(options: argparse.Namespace) -> None:
    from similarity_lab.web import collect

    collection = collect(
        _addresses(options), options.out, progress=not options.quiet, **_options(options)
    )
    options.out.mkdir(parents=True, exist_ok=True)
    columns = ["name", "crawl_status", "n_pages", "n_images", "n_left_out", "n_failed", "reason"]
    print(collection.table[columns].to_string(index=False, na_rep=""))
    if not collection.sites:
        raise InputError("no site could be collected; the reasons are in the table")
