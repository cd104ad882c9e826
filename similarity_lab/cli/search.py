"""``similarity-lab search``, and the options of other commands that say where vectors are kept."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from similarity_lab.errors import InputError

if TYPE_CHECKING:
    from similarity_lab.store import VectorStore


def add_search(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    search = commands.add_parser("search", help="show the kept photos that are nearest to images")
    search.add_argument("images", nargs="+", metavar="IMAGE")
    add_store_options(search)
    search.add_argument("-k", type=int, default=5, metavar="N", help="photos per image, default 5")
    search.add_argument("--embedder", default="efficientnet-lite0")
    search.add_argument("--color", choices=["rgb", "gray"], default="rgb")
    search.add_argument("--csv", type=Path, metavar="FILE", help="write the table")
    search.set_defaults(run=_search)


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--store`` and ``--no-store``."""
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument(
        "--store",
        metavar="DIR",
        help="where vectors are kept; default: SIMILARITY_LAB_CACHE or the user's cache folder",
    )
    kept.add_argument("--no-store", action="store_true", help="keep no vectors on disk")


def chosen_store(options: argparse.Namespace) -> "VectorStore | None":
    """Return the store that the options ask for."""
    from similarity_lab.store import VectorStore, cache_folder

    return None if options.no_store else VectorStore(options.store or cache_folder())


def _search(options: argparse.Namespace) -> None:
    from similarity_lab.embedders import load_embedder
    from similarity_lab.store import nearest

    store = chosen_store(options)
    if store is None:
        raise InputError("search looks in a store; leave --no-store out")
    embedder = load_embedder(options.embedder, color=options.color)
    embedded = embedder.embed(options.images, progress=False)
    table = nearest(store, embedder.name, embedded.vectors, k=options.k)
    paths = [options.images[index] for index in embedded.kept]
    table["query"] = [paths[query] for query in table["query"]]
    if options.csv:
        from similarity_lab.report.text import write_csv

        write_csv(table, options.csv)
    for row in embedded.skipped.itertuples():
        print(f"left out: {row.path}: {row.reason}", file=sys.stderr)
    print(table.to_string(index=False, float_format="{:.3f}".format))
