"""The documentation as `make docs` builds it: no warning, no broken link, no missing name."""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("zensical", reason='needs the extra: pip install "similarity_lab[docs]"')
html = pytest.importorskip("lxml.html")

ROOT = Path(__file__).parents[2]
INCLUDED = ("NOTICE", "data/README.md")  # by pages
PACKAGE = ROOT / "similarity_lab"


ROOMS = [
    *sorted(PACKAGE.rglob("__init__.py")),
    *sorted(path for path in PACKAGE.glob("[a-z]*.py") if path.stem != "backend"),
]


def public_names(path):
    """Return the ``__all__`` of a module, or of its stub, without importing it.

    For errors.py return its classes.
    """
    stub = path.with_suffix(".pyi")  # of a package whose names are imported lazily
    body = ast.parse((stub if stub.exists() else path).read_text("utf-8")).body
    if path.stem == "errors":
        return {node.name for node in body if isinstance(node, ast.ClassDef)}
    for node in body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return set(ast.literal_eval(node.value))
    return None


COMMAND = PACKAGE / "cli" / "__init__.py"  # docs/api/cli.md has its help
PUBLIC = [path for path in ROOMS if path != COMMAND and public_names(path)]


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_room_states_its_public_names(path):
    internal = path.parent.parent != PACKAGE and path.parent != PACKAGE  # web/crawler, relevance/…
    assert internal or public_names(path) is not None


@pytest.fixture(scope="module")
def site(tmp_path_factory, docs_parts):
    """The built site, in a folder with nothing but its sources."""
    folder = tmp_path_factory.mktemp("documentation")
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in ("mkdocs.yml", *INCLUDED):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("similarity_lab", "tools"):
        (folder / name).symlink_to(ROOT / name)
    docs_parts.write(folder / "build" / "docs")
    run = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    output = re.sub(r"\x1b\[[0-9;]*m", "", run.stdout + run.stderr)  # without colours
    assert run.returncode == 0 and "No issues found" in output, output
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site):
    return {
        path.relative_to(site).as_posix(): html.parse(path).getroot()
        for path in sorted(site.rglob("*.html"))
        if path.name != "404.html"  # served for any url, so its links are the server's
    }


def test_site_has_no_broken_link_or_anchor(site, pages):
    anchors = {name: set(page.xpath("//@id | //a/@name")) for name, page in pages.items()}
    broken = defaultdict(list)
    for name, page in pages.items():
        for url in page.xpath("//a/@href | //link/@href | //img/@src | //script/@src"):
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            if not target.is_file():
                broken[name].append(url)
                continue
            inside = target.resolve().relative_to(site.resolve()).as_posix()
            if parts.fragment and unquote(parts.fragment) not in anchors.get(inside, ()):
                broken[name].append(url)
    assert not broken, dict(broken)


def test_site_loads_nothing_from_other_hosts(pages):
    loaded = "//script/@src | //img/@src | //link[@rel!='canonical']/@href | //iframe/@src"
    for name, page in pages.items():
        for url in page.xpath(loaded):
            assert not urlsplit(url).netloc, f"{name} loads {url}"


def test_every_page_is_in_the_navigation_and_every_snippet_included(pages):
    sources = {
        path.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        for path in (ROOT / "docs").rglob("*.md")
    }
    assert sources == set(pages)
    start = pages["index.html"]
    listed = {urlsplit(a).path.removeprefix("./") for a in start.xpath("//nav//a/@href")}
    assert sources <= listed
    assert not [name for name, page in pages.items() if "8<--" in page.text_content()]


@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_public_name_is_in_the_reference(path, pages):
    """Under its package, the module that defines it, or the front door."""
    folder = path.parent if path.stem == "__init__" else path.with_suffix("")
    package = ".".join(folder.relative_to(ROOT).parts)
    reference = [page for name, page in pages.items() if name.startswith("api/")]
    ids = {anchor for page in reference for anchor in page.xpath("//@id")}
    names = public_names(path) - {"__version__"}
    documented = {
        name
        for anchor in ids
        for name in names
        if anchor == f"similarity_lab.{name}"
        or (anchor.startswith(f"{package}.") and anchor.endswith(f".{name}"))
    }
    assert names == documented


@pytest.mark.parametrize(
    "words",
    [
        "confusion matrix", "gpu", "threshold", "zero-shot", "early stopping", "robots.txt",
        "licence", "near copy", "citing", "colab", "excel", "calibration curve", "unsure",
    ],
)  # fmt: skip
def test_search_finds_what_people_type(site, words):
    """All words of a query are in one section, which is how the search looks for them."""
    sections = json.loads((site / "search.json").read_text("utf-8"))["items"]
    texts = [f"{one['title']} {one['text']}".casefold() for one in sections]
    assert any(words in html.fromstring(f"<p>{text}</p>").text_content() for text in texts)


def test_reference_shows_types_as_written_and_defaults_as_values(pages):
    page = " ".join(pages["api/index.html"].text_content().split()).replace(" ,", ",")
    types = '{"learned", "mean-distance"}, LearnedRule or MeanDistanceRule'
    assert f"{types}, default: 'learned'" in page
    assert "mean - distance" not in page
    assert "certainty: float = 0.9," in page and "DEFAULT_" not in page


def test_page_of_reference_begins_with_a_table_of_its_names(pages):
    for name, page in pages.items():
        if name.startswith("api/") and name != "api/cli.html":
            table = page.xpath("//article//table")[0]
            assert table.xpath(".//th")[0].text_content() == "name", name
            assert len(table.xpath(".//tbody/tr/td/a")) >= 2, name


def test_notebook_is_a_page(pages):
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        page = pages[f"notebooks/{path.stem}.html"]
        assert page.xpath("//h1") and page.xpath("//table"), path.name
        assert "%pip" not in page.text_content()


def test_reference_has_no_dash_before_nothing(site):
    """A type that says all needs no description; see tools/docs_templates/."""
    empty = re.compile(r'–\s*<div class="doc-md-description">\s*</div>')
    for path in (site / "api").glob("*.html"):
        assert not empty.search(path.read_text("utf-8")), path.name
