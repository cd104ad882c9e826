"""Write the generated parts of docs/ to build/docs/: tables of results and the help of commands.

    python tools/docs_parts.py
    python tools/docs_parts.py --readme    # also update the tables of results in README.md

Tables are rows of docs/benchmarks.md, with the command that reproduces them; charts show columns
of the same tables. Each page of the reference begins with a table of its names, and notebooks
become pages. The pages include the parts with pymdownx.snippets.
"""

import argparse
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import griffe
from docs_charts import decision_chart, interval_chart
from docs_notebooks import to_page

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "docs"
FIGURES = ROOT / "docs" / "benchmarks.md"
REFERENCE = ROOT / "docs" / "api"
NOTEBOOKS = ROOT / "notebooks"


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
_OUTCOMES = ("of relevant, sell", "of irrelevant, sell", "of unsure, sell")
_SITES = "Decisions on composite grocery sites"
_RANKED = ("method", "image AUC", "site AUC", "site accuracy")
_DECIDED = ("method", "site AUC", "site accuracy", "decided", "accuracy of those")
_CALIBRATED = ("method", "ECE of images", "ECE of sites", "decided", "accuracy of those")
_SEPARATION = "Separating products"
_AUC = "verification AUC"
_SEPARATION_COLUMNS = ("comparator", _AUC, "Recall@1", "mAP", "top-1, coarse")
_DRAWS = "How many references to draw"

QUOTES = {
    "all-sites": Quote(
        _SITES, ("original rule*", "mean distance, colour*", "learned", "learned, *"), _DECIDED
    ),
    "real-shops": Quote(
        _SHOPS,
        ("*, 11 targets, *",),
        (
            "images",
            "AUC by probability",
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
    "few-photos": Quote(
        "Few references, few other products",
        (
            "*, offered, 2 ref*",
            "*, offered, 5 ref*",
            "*, offered, 10 ref*",
            "*, offered, all ref*, 0 products",
            "*, offered, all ref*, 10 products",
            "*, offered, all ref*, all products",
        ),
    ),
    "learned-sites": Quote(_SITES, ("learned", "learned, *"), _DECIDED),
    "learned-calibrated": Quote(_SITES, ("learned", "learned, *"), _CALIBRATED),
    "adapting": Quote("An embedder adapted to the library"),
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
            *_OUTCOMES,
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
    columns = list(range(len(head)))  # two columns may have one heading
    if selection.columns:
        columns = [_position(head, name, selection.section) for name in selection.columns]
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


def charts(page: str) -> dict[str, str]:
    """Return the charts of the results by name, as SVG."""
    accuracy = Quote(_SITES, ("original rule*", "mean *", "learned*"), ("method", "site accuracy"))
    separation = Quote(_SEPARATION, QUOTES["all-comparators"].rows, ("comparator", _AUC))
    counts = ("images", *_OUTCOMES)
    return {
        "real-shops": decision_chart(
            _decisions(_rows(page, Quote(_SHOPS, ("catalogue, 11 targets, *",), counts))),
            title="Decisions on 25 real shops and 11 products, by whether the shop sells it",
        ),
        "all-sites": interval_chart(
            _intervals(_rows(page, accuracy)),
            title="Sites decided correctly, with 95% intervals; 0.5 is chance",
            low=0.5,
            high=1,
        ),
        "all-comparators": interval_chart(
            _intervals(_rows(page, separation)),
            title="Same product or not: AUC with 95% intervals; 0.5 is chance",
            low=0.5,
            high=1,
        ),
    }


def _rows(page: str, selection: Quote) -> list[list[str]]:
    lines = quote(page, selection).split("\n\n")[0].splitlines()
    return [_cells(line) for line in lines[2:]]


def _intervals(rows: list[list[str]]) -> list[tuple[str, float, float, float]]:
    """Return the rows whose value has an interval: ``0.541 (0.500–0.582)``."""
    pattern = re.compile(r"([\d.]+) \(([\d.]+)–([\d.]+)\)")
    found = [(label, pattern.fullmatch(value)) for label, value in rows]
    return [(label, *map(float, match.groups())) for label, match in found if match]


def _decisions(rows: list[list[str]]) -> list[tuple[str, dict[str, int]]]:
    """Return decisions on sellers and on other shops from cells such as ``12 of 13``."""
    bars = []
    for label, *cells in rows:
        of = dict(zip(("relevant", "irrelevant", "unsure"), cells, strict=True))
        sell = {name: int(cell.split(" of ")[0]) for name, cell in of.items()}
        total = {name: int(cell.split(" of ")[1]) for name, cell in of.items()}
        by = label.rpartition(", ")[2]
        order = ("relevant", "unsure", "irrelevant")
        bars.append((f"{by}: shops that sell it", {name: sell[name] for name in order}))
        rest = {name: total[name] - sell[name] for name in order}
        bars.append((f"{by}: shops that do not", rest))
    return bars


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


def reference_names(page: Path, package: griffe.Module) -> str:
    """Return a table of the names that a page of the reference documents, with what each is for.

    Parameters
    ----------
    page : Path
        A page of docs/api/ with lines ``::: module`` and links to names on other pages.
    package : griffe.Module
        The package, read but not imported.
    """
    text = page.read_text("utf-8")
    places = [(name, url) for url, name in re.findall(r"\]\((index\.md#(\S+?))\)", text)]
    pattern = r"^::: (\S+)\n(?:    options:\n      members: (.*)\n)?"
    for path, members in re.findall(pattern, text, re.MULTILINE):
        known = _object(package, path)
        names = re.findall(r"\w+", members) if members else known.exports
        if names is None:  # a module without `__all__`, as errors.py
            names = [one.name for one in known.classes.values() if not one.is_alias]
        places += [(f"{path}.{name}", f"#{path}.{name}") for name in names]
        if not known.is_module:
            places.append((path, f"#{path}"))
    rows = ["| name | what it is |", "| --- | --- |"]
    for path, url in places:
        known = _object(package, path)
        if known.docstring is not None:
            first = known.docstring.value.partition("\n\n")[0].replace("\n", " ")
            first = re.sub(r"(?<!`)`(\w+)`(?!`)", r"``\1``", first)  # no reference to resolve
            call = "()" if known.is_function else ""
            rows.append(f"| [`{path.rpartition('.')[2]}{call}`]({url}) | {first} |")
    return "\n".join(rows) + "\n"


def _object(package: griffe.Module, path: str) -> griffe.Object:
    inside = path.removeprefix(package.name).strip(".")
    known = package[inside] if inside else package
    return known.final_target if known.is_alias else known


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
    for name, chart in charts(page).items():
        (out / f"chart-{name}.md").write_text(chart, "utf-8")
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        (out / f"notebook-{path.stem}.md").write_text(to_page(path), "utf-8")
    package = griffe.load("similarity_lab", search_paths=[ROOT])
    for path in sorted(REFERENCE.glob("[!c]*.md")):  # all but the command line
        (out / f"names-{path.name}").write_text(reference_names(path, package), "utf-8")


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
