"""``similarity-lab embed``: write the vectors of images."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from similarity_lab._numbers import format_count
from similarity_lab.cli import options as shared
from similarity_lab.errors import InputError

if TYPE_CHECKING:
    from similarity_lab.images.sources import Source


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "embed",
        help="write the vectors of images",
        description="Write the vectors of images, and their paths, to an .npz file.",
        epilog="example: similarity-lab embed library/almonds --out almonds.npz",
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE|DIR|ZIP", help="image, or folder or .zip of images"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npz", help="file to write")
    shared.add_embedder_options(parser)
    parser.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="images per call of the network (default: chosen by the embedder)",
    )
    shared.add_quiet_option(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    import numpy as np

    from similarity_lab.files import atomic_write, is_zip
    from similarity_lab.files.output import output_file
    from similarity_lab.sites import Site

    output_file(options.out, "vectors.npz")
    paths: list[Source] = []
    for source in map(Path, options.images):
        is_collection = source.is_dir() or is_zip(source)
        paths.extend(Site.of(source).paths if is_collection else [source])
    embedder = shared.make_embedder(options)
    embedded = embedder.embed(paths, batch_size=options.batch_size, progress=not options.quiet)
    shared.print_skipped(embedded.skipped)
    if not embedded.kept:
        raise InputError(f"no readable image among {format_count(len(paths), 'file')}")
    names = np.array([str(paths[index]) for index in embedded.kept])
    with atomic_write(options.out) as part, part.open("wb") as file:  # keeps the name as given
        np.savez_compressed(file, vectors=embedded.vectors, paths=names, embedder=embedder.name)
    print(f"{len(names)} vectors of {embedder.dimension} numbers in {options.out}")
