"""``similarity-lab collect``: only collect the images of websites."""

import argparse
from typing import TYPE_CHECKING, Any

from similarity_lab.cli import options as shared
from similarity_lab.cli.tables import format_table
from similarity_lab.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from similarity_lab.web.collection import UrlSource


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "collect",
        help="collect the images of websites",
        description="Collect the images of websites, with the origin of each.",
        epilog="example: similarity-lab collect --out collected suppliers.csv",
    )
    add_collecting_options(parser)
    shared.add_quiet_option(parser)
    parser.set_defaults(run=_run)


def add_collecting_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `similarity_lab.web.collect`."""
    parser.add_argument(
        "sites",
        nargs="+",
        metavar="FILE|URL",
        help="URLs of websites, or files of them: CSV, TSV or .xlsx with a column url and "
        "optionally a column name, or one URL per line; - for the standard input",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    group = parser.add_argument_group("collecting")
    group.add_argument(
        "--pages",
        type=int,
        default=100,
        metavar="N",
        help="maximum pages per site (default %(default)s)",
    )
    group.add_argument(
        "--images",
        type=int,
        default=200,
        metavar="N",
        help="maximum images per site (default %(default)s)",
    )
    group.add_argument(
        "--seconds",
        type=float,
        default=900,
        metavar="S",
        help="maximum time per site in seconds (default %(default)s)",
    )
    group.add_argument(
        "--parallel",
        type=int,
        default=32,
        metavar="N",
        help="sites crawled at the same time (default %(default)s)",
    )
    group.add_argument(
        "--render",
        choices=["never", "auto", "always"],
        default="auto",
        help="render pages in a browser (extra browser, and Chromium): never, always, or if their "
        "content comes from scripts (auto) (default %(default)s)",
    )
    group.add_argument(
        "--user-agent", metavar="TEXT", help="user agent sent to servers; say who you are"
    )
    group.add_argument(
        "--refresh",
        action="store_true",
        help="crawl sites again that are already collected (default: skip them)",
    )
    group.add_argument(
        "--any-certificate",
        action="store_true",
        help="accept untrusted certificates (default: refuse them)",
    )
    group.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="allow requests to this private address, for tests; repeatable",
    )
    group.add_argument(
        "--no-throttle",
        action="store_true",
        help="do not rate-limit; only for servers you control",
    )


def url_source(options: argparse.Namespace) -> "UrlSource":
    """Return the urls and tables of urls that the options name."""
    sites: list[str] = ["/dev/stdin" if site == "-" else site for site in options.sites]
    return sites[0] if len(sites) == 1 else sites


def collecting_params(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of `similarity_lab.web.collect`."""
    from similarity_lab.web import Limits

    params = {
        "limits": Limits(pages=options.pages, images=options.images, seconds=options.seconds),
        "parallel": options.parallel,
        "render": options.render,
        "refresh": options.refresh,
        "verify": not options.any_certificate,
        "allow": options.allow,
        "throttle": not options.no_throttle,
    }
    return params | ({"user_agent": options.user_agent} if options.user_agent else {})


def no_site_error(outcome: str, codes: "pd.Series") -> InputError:
    """Return the error that ends a command without any result.

    Parameters
    ----------
    outcome : str
    codes : Series
        ``reason_code`` of each site.
    """
    if (codes == "host_not_found").all():
        return InputError(f"{outcome}: no host was found; is this machine online?")
    return InputError(f"{outcome}; the reasons are in the table")


def _run(options: argparse.Namespace) -> None:
    from similarity_lab.web import collect

    collection = collect(
        url_source(options),
        options.out,
        progress=not options.quiet,
        **collecting_params(options),
    )
    columns = ["name", "crawl_status", "n_pages", "n_images", "n_left_out", "n_failed", "reason"]
    print(format_table(collection.table[columns]))
    if not collection.sites:
        raise no_site_error("no site could be collected", collection.table["reason_code"])
