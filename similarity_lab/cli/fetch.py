"""``similarity-lab fetch``: download a public dataset."""

import argparse
from pathlib import Path

from similarity_lab.cli.options import add_quiet_option


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "fetch",
        help="download a public dataset",
        description="Download a public dataset and verify it; resumes an interrupted download.",
        epilog="example: similarity-lab fetch grocery-store",
    )
    parser.add_argument("dataset", choices=["grocery-store"], help="dataset to download")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="folder that gets the dataset (default %(default)s)",
    )
    add_quiet_option(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from similarity_lab.datasets.fetching import fetch_grocery_store

    folder = fetch_grocery_store(options.folder, progress=not options.quiet)
    print(f"Complete and verified: {folder}")
