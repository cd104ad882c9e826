"""Options that several commands share, and the objects they describe."""

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similarity_lab.errors import InputError, NotAFolderError, PathNotFoundError, StoreWarning

if TYPE_CHECKING:
    import pandas as pd

    from similarity_lab.embedders import Embedder
    from similarity_lab.relevance.rules import Rule
    from similarity_lab.relevance.tables import SiteResult
    from similarity_lab.store import VectorStore

_COLORS = ("rgb", "gray")
_TABLE_SUFFIXES = ("", ".csv", ".tsv", ".txt")
_DEFAULT_EMBEDDER = "efficientnet-lite0"

# Options that say how a scorer is fitted: destination and flag
_FITTING = {
    "library": "--library",
    "target": "--target",
    "rule": "--rule",
    "embedder": "--embedder",
    "color": "--color",
    "quality": "--quality",
    "similarity_threshold": "--similarity-threshold",
    "prior_share": "--prior-share",
    "n_references": "--n-references",
    "leave_out": "--leave-out",
    "seed": "--seed",
}


def add_scoring_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that decide how sites are scored.

    Defaults are None here, so that an option without effect can be refused.
    """
    group = parser.add_argument_group("scoring")
    group.add_argument(
        "--rule",
        choices=["learned", "mean-distance"],
        help="learned: calibrated probabilities; mean-distance: the original study's rule "
        "(default learned)",
    )
    group.add_argument(
        "--embedder",
        metavar="NAME",
        help="name of an embedder, TF-Hub URL or model file (default: the rule's own)",
    )
    group.add_argument(
        "--color", choices=_COLORS, help="color mode of the input of --embedder (default rgb)"
    )
    group.add_argument(
        "--quality",
        choices=["standard", "best"],
        help="embedder of the learned rule: EfficientNet-Lite0 (standard), or Lite2 at a higher "
        "resolution (best), which is several times slower (default standard)",
    )
    group.add_argument(
        "--certainty",
        type=float,
        metavar="P",
        help="minimum probability for a decision; below it the answer is 'unsure' (default 0.9)",
    )
    group.add_argument(
        "--relevance-threshold",
        type=float,
        metavar="SHARE",
        help="minimum share of a relevant site's images that show the product, 0 to 1 "
        "(default 0.25)",
    )
    group.add_argument(
        "--similarity-threshold",
        type=_threshold,
        metavar="X",
        help="learned rule: minimum probability of a match (default 0.5); mean-distance rule: "
        "maximum distance of a match, or from-library to choose it (default 0.65 with the rule's "
        "own embedder)",
    )
    group.add_argument(
        "--prior-share",
        type=float,
        metavar="SHARE",
        help="learned rule: prior probability that an image shows the product (default 0.25)",
    )
    group.add_argument(
        "--n-references",
        type=int,
        metavar="N",
        help="mean-distance rule: references drawn per image (default 15)",
    )
    group.add_argument(
        "--leave-out",
        action="append",
        choices=["icons", "banners", "graphics"],
        help="exclude images of this kind from the count; repeatable (default: count all)",
    )
    group.add_argument(
        "--seed", type=int, metavar="N", help="seed of random draws and folds (default 0)"
    )
    store = group.add_mutually_exclusive_group()
    add_store_option(store)
    store.add_argument("--no-store", action="store_true", help="do not cache vectors on disk")


def add_target_option(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add ``--target``, which is repeatable."""
    parser.add_argument(
        "--target",
        action="append",
        required=required,
        metavar="NAME",
        help="class of the library to look for; repeatable",
    )


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the output: what is printed and which files are written."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print JSON instead of a table")
    group.add_argument(
        "--csv", type=Path, metavar="FILE", help="write the table of sites to this file"
    )
    group.add_argument(
        "--images-csv", type=Path, metavar="FILE", help="write a table with a row per image"
    )
    group.add_argument(
        "--report", type=Path, metavar="DIR", help="write an HTML report with the evidence"
    )
    add_quiet_option(group)


def add_quiet_option(parser: "argparse._ActionsContainer") -> None:
    """Add ``--quiet``."""
    parser.add_argument("--quiet", action="store_true", help="hide progress bars")


def add_store_option(parser: "argparse._ActionsContainer") -> None:
    """Add ``--store``."""
    parser.add_argument(
        "--store",
        metavar="DIR",
        help="folder in which vectors are cached (default: SIMILARITY_LAB_CACHE, or the user's "
        "cache folder)",
    )


def add_embedder_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--embedder`` and ``--color`` of commands that only embed."""
    parser.add_argument(
        "--embedder",
        default=_DEFAULT_EMBEDDER,
        metavar="NAME",
        help="name of an embedder, TF-Hub URL or model file (default %(default)s)",
    )
    parser.add_argument(
        "--color",
        choices=_COLORS,
        default="rgb",
        help="color mode of the embedder's input (default %(default)s)",
    )


def make_store(options: argparse.Namespace) -> "VectorStore":
    """Return the store in the folder of ``--store``; in memory if there is no cache folder."""
    from similarity_lab.store import VectorStore, cache_folder

    folder = options.store or cache_folder()
    if folder is None:
        warnings.warn(
            "There is no home folder, so that vectors are not stored; pass --store DIR",
            StoreWarning,
            stacklevel=2,
        )
    return VectorStore(folder)


def make_rule(options: argparse.Namespace) -> "Rule":
    """Return the rule that the options describe; refuse options of the other rule."""
    from similarity_lab.relevance.rules import LearnedRule, MeanDistanceRule

    classes: dict[str, type[Rule]] = {"learned": LearnedRule, "mean-distance": MeanDistanceRule}
    rule = classes[options.rule or "learned"]()
    names = ("similarity_threshold", "prior_share", "n_references")
    params = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    for name in params:
        if name not in rule.get_params():
            raise InputError(f"{_FITTING[name]} does not apply to --rule {rule.name}")
    if options.certainty is not None and not rule.gives_probability:
        raise InputError(f"--certainty does not apply to --rule {rule.name}")
    return rule.set_params(**params)


def scorer_params(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of `RelevanceScorer` that the options give; `rank` takes them too."""
    names = ("certainty", "relevance_threshold", "quality", "leave_out", "seed")
    params = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return {
        "rule": make_rule(options),
        "embedder": _make_embedder(options),
        "store": None if options.no_store else make_store(options),
        "progress": not options.quiet,
        **params,
    }


def _make_embedder(options: argparse.Namespace) -> "Embedder | None":
    from similarity_lab.embedders import load_embedder

    if options.embedder is None:
        if options.color is not None:
            raise InputError("--color applies to --embedder; pass both")
        return None
    return load_embedder(options.embedder, color=options.color or "rgb")


def fitting_flags(options: argparse.Namespace) -> list[str]:
    """Return the flags on the command line that affect how a scorer is fitted."""
    return [flag for name, flag in _FITTING.items() if getattr(options, name) is not None]


def check_outputs(options: argparse.Namespace) -> None:
    """Refuse files that cannot be written before anything is computed."""
    for path in (options.csv, options.images_csv):
        if path is not None and not path.parent.is_dir():
            raise PathNotFoundError(f"{path}: no such folder: {path.parent}")
        if path is not None and path.is_file() and path.suffix.lower() not in _TABLE_SUFFIXES:
            raise InputError(f"{path}: exists and is no table; choose another file, such as x.csv")
    if options.report is not None and options.report.is_file():
        raise NotAFolderError(f"{options.report}: is a file; expected a folder for the report")


def write_outputs(
    options: argparse.Namespace,
    sites: "pd.DataFrame",
    images: "pd.DataFrame",
    results: "Sequence[SiteResult]",
    title: str,
) -> None:
    """Write the files that the options name.

    Parameters
    ----------
    options : Namespace
        With those of `add_output_options`.
    sites, images : DataFrame
    results : sequence of SiteRelevance or SiteFailure
        In the order in which a report lists them.
    title : str
        Of the report.
    """
    if options.csv or options.images_csv or options.report:
        from similarity_lab.report import write_csv, write_report  # deferred: slow import
    if options.csv:
        write_csv(sites, options.csv)
    if options.images_csv:
        write_csv(images, options.images_csv)
    if options.report:
        write_report(results, options.report, title=title, progress=not options.quiet)


def _threshold(text: str) -> float | str:
    if text == "from-library":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a number or from-library, got {text!r}"
        ) from None
