"""``similarity-lab search``: find the cached images most similar to images or texts."""

import argparse
import os
from pathlib import Path

from similarity_lab._numbers import format_count
from similarity_lab.cli import options as shared
from similarity_lab.cli.tables import format_table
from similarity_lab.errors import InputError


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "search",
        help="find the cached images most similar to images or to a text",
        description="Find the cached images most similar to images, or to a text if the embedder "
        "has a text tower.",
        epilog="example: similarity-lab search photo.jpg -k 10",
    )
    parser.add_argument(
        "queries",
        nargs="+",
        metavar="IMAGE|TEXT",
        help="query image, or a text that describes what to find; what is neither a file nor looks "
        "like the path of an image is a text",
    )
    parser.add_argument(
        "-k", type=int, default=5, metavar="N", help="results per query (default %(default)s)"
    )
    shared.add_embedder_options(parser)
    shared.add_store_option(parser)
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table")
    shared.add_quiet_option(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    import numpy as np

    from similarity_lab.files.output import output_file
    from similarity_lab.relevance.words.prompts import embed_names, has_text
    from similarity_lab.store import nearest

    if options.csv:
        output_file(options.csv, "x.csv")
    embedder = shared.make_embedder(options)
    texts = [query for query in options.queries if _is_text(query)]
    images = [query for query in options.queries if not _is_text(query)]
    store = shared.make_store(options)
    if texts and not has_text(embedder):
        stored = ", ".join(map(repr, store.embedders())) or "nothing"
        raise InputError(
            f"{texts[0]!r} is not a file, and {embedder.name!r} embeds no texts; pass --embedder "
            "with a model that has a text tower, such as siglip2-base, and a --store with images "
            f"that it embedded (this one holds {stored})"
        )
    embedded = embedder.embed(images, progress=not options.quiet)
    shared.print_skipped(embedded.skipped)
    if not embedded.kept and not texts:
        raise InputError(f"no readable image among {format_count(len(images), 'file')}")
    vectors = [embedded.vectors, *([embed_names(embedder, texts)] if texts else [])]
    table = nearest(
        store, embedder.name, np.concatenate(vectors), k=options.k, progress=not options.quiet
    )
    queries = [*(images[index] for index in embedded.kept), *texts]
    table["query"] = [queries[query] for query in table["query"]]
    if options.csv:
        from similarity_lab.report import write_csv

        write_csv(table, options.csv)
    print(format_table(table.assign(distance=table["distance"].map("{:.3f}".format))))


def _is_text(query: str) -> bool:
    """Return whether a query is a text, and not the path of an image."""
    from PIL import Image

    path = Path(query)
    is_image = path.suffix.lower() in Image.registered_extensions()
    return not (path.exists() or is_image or "/" in query or os.sep in query)
