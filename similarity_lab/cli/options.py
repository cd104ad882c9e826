"""Options that several commands share, and the objects they describe."""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from similarity_lab._numbers import format_count
from similarity_lab.cli.tables import print_line
from similarity_lab.errors import (
    InputError,
    MissingExtraError,
    StoreWarning,
    did_you_mean,
)

if TYPE_CHECKING:
    import pandas as pd

    from similarity_lab.embedders import Embedder
    from similarity_lab.relevance.rules import Rule
    from similarity_lab.relevance.scorer import Words
    from similarity_lab.relevance.tables import SiteResult
    from similarity_lab.store import VectorStore

_COLORS = ("rgb", "gray")
_TABLE_SUFFIXES = ("", ".csv", ".tsv", ".txt", ".xlsx")
_MAX_SKIPPED = 20  # lines
_OTHER_TABLES = (".xls", ".ods", ".parquet", ".json", ".html")
_QUALITIES = ("fast", "standard", "best")
_RUNTIMES = (
    "auto", "auto-float32", "keras", "openvino", "openvino-int8",
    "torch", "torch-bfloat16", "torch-float16",
)  # fmt: skip
_DEVICE = re.compile(r"cpu|mps|cuda(?::\d+)?")

# Options that say how the embedder of --embedder runs
_RUNNING = {"color": "--color", "runtime": "--runtime", "device": "--device"}

# Options that say how a scorer decides: destination and flag
_DECIDING = {
    "criterion": "--criterion",
    "certainty": "--certainty",
    "prior": "--prior",
    "relevance_threshold": "--relevance-threshold",
}
# Options that only the learned rule has
_LEARNED = ("certainty", "prior", "word", "no_words", "text")

# Options that say how a scorer is fitted
_FITTING = {
    "library": "--library",
    "target": "--target",
    "rule": "--rule",
    "embedder": "--embedder",
    **_RUNNING,
    "quality": "--quality",
    "word": "--word",
    "no_words": "--no-words",
    "text": "--text",
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
        "--criterion",
        choices=["offered", "share"],
        help="what is decided; offered: does the site sell the product at all; share: does at "
        "least --relevance-threshold of its catalogue show it (default: offered; share with "
        "--rule mean-distance, which knows no other)",
    )
    add_embedder_options(group)
    group.add_argument(
        "--word",
        action="append",
        metavar="NAME",
        help="one more name of the product, in any language, to look for in the texts of collected "
        "images, and a reference with --text; repeatable; with several targets: --word TARGET=NAME "
        "(default: the target's name and, for foods, its built-in names in several languages)",
    )
    group.add_argument(
        "--no-words", action="store_true", default=None, help="read images only, no texts"
    )
    group.add_argument(
        "--text",
        action="store_true",
        default=None,
        help="learned rule: use the names of the product as references too, or alone without "
        "photos of it; needs an --embedder with a text tower, such as siglip2-base",
    )
    group.add_argument(
        "--prior",
        type=float,
        metavar="P",
        help="learned rule: fraction of the sites that you expect to sell the product, between 0 "
        "and 1 (default 0.25)",
    )
    group.add_argument(
        "--certainty",
        type=float,
        metavar="P",
        help="learned rule: minimum probability for a decision; below it the answer is 'unsure' "
        "(default 0.9)",
    )
    group.add_argument(
        "--relevance-threshold",
        type=float,
        metavar="SHARE",
        help="criterion share: minimum share of a relevant site's catalogue that shows the "
        "product, 0 to 1 (default 0.25)",
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
        help="learned rule: probability that an image shows the product before it is seen; "
        "affects which images are called matches, not the decision (default 0.1)",
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
        "--csv",
        type=Path,
        metavar="FILE",
        help="write the table of sites to this file (CSV, or .xlsx with the extra excel)",
    )
    group.add_argument(
        "--images-csv",
        type=Path,
        metavar="FILE",
        help="write a table with a row per image (CSV or .xlsx)",
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


def add_embedder_options(parser: "argparse._ActionsContainer") -> None:
    """Add ``--quality``, ``--embedder``, ``--color``, ``--runtime`` and ``--device``."""
    parser.add_argument(
        "--quality",
        choices=_QUALITIES,
        help="EfficientNet-Lite0 on whole images (fast); on whole images and their centres "
        "(standard), which takes about twice as long; joined with Lite2 at a higher resolution "
        "(best), which is several times slower (default standard)",
    )
    parser.add_argument(
        "--embedder",
        metavar="NAME",
        help="instead of --quality: name of an embedder, TF-Hub URL, folder or model file "
        "(default: that of --quality, or the mean-distance rule's own)",
    )
    parser.add_argument(
        "--color", choices=_COLORS, help="color mode of the input of --embedder (default rgb)"
    )
    parser.add_argument(
        "--runtime",
        choices=_RUNTIMES,
        metavar="NAME",
        help=f"what runs --embedder: {', '.join(_RUNTIMES)} (default auto: the fastest here)",
    )
    parser.add_argument(
        "--device",
        type=_device,
        metavar="NAME",
        help="where PyTorch runs --embedder: cpu, cuda, cuda:1, … or mps (default: an accelerator "
        "if there is one; packaged networks run on the CPU)",
    )


def make_store(options: argparse.Namespace) -> "VectorStore":
    """Return the store in the folder of ``--store``; in memory if there is no cache folder."""
    from similarity_lab.store import VectorStore, cache_folder

    folder = options.store or cache_folder()
    if folder is None:
        warnings.warn(
            "There is no home folder, so vectors are not stored; pass --store DIR",
            StoreWarning,
            stacklevel=2,
        )
    return VectorStore(folder)


def make_rule(options: argparse.Namespace) -> "Rule":
    """Return the rule that the options describe; refuse options of the other rule."""
    from similarity_lab.relevance.rules import LearnedRule, MeanDistanceRule

    classes: dict[str, type[Rule]] = {"learned": LearnedRule, "mean-distance": MeanDistanceRule}
    rule = classes[options.rule or "learned"]()
    params = _given(options, "similarity_threshold", "prior_share", "n_references", "text")
    for name in params:
        if name not in rule.get_params():
            raise InputError(f"{_FITTING[name]} does not apply to --rule {rule.name}")
    if not rule.gives_probability:
        for flag in learned_flags(options):
            raise InputError(f"{flag} does not apply to --rule {rule.name}")
    return rule.set_params(**params)


def scorer_params(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of `RelevanceScorer` that the options give; `rank` takes them too."""
    rule = make_rule(options)
    return {
        "rule": rule,
        **deciding_params(options, rule.criteria[0]),
        **_given(options, "quality", "leave_out", "seed"),
        "words": _make_words(options),
        "embedder": embedder_source(options),
        "store": None if options.no_store else make_store(options),
        "progress": not options.quiet,
    }


def deciding_params(options: argparse.Namespace, criterion: str) -> dict[str, Any]:
    """Return the parameters that a fitted scorer can change.

    Parameters
    ----------
    options : Namespace
    criterion : {"offered", "share"}
        What is decided unless the options say otherwise.
    """
    params = _given(options, *_DECIDING)
    if "relevance_threshold" in params and params.get("criterion", criterion) == "offered":
        raise InputError("--relevance-threshold applies to --criterion share; pass both")
    return params


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the options on the command line among these."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _make_words(options: argparse.Namespace) -> "Words | None":
    """Return the names of ``--word``: of the only target, or of each target."""
    if options.no_words:
        if options.word:
            raise InputError("--word and --no-words exclude each other; pass one of them")
        return ()
    targets, words = list(dict.fromkeys(options.target)), dict[str, list[str]]()
    for word in (normalize("NFC", text) for text in options.word or ()):  # as classes are compared
        # the longest: the name of a target may contain "="
        matching = (t for t in targets if word.startswith(normalize("NFC", f"{t}=")))
        named = max(matching, key=len, default=None)
        before, is_pair, after = word.partition("=")
        if named is None and is_pair:
            raise InputError(
                f"--word {word}: {before!r} is not a target; pass --word '{targets[0]}={after}', "
                f"or that target as well, with --target.{did_you_mean(before, targets)}"
            )
        if named is None and len(targets) > 1:
            raise InputError(
                f"--word {word}: it is not clear of which target; pass --word TARGET=NAME, for "
                f"instance --word '{targets[0]}={word}'"
            )
        name = word if named is None else word.removeprefix(normalize("NFC", f"{named}="))
        words.setdefault(named or targets[0], []).append(name)
    return words or None


def make_embedder(options: argparse.Namespace) -> "Embedder":
    """Return the embedder of ``--embedder``, or that of ``--quality``."""
    from similarity_lab.embedders import load_embedder
    from similarity_lab.relevance.rules.learned import quality_embedder

    source = embedder_source(options)
    return quality_embedder(options.quality) if source is None else load_embedder(source)


def embedder_source(options: argparse.Namespace) -> "Embedder | str | None":
    """Return the embedder of ``--embedder``, or None if the option is not given.

    It is returned as its name if nothing says how it runs: a saved scorer remembers a name.
    """
    from similarity_lab.embedders import load_embedder

    params = _given(options, *_RUNNING)
    if options.embedder is None:
        for name in params:
            raise InputError(f"{_RUNNING[name]} applies to --embedder; pass both")
        return None
    if options.quality is not None:
        raise InputError("--quality chooses an embedder; pass --quality or --embedder, not both")
    return load_embedder(options.embedder, **params) if params else str(options.embedder)


def fitting_flags(options: argparse.Namespace) -> list[str]:
    """Return the flags that a saved scorer cannot follow; which embedder runs it, it can."""
    names = [name for name in _FITTING if name not in ("embedder", *_RUNNING)]
    return [_FITTING[name] for name in _given(options, *names)]


def learned_flags(options: argparse.Namespace) -> list[str]:
    """Return the flags on the command line that only the learned rule has."""
    return [{**_DECIDING, **_FITTING}[name] for name in _given(options, *_LEARNED)]


def check_outputs(options: argparse.Namespace) -> None:
    """Refuse files that cannot be written before anything is computed."""
    # deferred, like every import that --help does not need
    from similarity_lab.files.output import check_not_in_library, output_file

    for path in (options.csv, options.images_csv):
        if path == Path("-"):
            raise InputError("-: expected a file; for the standard output, pass /dev/stdout")
        if path is not None:
            output_file(path, "x.csv")
        if path is not None and path.suffix.lower() in _OTHER_TABLES:
            raise InputError(
                f"{path}: the table is CSV or .xlsx; choose {path.with_suffix('.csv')}"
            )
        if path is not None and path.suffix.lower() == ".xlsx" and find_spec("openpyxl") is None:
            raise MissingExtraError("Writing .xlsx", "openpyxl", "excel")
        if path is not None and path.is_file() and path.suffix.lower() not in _TABLE_SUFFIXES:
            raise InputError(
                f"{path}: exists and is not a table; choose another file, such as x.csv"
            )
    if options.report is not None:
        from similarity_lab.report.page import check_report_folder  # deferred: slow import

        check_report_folder(options.report)
        check_not_in_library(options.report, options.library)


def write_outputs(
    options: argparse.Namespace,
    sites: "pd.DataFrame",
    images: "pd.DataFrame",
    results: "Sequence[SiteResult]",
    targets: "Sequence[str]",
    *,
    crawl: "pd.DataFrame | None" = None,
) -> None:
    """Write the files that the options name.

    Parameters
    ----------
    options : Namespace
        With those of `add_output_options`.
    sites, images : DataFrame
    results : sequence of SiteRelevance or SiteFailure
        In the order in which a report lists them.
    targets : sequence of str
        For the title of the report.
    crawl : DataFrame, optional
        What was collected of the sites, for the report.
    """
    if options.csv or options.images_csv or options.report:
        from similarity_lab.report import write_report  # deferred: slow import
        from similarity_lab.report.page import sellers_title
        from similarity_lab.report.spreadsheets import write_table
    if options.csv:
        write_table(sites, options.csv)
    if options.images_csv:
        write_table(images, options.images_csv)
    if options.report:
        title = sellers_title(targets)
        write_report(results, options.report, title=title, crawl=crawl, progress=not options.quiet)


def print_skipped(skipped: "pd.DataFrame", where: str = "") -> None:
    """Name the files that were left out on stderr; hidden and system files are only counted.

    Parameters
    ----------
    skipped : DataFrame with columns path, reason
    where : str, optional
        What they were left out of.
    """
    from similarity_lab.files.listing import lost_files  # deferred: slow import

    lost = lost_files(skipped)
    lines = [f"{row.path}: {row.reason}" for row in lost.head(_MAX_SKIPPED).itertuples()]
    if n_more := len(lost) - len(lines):
        lines.append(format_count(n_more, "more file"))
    if n_hidden := len(skipped) - len(lost):
        lines.append(format_count(n_hidden, "hidden or system file"))
    start = f"skipped in {where}" if where else "skipped"
    for line in lines:
        print_line(f"{start}: {line}", sys.stderr)


def check_sites(options: argparse.Namespace) -> None:
    """Refuse products in the place of sites: ``--target almonds dates`` has one target."""
    for word in options.sites:
        is_class = options.library and word and os.path.isdir(os.path.join(options.library, word))
        if is_class and not os.path.exists(word):
            raise InputError(
                f"{word} is a product of the library, not a site; each product needs an option: "
                + " ".join(f"--target {name!r}" for name in [*(options.target or ()), word])
            )


def _threshold(text: str) -> float | str:
    if text == "from-library":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a number or from-library, got {text!r}"
        ) from None


def _device(text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected cpu, cuda, cuda:1, … or mps, got {text!r}")
    return text
