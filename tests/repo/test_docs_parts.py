"""Figures are quoted, never typed: what is no longer there stops the build, with a reason."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = """# Page

## First

| name | a | b |
| --- | ---: | ---: |
| one | 1 | 2 |
| two | 3 | 4 |

`python benchmarks/first.py`, commit 1

## Second

| name | a |
| --- | ---: |
| one | 9 |
"""


def test_rows_and_columns_as_asked_for(parts):
    expected = (
        "| name | b |\n| --- | ---: |\n| two | 4 |\n\n`python benchmarks/first.py`, commit 1\n"
    )
    assert parts.quote(PAGE, parts.Quote("First", ("tw?",), ("name", "b"))) == expected
    assert "| one | 9 |" in parts.quote(PAGE, parts.Quote("Second"))


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (("Third",), "no section 'Third'; there are 'Page', 'First', 'Second'"),
        (("Page",), "'Page' has no table"),
        (("First", ("three",)), "no row 'three'; it has 'one', 'two'"),
        (("First", ("one",), ("c",)), "no column 'c'; it has name, a, b"),
    ],
)
def test_what_is_not_there_is_an_error(parts, wanted, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)):
        parts.quote(PAGE, parts.Quote(*wanted))


def test_every_part_is_included_somewhere_and_every_figure_has_its_command(parts, tmp_path):
    parts.write(tmp_path)
    pages = "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    for path in tmp_path.iterdir():
        assert f'--8<-- "{path.name}"' in pages, path.name
        assert path.name == "commands.md" or "`python benchmarks/" in path.read_text(), path.name


def test_results_in_the_readme_are_those_of_the_benchmarks(parts):
    readme = parts.README.read_text("utf-8")
    renewed = parts.with_results(readme, parts.FIGURES.read_text("utf-8"))
    assert readme == renewed, "run python tools/docs_parts.py --readme"
    stale = readme.replace("| learned |", "| learnt |")
    assert stale != readme == parts.with_results(stale, parts.FIGURES.read_text("utf-8"))


def test_the_command_is_told_as_it_is(parts):
    text = parts.commands()
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == [
        "demo", "score", "embed", "rank", "collect", "search", "fetch",
    ]  # fmt: skip
    assert "--relevance-threshold SHARE" in text and "--render {never,auto,always}" in text
