"""The script that measures an accelerator: its dry run on the CPU."""

import importlib
import sys
from pathlib import Path

import pytest


@pytest.fixture
def script(libraries, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[3])
    module = importlib.import_module("benchmarks.foundation_speed")
    for name, value in {"N_FILES": 16, "PRODUCTS": 4}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "ADAPTING", {"blocks": 1, "views": 1, "epochs": 1})
    return module


def run(script, monkeypatch, capsys, *options):
    monkeypatch.setattr(sys, "argv", ["foundation_speed", *options])
    script.main()
    lines = capsys.readouterr().out.splitlines()
    return {name: row for name, _, row in (line.partition(": ") for line in lines)}


def test_dry_run_goes_through_every_row(script, monkeypatch, capsys):
    pytest.importorskip("cv2", reason="needs OpenCV")
    rows = run(script, monkeypatch, capsys, "--dry-run", "--dollars-per-hour", "3")
    assert len(rows) == 4 and not any("failed" in row for row in rows.values())
    assert "seconds" in rows["adapting EfficientNet-Lite0"]
    for figure in ("batch 8 on the device", "batch 8 from arrays", "16 bits move", "per million"):
        assert figure in rows["tiny"]


def test_row_that_fails_does_not_cost_the_others(script, monkeypatch, capsys):
    def fail(self, *_, **__):
        raise RuntimeError("out of memory")

    for name in ("packaged", "adapting"):
        monkeypatch.setattr(script.Accelerator, name, fail)
    rows = run(script, monkeypatch, capsys, "--dry-run")
    assert rows["EfficientNet-Lite0"] == "{'failed': 'out of memory'}"
    assert "batch 1 from arrays" in rows["tiny"]


def test_rows_after_the_deadline_are_left_out(script, monkeypatch, capsys):
    rows = run(script, monkeypatch, capsys, "--dry-run", "--minutes", "0")
    assert set(rows.values()) == {"{'left out': 'no time'}"}


def test_accelerator_is_needed(script, monkeypatch, capsys, libraries):
    if script.find_device(None) != "cpu":
        pytest.skip("there is an accelerator")
    with pytest.raises(SystemExit, match="no accelerator here"):
        run(script, monkeypatch, capsys, "--accelerator", "--print")
