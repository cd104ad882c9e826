"""Run the code blocks of README and docs.

Python blocks and the commands of README are run. The commands of docs/ are only parsed, by the
parser of the command; `make` targets and extras are checked against Makefile and pyproject.toml.
"""

import os
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parent
LOCAL_OPTIONS: list[str] = []  # that allow urls on this machine, which a reader does not need
SHELL_COMMANDS = ("git clone", "cd ", "python -m http.server", "playwright install", "conda ")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Run the tests of a file in one process, but each notebook in any; notebooks first."""
    notebooks = ROOT / "tests" / "test_notebooks.py"
    for item in items:
        group = item.nodeid if item.path == notebooks else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (item.path != notebooks, item.path.suffix != ".md"))


@pytest.fixture(autouse=True, scope="session")
def isolated_cache(tmp_path_factory):
    """Replace the user's cache folder by an empty one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMILARITY_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def check_other_command(line):
    """Raise unless a command other than `similarity-lab` is known, with its targets or extras."""
    if line.startswith("make "):
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        is_known = set(shlex.split(line)[1:]) <= set(targets)
    elif line.startswith("pip install "):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = re.findall(r"[a-z]+", "".join(re.findall(r"\[(.*?)\]", line)))
        is_known = set(extras) <= set(project["optional-dependencies"])
    else:
        is_known = line.startswith(SHELL_COMMANDS)
    if not is_known:
        raise AssertionError(f"unknown command: {line}")


def run_console(example):
    """Run the `similarity-lab` lines of a console block."""
    from similarity_lab.cli import main

    for line in example.parsed.splitlines():
        words = shlex.split(line)
        if words[0] != "similarity-lab":
            check_other_command(line)
        elif main([*words[1:], *(LOCAL_OPTIONS if words[1] in ("rank", "collect") else [])]) != 0:
            raise AssertionError(f"{line}: failed")


def parse_console(example):
    """Parse the `similarity-lab` lines of a console block."""
    from similarity_lab.cli.program import make_parser

    for line in example.parsed.replace("\\\n", " ").splitlines():
        words = shlex.split(line)
        if words[0] != "similarity-lab":
            check_other_command(line)
            continue
        try:
            make_parser().parse_args(words[1:])
        except SystemExit:
            raise AssertionError(f"{line}: no such command or option") from None


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """Return the sample, unpacked once; tests only read it."""
    from similarity_lab import make_samples

    return make_samples(tmp_path_factory.mktemp("sample") / "samples", progress=False)


@pytest.fixture(scope="module")
def in_folder_with_samples(samples, tmp_path_factory):
    """Run in a folder with the sample as library/ and sites/, and a table suppliers.csv."""
    from similarity_lab.samples.serving import serve
    from similarity_lab.samples.storefront import sample_shop

    previous, folder = os.getcwd(), tmp_path_factory.mktemp("readme")
    os.chdir(folder)
    (folder / "samples").symlink_to(samples.folder)
    (folder / "library").symlink_to(samples.library)
    (folder / "sites").symlink_to(samples.folder / "sites")
    with serve(sample_shop("nordic-pantry")) as server:
        (folder / "suppliers.csv").write_text(f"name,url\nNordic Pantry,{server.url}\n")
        LOCAL_OPTIONS[:] = ["--allow", server.endpoint, "--no-throttle"]
        yield
    os.chdir(previous)


@pytest.fixture(scope="session")
def small_sample(samples, tmp_path_factory):
    """Return a folder with a part of the sample: six images of four products, and two sites."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("almonds", "dates", "oats", "cocoa"):
        (folder / "library" / name).mkdir(parents=True)
        for path in sorted((samples.library / name).iterdir())[:6]:
            shutil.copy(path, folder / "library" / name)
    for name in ("greenfield-foods", "marble-mill"):
        shutil.copytree(samples.folder / "sites" / name, folder / "sites" / name)
    return folder


@pytest.fixture(scope="module")
def in_folder_with_small_sample(small_sample, tmp_path_factory):
    """Run each page of docs/ in a new folder with library/ and sites/."""
    previous, folder = os.getcwd(), tmp_path_factory.mktemp("page")
    os.chdir(folder)
    for part in ("library", "sites"):
        (folder / part).symlink_to(small_sample / part)
    yield
    os.chdir(previous)


def blocks_of(pattern, path, console, fixture):
    """Return the Sybil that runs the code blocks of Markdown files."""
    parsers = [PythonCodeBlockParser(), CodeBlockParser(language="console", evaluator=console)]
    fixtures = ["isolated_cache", fixture]  # Sybil ignores autouse
    return Sybil(parsers=parsers, path=path, patterns=[pattern], fixtures=fixtures)


pytest_collect_file = (
    blocks_of("README.md", str(ROOT), run_console, "in_folder_with_samples")
    + blocks_of("*.md", str(ROOT / "docs"), parse_console, "in_folder_with_small_sample")
).pytest()
