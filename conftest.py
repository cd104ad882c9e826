"""Run the code blocks of README and docs: Python as it stands, and what `similarity-lab` is told.

README's commands run. Those of docs/ are held against the command's own parser, so that each of
them can be given, and what it needs besides (extras, `make` targets) against what there is.
"""

import os
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parent
LOCAL: list[str] = []  # what addresses on this machine need, which no reader has
SHELL = ("git clone", "cd ", "python -m http.server", "playwright install", "conda ")


@pytest.fixture(autouse=True, scope="session")
def vectors_are_kept_elsewhere(tmp_path_factory):
    """Find nothing that an earlier run kept in the user's cache folder, and leave nothing there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMILARITY_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def check_beside(line):
    """Raise unless a line that is not for `similarity-lab` names what is there."""
    if line.startswith("make "):
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        known = set(shlex.split(line)[1:]) <= set(targets)
    elif line.startswith("pip install "):
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        asked = re.findall(r"[a-z]+", "".join(re.findall(r"\[(.*?)\]", line)))
        known = set(asked) <= set(extras["optional-dependencies"])
    else:
        known = line.startswith(SHELL)
    if not known:
        raise AssertionError(f"told to run what no test knows: {line}")


def run_console(example):
    """Run the `similarity-lab` lines of a console block."""
    from similarity_lab.cli import main

    for line in example.parsed.splitlines():
        words = shlex.split(line)
        if words[0] != "similarity-lab":
            check_beside(line)
        elif main([*words[1:], *(LOCAL if words[1] in ("rank", "collect") else [])]) != 0:
            raise AssertionError(f"{line}: failed")


def parse_console(example):
    """Parse the `similarity-lab` lines of a console block; argparse exits where it cannot."""
    from similarity_lab.cli.app import _parser

    for line in example.parsed.replace("\\\n", " ").splitlines():
        words = shlex.split(line)
        if words[0] != "similarity-lab":
            check_beside(line)
            continue
        try:
            _parser().parse_args(words[1:])
        except SystemExit:
            raise AssertionError(f"{line}: no such command or option") from None


@pytest.fixture(scope="module")
def in_a_folder_with_samples(tmp_path_factory):
    """README blocks find samples under the names a user would give: library/, sites/, a table."""
    from similarity_lab import make_samples
    from similarity_lab.samples.serving import serve
    from similarity_lab.samples.shops import make_shop

    before, folder = os.getcwd(), tmp_path_factory.mktemp("readme")
    os.chdir(folder)
    samples = make_samples("samples", progress=False)
    (folder / "library").symlink_to(samples.library.resolve())
    (folder / "sites").symlink_to(samples.library.resolve().parent / "sites")
    shop = make_shop("Nuts", ["almonds", "oats", "almonds", "dates"], size=(160, 160))
    with serve(shop) as server:
        (folder / "suppliers.csv").write_text(f"name,url\nNuts,{server.url}\n")
        LOCAL[:] = ["--allow", server.endpoint, "--no-throttle"]
        yield
    os.chdir(before)


WARES = {
    "library": {name: [name] * 4 for name in ("almonds", "dates", "oats", "cocoa")},
    "sites": {
        "greenfield-foods": ["almonds", "dates", "almonds", "oats", "almonds", "cocoa"],
        "marble-mill": ["oats", "cocoa", "dates", "oats", "cocoa", "dates"],
    },
}


@pytest.fixture(scope="session")
def a_few_photos(tmp_path_factory):
    """Small images of four products in library/, and the images of two shops in sites/."""
    from PIL import Image

    from similarity_lab.samples import load_image

    folder = tmp_path_factory.mktemp("docs")
    for part, groups in WARES.items():
        for group, subjects in groups.items():
            (folder / part / group).mkdir(parents=True)
            for number, subject in enumerate(subjects):
                index = number if part == "library" else 6 + number
                image = Image.fromarray(load_image(subject, index, size=(112, 112)))
                image.save(folder / part / group / f"{number:03}.jpg")
    return folder


@pytest.fixture(scope="module")
def among_a_few_photos(a_few_photos, tmp_path_factory):
    """Each page has a folder of its own in which library/ and sites/ lie."""
    before, folder = os.getcwd(), tmp_path_factory.mktemp("page")
    os.chdir(folder)
    for part in WARES:
        (folder / part).symlink_to(a_few_photos / part)
    yield
    os.chdir(before)


def blocks_of(pattern, path, console, fixture):
    """Return what runs the code blocks of Markdown files."""
    parsers = [PythonCodeBlockParser(), CodeBlockParser(language="console", evaluator=console)]
    return Sybil(parsers=parsers, path=path, patterns=[pattern], fixtures=[fixture])


pytest_collect_file = (
    blocks_of("README.md", str(ROOT), run_console, "in_a_folder_with_samples")
    + blocks_of("*.md", str(ROOT / "docs"), parse_console, "among_a_few_photos")
).pytest()
