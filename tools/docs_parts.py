"""Write the generated parts of docs/ to build/docs/: tables of results and the help of commands.

    python tools/docs_parts.py
    python tools/docs_parts.py --readme    # also update the tables of results in README.md

Tables are rows of docs/benchmarks.md, with the command that reproduces them. The pages include the
parts with pymdownx.snippets.
"""

import argparse
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "docs"
FIGURES = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Quote:
    """Rows of a table of docs/benchmarks.md.

    Attributes
    ----------
    section : str
        The heading under which the table stands.
    rows : tuple of str
        Patterns of the rows' first cells; every pattern must match one.
    columns : tuple of str
        Headings of the columns, the first one included; all must exist.
    """

    section: str
    rows: tuple[str, ...] = ("*",)
    columns: tuple[str, ...] = ()


_SHOPS = "Decisions on real shops"
_SITES = "Decisions on composite grocery sites"
_RANKED = ("method", "image AUC", "site AUC", "site accuracy")
_DECIDED = ("method", "site AUC", "site accuracy", "decided", "accuracy of those")
_CALIBRATED = ("method", "ECE of images", "ECE of sites", "decided", "accuracy of those")
_SEPARATION = "Separating products"
_SEPARATION_COLUMNS = ("comparator", "verification AUC", "Recall@1", "mAP", "top-1, coarse")
_DRAWS = "How many references to draw"

QUOTES = {
    "all-sites": Quote(
        _SITES, ("original rule*", "mean distance, colour*", "learned", "learned, *"), _DECIDED
    ),
    "real-shops": Quote(
        _SHOPS,
        columns=(
            "images",
            "pairs that sell",
            "AUC by probability",
            "AUC by best image",
            "of relevant, sell",
            "of irrelevant, sell",
            "of unsure, sell",
        ),
    ),
    "all-comparators": Quote(
        _SEPARATION, ("cosine, *", "architecture ?", "strong", "metric*"), _SEPARATION_COLUMNS
    ),
    "cosine-sites": Quote(_SITES, ("original rule*", "… with*", "mean *"), _RANKED),
    "cosine-apart": Quote(_SEPARATION, ("cosine, *",), _SEPARATION_COLUMNS),
    "cosine-draws": Quote(_DRAWS),
    "learned-sites": Quote(_SITES, ("learned", "learned, *"), _DECIDED),
    "learned-calibrated": Quote(_SITES, ("learned", "learned, *"), _CALIBRATED),
    "siamese-apart": Quote(
        _SEPARATION, ("cosine, colour lite0", "architecture*", "strong"), _SEPARATION_COLUMNS
    ),
    "metric-apart": Quote(
        _SEPARATION, ("cosine, colour lite0", "metric learning*"), _SEPARATION_COLUMNS
    ),
    "metric-unseen": Quote("Metric learning on categories it was not trained on", ("all *",)),
    "speed": Quote(
        "Speed", ("original loop", "original rule*", "learned rule*", "embedding*files")
    ),
    "int8": Quote("What int8 costs"),
    "foundation-speed": Quote("Speed of foundation models"),
    "collect": Quote("Collecting websites", ("*: pages per minute", "*: images per minute")),
}

README = ROOT / "README.md"
BEGIN, END = "<!-- {}: python tools/docs_parts.py --readme -->\n", "<!-- end of results -->"
RESULTS = {
    "real shops": Quote(
        _SHOPS,
        ("catalogue, 11 targets, *",),
        (
            "images",
            "AUC by probability",
            "sellers in the first five",
            "of relevant, sell",
            "of irrelevant, sell",
            "of unsure, sell",
        ),
    ),
    "composite sites": Quote(
        _SITES,
        (
            "original rule*", "mean distance, colour*", "learned", "learned, 5 *",
            "learned, references only",
        ),
        _DECIDED,
    ),
}  # fmt: skip


def quote(page: str, selection: Quote) -> str:
    """Return a table with the requested rows and columns, and the line with its command.

    Raises
    ------
    ValueError
        If the section, a row or a column does not exist; the message lists those that do.
    """
    lines = _section(page, selection.section)
    tables = [index for index, line in enumerate(lines) if line.startswith("| ---")]
    if not tables:
        raise ValueError(f"{selection.section!r} has no table")
    head = _cells(lines[tables[0] - 1])
    body = []
    for line in lines[tables[0] + 1 :]:
        if not line.startswith("|"):
            break
        body.append(_cells(line))
    columns = [_position(head, name, selection.section) for name in selection.columns or head]
    for pattern in selection.rows:
        if not any(fnmatchcase(row[0], pattern) for row in body):
            existing = ", ".join(repr(row[0]) for row in body)
            raise ValueError(f"{selection.section!r} has no row {pattern!r}; it has {existing}")
    rows = [row for row in body if any(fnmatchcase(row[0], pattern) for pattern in selection.rows)]
    rule = ["---", *["---:"] * (len(columns) - 1)]
    table = [[row[column] for column in columns] for row in [head, *rows]]
    formatted = [f"| {' | '.join(cells)} |" for cells in [table[0], rule, *table[1:]]]
    origin = [line for line in lines if line.startswith("`python -m benchmarks.")]
    return "\n".join([*formatted, "", *origin[:1]]) + "\n"


def _section(page: str, heading: str) -> list[str]:
    lines = page.splitlines()
    starts = [index for index, line in enumerate(lines) if line.lstrip("# ") == heading]
    if not starts:
        existing = ", ".join(repr(line.lstrip("# ")) for line in lines if line.startswith("#"))
        raise ValueError(f"no section {heading!r}; there are {existing}")
    ends = [index for index, line in enumerate(lines) if index > starts[0] and line.startswith("#")]
    return lines[starts[0] : ends[0] if ends else None]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _position(head: list[str], name: str, section: str) -> int:
    if name not in head:
        raise ValueError(f"{section!r} has no column {name!r}; it has {', '.join(head)}")
    return head.index(name)


def commands() -> str:
    """Return what `similarity-lab COMMAND --help` prints, a section for each command."""
    from similarity_lab.cli.program import make_parser

    os.environ["COLUMNS"] = "88"  # argparse wraps at the width of the terminal
    actions = make_parser()._actions
    (subparsers,) = (one for one in actions if isinstance(one, argparse._SubParsersAction))
    helps = {choice.dest: choice.help for choice in subparsers._choices_actions}
    parts = [
        f"## {name}\n\nTo {helps[name]}.\n\n```text\n{parser.format_help().rstrip()}\n```\n"
        for name, parser in subparsers.choices.items()
    ]
    return "\n".join(parts)


def with_results(readme: str, page: str) -> str:
    """Return README with the current tables of results."""
    for name, selection in RESULTS.items():
        begin = BEGIN.format(name)
        before, marker, after = readme.partition(begin)
        if not marker:
            raise ValueError(f"README has no line {begin.strip()!r}")
        table = quote(page, selection).split("\n\n")[0]
        readme = f"{before}{begin}{table}\n{END}{after.partition(END)[2]}"
    return readme


def write(out: Path = OUT, figures: Path = FIGURES) -> None:
    """Write all parts."""
    out.mkdir(parents=True, exist_ok=True)
    page = figures.read_text("utf-8")
    for name, selection in QUOTES.items():
        (out / f"{name}.md").write_text(quote(page, selection), "utf-8")
    (out / "commands.md").write_text(commands(), "utf-8")


def main() -> None:
    """Write the parts, and the tables of README if asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--readme", action="store_true", help="also update README.md")
    options = parser.parse_args()
    write()
    if options.readme:
        README.write_text(
            with_results(README.read_text("utf-8"), FIGURES.read_text("utf-8")), "utf-8"
        )


if __name__ == "__main__":
    main()
