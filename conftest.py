"""Run the code blocks of the README: Python as it stands, and what `similarity-lab` is told."""

import os
import shlex

import pytest
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

NOT_HERE = ("git clone", "make ")  # what a shell does before Python is there
LOCAL: list[str] = []  # what addresses on this machine need, which no reader has


@pytest.fixture(autouse=True, scope="session")
def vectors_are_kept_elsewhere(tmp_path_factory):
    """Find nothing that an earlier run kept in the user's cache folder, and leave nothing there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMILARITY_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def run_console(example):
    """Run the `similarity-lab` lines of a console block."""
    from similarity_lab.cli import main

    for line in example.parsed.splitlines():
        words = shlex.split(line)
        if words[0] == "similarity-lab":
            if main([*words[1:], *(LOCAL if words[1] in ("rank", "collect") else [])]) != 0:
                raise AssertionError(f"{line}: failed")
        elif not line.startswith(NOT_HERE):
            raise AssertionError(f"README tells to run what no test runs: {line}")


@pytest.fixture(scope="module")
def in_a_folder_with_samples(tmp_path_factory):
    """README blocks find samples under the names a user would give: library/, sites/, a table."""
    from similarity_lab import make_samples
    from similarity_lab.samples.serving import serve
    from similarity_lab.samples.shops import draw_shop

    before, folder = os.getcwd(), tmp_path_factory.mktemp("readme")
    os.chdir(folder)
    samples = make_samples("samples", progress=False)
    (folder / "library").symlink_to(samples.library.resolve())
    (folder / "sites").symlink_to(samples.library.resolve().parent / "sites")
    shop = draw_shop("Nuts", ["almonds", "oats", "almonds", "dates"], size=(160, 160))
    with serve(shop) as server:
        (folder / "suppliers.csv").write_text(f"name,url\nNuts,{server.url}\n")
        LOCAL[:] = ["--allow", server.endpoint, "--no-throttle"]
        yield
    os.chdir(before)


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), CodeBlockParser(language="console", evaluator=run_console)],
    patterns=["README.md"],
    fixtures=["in_a_folder_with_samples"],
).pytest()
