"""The fuzzer itself: its inputs can be made again, it sees what is wrong, and lives through it."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def tools(monkeypatch):
    """The modules of `tools/fuzz.py`."""
    monkeypatch.syspath_prepend(TOOLS)
    return [importlib.import_module(name) for name in ("fuzz", "fuzz_inputs", "fuzz_targets")]


def test_some_inputs_of_each_kind_find_nothing(tools, tmp_path):
    """The fast sibling of an hour: a few dozen inputs, the same in every run."""
    fuzz, inputs, targets = tools
    for kind, (_, seeds) in targets.TARGETS.items():
        for original in seeds():
            assert fuzz.problems(kind, original) == []
        for number in range(40):
            data = inputs.mutated(seeds, 1, number)
            assert data == inputs.mutated(seeds, 1, number)
            assert fuzz.problems(kind, data) == [], f"{kind} {number}"


def test_what_is_wrong_is_seen(tools, monkeypatch):
    fuzz, inputs, targets = tools
    photo = inputs.pictures()[0]

    def says(reader, name="read_image, gray"):
        with monkeypatch.context() as patch:
            patch.setitem(targets._READERS, name, (reader, (9, 7, 1)))
            return "\n".join(fuzz.problems("images", photo))

    def no_memory(_):
        raise targets.ImageError("<bytes>", "damaged") from MemoryError()

    assert says(targets.read_image).startswith("read_image, gray: gave (48, 64, 3)")
    assert "ZeroDivisionError" in says(lambda _: 1 / 0)
    assert "more memory than allowed" in says(no_memory) and "disagree" in says(no_memory)


def test_a_run_outlives_its_children_and_goes_on(tools, monkeypatch, tmp_path):
    fuzz, _, _ = tools
    calls = []

    def crash(command, **_):
        calls.append(command)
        first = len(calls) == 1
        place = tmp_path / "images-3.at"
        place.write_bytes((7 if first else 20).to_bytes(8, "little"))
        return subprocess.CompletedProcess(command, -11 if first else 0)

    monkeypatch.setattr(fuzz.subprocess, "run", crash)
    outcome = fuzz.run("images", 3, tmp_path, minutes=1, most=20)
    assert outcome["findings"] == ["images-3-7"] and outcome["inputs"] == 20
    assert "SIGSEGV" in (tmp_path / "images-3-7.txt").read_text()
    assert len(calls) == 2 and calls[0][0] == sys.executable


def test_a_child_reads_within_its_limits(tmp_path):
    command = [sys.executable, TOOLS / "fuzz.py", "archives", "--out", tmp_path, "--inputs"]
    for most in ("3", "5"):  # started again it goes on
        run = subprocess.run([*command, most], capture_output=True, text=True, check=True)
        assert run.stdout.startswith(f"{most} inputs in ")
        assert run.stdout.endswith("findings: []\n")
