"""The public names of the package, and the libraries that importing it loads."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys

import pytest

import similarity_lab


def test_public_names_exist():
    for name in similarity_lab.__all__:
        assert getattr(similarity_lab, name) is not None
        assert name in dir(similarity_lab)
    with pytest.raises(AttributeError, match="attribute.*missing"):
        _ = similarity_lab.missing


def test_rooms_offer_only_what_is_theirs():
    """Tab after the name of a sub-package: its public names and modules, no imports of its own."""
    for module in pkgutil.iter_modules(similarity_lab.__path__):
        if not module.ispkg or module.name in ("cli", "distributed", "web"):  # extras
            continue
        room = importlib.import_module(f"similarity_lab.{module.name}")
        modules = {each.name for each in pkgutil.iter_modules(room.__path__)}
        public = {name for name in dir(room) if not name.startswith("_")}
        assert public <= {*room.__all__, *modules}, room.__name__


def test_signatures_name_types_as_written():
    """What `help` shows: aliases such as SiteSource, not the unions behind them."""
    for name in similarity_lab.__all__:
        public = getattr(similarity_lab, name)
        if callable(public) and not (isinstance(public, type) and issubclass(public, Exception)):
            signature = str(inspect.signature(public))
            for spelled_out in ("Union[", "ForwardRef(", "similarity_lab.", "collections.abc"):
                assert spelled_out not in signature, name


ROOMS = [
    "cli", "datasets", "embedders", "evaluation", "hosted", "images", "metric_learning", "pairs",
    "ranking", "relevance", "report", "samples", "siamese", "sites", "store", "web",
]  # fmt: skip


def test_importing_a_room_loads_no_network_library():
    code = (
        "import importlib, sys, similarity_lab\n"
        f"for module in {ROOMS}:\n"
        "    importlib.import_module('similarity_lab.' + module)\n"
        "    heavy = {'tensorflow', 'keras', 'torch', 'cv2', 'matplotlib'} & set(sys.modules)\n"
        "    if heavy: sys.exit(f'{module} imported {heavy}')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_command_loads_no_statistics():
    code = (
        "import sys, similarity_lab.cli\n"
        "sys.exit(', '.join({'sklearn', 'scipy.stats', 'scipy.optimize'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("package", ["metric_learning", "pairs", "siamese", "web"])
def test_lazy_package_has_its_public_names(package):
    module = importlib.import_module(f"similarity_lab.{package}")
    for name in module.__all__:
        assert getattr(module, name) is not None and name in dir(module)
    assert sorted(module.__all__) == sorted(set(module.__all__))
    with pytest.raises(AttributeError, match="attribute.*missing"):
        _ = module.missing


BACKEND = "from similarity_lab.backend import keras; keras.ops.ones(2)"


def test_network_libraries_start_silently():
    run = subprocess.run(
        [sys.executable, "-c", BACKEND], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""


def test_network_libraries_that_fail_show_their_own_messages(tmp_path):
    """TensorFlow writes to stderr from C++: hidden while it starts, shown if it fails."""
    code = "import os; os.write(2, b'native message'); raise RuntimeError('boom')"
    (tmp_path / "keras.py").write_text(code)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, "-c", BACKEND],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1 and "native message" in run.stderr and "boom" in run.stderr
