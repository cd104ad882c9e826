"""The site is built as `make docs` builds it, without a warning, and looked at from outside."""

import ast
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
INCLUDED = ("README.md", "NOTICE", "data/README.md")  # by pages
PUBLIC = [
    *sorted((ROOT / "similarity_lab").rglob("__init__.py")),
    ROOT / "similarity_lab" / "fetch.py",
    ROOT / "similarity_lab" / "images.py",
]


def public_names(path):
    """Return what a module's ``__all__`` lists, without importing it."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError(f"{path} has no __all__")


@pytest.fixture(scope="module")
def site(tmp_path_factory, parts):
    """The built site, in a folder that holds nothing else than what it is made from."""
    folder = tmp_path_factory.mktemp("documentation")
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in ("mkdocs.yml", *INCLUDED):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "similarity_lab").symlink_to(ROOT / "similarity_lab")
    parts.write(folder / "build" / "docs")
    run = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.sub(r"\x1b\[[0-9;]*m", "", run.stdout + run.stderr)  # it colours each letter
    assert run.returncode == 0 and "No issues found" in said, said
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site):
    return {
        path.relative_to(site).as_posix(): html.parse(path).getroot()
        for path in sorted(site.rglob("*.html"))
        if path.name != "404.html"  # is served anywhere, so its addresses are the server's
    }


def test_every_internal_link_and_anchor_is_there(site, pages):
    anchors = {name: set(page.xpath("//@id | //a/@name")) for name, page in pages.items()}
    broken = defaultdict(list)
    for name, page in pages.items():
        for address in page.xpath("//a/@href | //link/@href | //img/@src | //script/@src"):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            if not target.is_file():
                broken[name].append(address)
                continue
            inside = target.resolve().relative_to(site.resolve()).as_posix()
            if parts.fragment and unquote(parts.fragment) not in anchors.get(inside, ()):
                broken[name].append(address)
    assert not broken, dict(broken)


def test_nothing_is_loaded_from_elsewhere(pages):
    loaded = "//script/@src | //img/@src | //link[@rel!='canonical']/@href | //iframe/@src"
    for name, page in pages.items():
        for address in page.xpath(loaded):
            assert not urlsplit(address).netloc, f"{name} loads {address}"


def test_every_page_is_reached_and_every_snippet_included(pages):
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
def test_every_public_name_is_in_the_reference(path, pages):
    """Under its package, the module that defines it, or the front door."""
    folder = path.parent if path.stem == "__init__" else path.with_suffix("")
    package = ".".join(folder.relative_to(ROOT).parts)
    reference = [page for name, page in pages.items() if name.startswith("api/")]
    ids = {anchor for page in reference for anchor in page.xpath("//@id")}
    names = public_names(path) - {"__version__"}
    there = {
        name
        for anchor in ids
        for name in names
        if anchor == f"similarity_lab.{name}"
        or (anchor.startswith(f"{package}.") and anchor.endswith(f".{name}"))
    }
    assert names == there
