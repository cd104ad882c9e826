"""Nothing leaves the machine: OpenVINO would report its import to its makers."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import similarity_lab

PACKAGE = Path(similarity_lab.__file__).parent

EMBED = """
import sys
import numpy as np
from similarity_lab import load_embedder
load_embedder().embed([np.zeros((32, 32, 3), np.uint8)], progress=False)
assert "openvino" in sys.modules
"""
QUANTISE = """
import sys
from similarity_lab.embedders.openvino_package import openvino
from similarity_lab.embedders.telemetry import without_telemetry
with without_telemetry():
    import nncf
"""


@pytest.mark.parametrize("code", [EMBED, QUANTISE], ids=["embed", "quantise"])
def test_openvino_reports_nothing(code, tmp_path):
    if code is QUANTISE:
        pytest.importorskip("nncf", reason='needs the extra: pip install "similarity_lab[dev]"')
    code += "\nassert not [name for name in sys.modules if name.startswith('openvino_telemetry')]"
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "intel").exists()


def test_other_code_may_use_the_telemetry_package():
    pytest.importorskip("openvino_telemetry")
    code = "import similarity_lab.embedders.openvino_package, openvino_telemetry"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0


def test_openvino_is_imported_in_one_place():
    importing = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "openvino" for name in names):
                importing.add(path.name)
    assert importing == {"openvino_package.py"}
