"""``similarity-lab search``: find the cached images most similar to query images."""

import argparse
import sys
from pathlib import Path

from similarity_lab.cli import options as shared
from similarity_lab.errors import InputError


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "search",
        help="find the cached images most similar to query images",
        description="Find the cached images most similar to query images.",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="query image")
    parser.add_argument(
        "-k", type=int, default=5, metavar="N", help="results per image (default %(default)s)"
    )
    shared.add_embedder_options(parser)
    shared.add_store_option(parser)
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table")
    shared.add_quiet_option(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from similarity_lab.relevance.rules.learned import quality_embedder
    from similarity_lab.store import nearest

    embedder = shared.make_embedder(options) or quality_embedder(options.quality)
    embedded = embedder.embed(options.images, progress=not options.quiet)
    for row in embedded.skipped.itertuples():
        print(f"skipped: {row.path}: {row.reason}", file=sys.stderr)
    if not embedded.kept:
        raise InputError(f"none of {len(options.images)} files is a readable image")
    table = nearest(
        shared.make_store(options),
        embedder.name,
        embedded.vectors,
        k=options.k,
        progress=not options.quiet,
    )
    paths = [options.images[index] for index in embedded.kept]
    table["query"] = [paths[query] for query in table["query"]]
    if options.csv:
        from similarity_lab.report import write_csv

        write_csv(table, options.csv)
    print(table.to_string(index=False, float_format="{:.3f}".format))
