"""The targets of tools/fuzz.py: valid and slightly damaged inputs pass, broken promises are seen.

Atheris itself is not needed here; CONTRIBUTING.md says how to fuzz for hours.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lxml", reason='needs the extra: pip install "similarity_lab[web]"')

ROOT = Path(__file__).parents[2]
KINDS = ("images", "archives", "pages", "lists", "texts", "copies")


@pytest.fixture
def targets(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("fuzz_targets")


@pytest.mark.parametrize("kind", KINDS)
def test_seed_passes(targets, kind):
    problems, seeds = targets.TARGETS[kind]
    for seed in seeds():
        assert list(problems(seed)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_seed_keeps_the_promise(targets, kind):
    """A few dozen inputs with flipped, missing and repeated bytes, the same in every run."""
    problems, seeds = targets.TARGETS[kind]
    for number in range(40):
        rng = np.random.default_rng(number)
        seed = seeds()[number % len(seeds())]
        data = np.frombuffer(seed, np.uint8).copy()
        data[rng.integers(0, len(data), 8)] = rng.integers(0, 256, 8)
        cut = int(rng.integers(len(data)))
        damaged = (data.tobytes(), data[:cut].tobytes(), data[cut:].tobytes() * 2)[number % 3]
        assert list(problems(damaged)) == [], f"{kind} {number}"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests/repo/fuzz").glob("*/*")), ids=lambda p: p.name
)
def test_regression_input_passes(targets, path):
    """What the fuzzer once found; the name of the folder is that of the target."""
    problems, _ = targets.TARGETS[path.parent.name]
    assert list(problems(path.read_bytes())) == []


def test_wrong_shape_is_seen(targets, monkeypatch):
    monkeypatch.setitem(targets.READERS, "read_image, gray", (targets.read_image, (9, 7, 1)))
    (problem,) = targets.images(targets.image_seeds()[0])
    assert problem == "read_image, gray: returned (48, 64, 3) uint8"


def test_foreign_exception_is_seen(targets, monkeypatch):
    monkeypatch.setitem(targets.READERS, "read_image", (lambda _: 1 / 0, None))
    with pytest.raises(ZeroDivisionError):
        list(targets.images(targets.image_seeds()[0]))


def test_excessive_memory_and_disagreement_are_seen(targets, monkeypatch):
    def refuse(_):
        raise targets.ImageError("<bytes>", "damaged") from MemoryError()

    monkeypatch.setitem(targets.READERS, "read_image", (refuse, None))
    memory, disagreement = targets.images(targets.image_seeds()[0])
    assert "more memory than allowed" in memory and "readers disagree" in disagreement
