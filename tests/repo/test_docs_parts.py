"""Figures in the docs are quoted from docs/benchmarks.md; a quote without a match is an error."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = """# Page

## First

| name | a | b |
| --- | ---: | ---: |
| one | 1 | 2 |
| two | 3 | 4 |

`python -m benchmarks.first`, commit 1

## Second

| name | a |
| --- | ---: |
| one | 9 |
"""


def test_quote_has_the_requested_rows_and_columns(docs_parts):
    expected = (
        "| name | b |\n| --- | ---: |\n| two | 4 |\n\n`python -m benchmarks.first`, commit 1\n"
    )
    assert docs_parts.quote(PAGE, docs_parts.Quote("First", ("tw?",), ("name", "b"))) == expected
    assert "| one | 9 |" in docs_parts.quote(PAGE, docs_parts.Quote("Second"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("Third",), "no section 'Third'; there are 'Page', 'First', 'Second'"),
        (("Page",), "'Page' has no table"),
        (("First", ("three",)), "no row 'three'; it has 'one', 'two'"),
        (("First", ("one",), ("c",)), "no column 'c'; it has name, a, b"),
    ],
)
def test_quote_of_a_missing_row_or_column_is_an_error(docs_parts, arguments, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)):
        docs_parts.quote(PAGE, docs_parts.Quote(*arguments))


def test_every_part_is_included_and_names_its_command(docs_parts, tmp_path):
    docs_parts.write(tmp_path)
    pages = "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    for path in tmp_path.iterdir():
        assert f'--8<-- "{path.name}"' in pages, path.name
        other = path.name == "commands.md" or path.name.startswith(
            ("names-", "notebook-", "chart-")
        )
        assert other or "`python -m benchmarks." in path.read_text(), path.name


def test_quote_keeps_columns_of_equal_names(docs_parts):
    page = "# Gains\n| a | gain | b | gain |\n| --- | --- | --- | --- |\n| 1 | 2 | 3 | 4 |\n"
    assert "| 1 | 2 | 3 | 4 |" in docs_parts.quote(page, docs_parts.Quote("Gains"))


def test_charts_show_the_figures_of_the_tables(docs_parts):
    page = docs_parts.FIGURES.read_text("utf-8")
    charts = docs_parts.charts(page)
    for row in docs_parts._rows(page, docs_parts.QUOTES["all-sites"]):
        assert f">{row[0]}</text>" in charts["all-sites"]
        assert f">{row[2].split(' ')[0]}</text>" in charts["all-sites"]
    decisions = docs_parts._decisions([["shops, both", "12 of 13", "1 of 63", "48 of 189"]])
    assert decisions == [
        ("both: shops that sell it", {"relevant": 12, "unsure": 48, "irrelevant": 1}),
        ("both: shops that do not", {"relevant": 1, "unsure": 141, "irrelevant": 62}),
    ]


def test_readme_results_are_those_of_the_benchmarks(docs_parts):
    readme = docs_parts.README.read_text("utf-8")
    updated = docs_parts.with_results(readme, docs_parts.FIGURES.read_text("utf-8"))
    assert readme == updated, "run python tools/docs_parts.py --readme"
    stale = readme.replace("| learned |", "| learnt |")
    assert stale != readme == docs_parts.with_results(stale, docs_parts.FIGURES.read_text("utf-8"))


def test_command_reference_lists_every_command(docs_parts):
    text = docs_parts.commands()
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == [
        "demo", "rank", "status", "decide", "collect", "embed", "search", "fetch",
    ]  # fmt: skip
    assert "--relevance-threshold SHARE" in text and "--render {never,auto,always}" in text


def test_contributing_lists_the_layers_of_the_contract():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = [
        one["layers"] for one in contracts if "similarity_lab" in one.get("containers", [])
    ]
    lines = (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()
    blocks = "\n".join(line.strip() if line.startswith("    ") else "" for line in lines)
    names = [layer for layer in layers if not layer.startswith(("_", "("))]
    assert "\n".join(names) in blocks


def test_prose_leaves_measured_figures_to_tables():
    """A new run of the benchmarks then cannot contradict a page."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        if path.name in {"benchmarks.md", "licences.md"}:
            continue
        text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        prose = [line for line in text.splitlines() if not line.startswith("|")]
        found = [line for line in prose if re.search(r"\b0\.\d{3}\b", line)]
        assert not found, (path.name, found)
