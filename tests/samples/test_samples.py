"""Generated photos: what `draw` promises, and that the samples on disk are what the truth says."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab.samples import OTHERS, PRODUCTS, draw, make_samples, writing
from similarity_lab.samples.sites import RECIPES, TARGET, plan_library, plan_site

SMALL = (96, 128)


@pytest.mark.parametrize("subject", [*PRODUCTS, *OTHERS])
def test_every_subject_is_drawn_and_follows_its_seed(subject):
    photo = draw(subject, seed=3, size=SMALL)
    assert photo.shape == (*SMALL, 3)
    assert photo.dtype == np.uint8
    assert photo.std() > 8  # not flat
    assert np.array_equal(photo, draw(subject, seed=3, size=SMALL))
    assert np.abs(photo.astype(int) - draw(subject, seed=4, size=SMALL)).mean() > 5


@pytest.mark.parametrize("subject", PRODUCTS)
def test_every_way_to_show_a_product_can_be_drawn(subject):
    for seed in range(13):
        assert draw(subject, seed=seed, size=(40, 32)).shape == (40, 32, 3)


def test_default_size_is_square():
    assert draw("logo", seed=0).shape == (320, 320, 3)


def test_unknown_subject_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'walnuts'.*almonds.*sunflower oil.*scene"):
        draw("walnuts", seed=0)


@pytest.mark.parametrize("wrong", [{"size": (320, 8)}, {"seed": -1}])
def test_bad_size_or_seed_is_refused(wrong):
    with pytest.raises(ValueError, match="at least 32 pixels"):
        draw("almonds", **{"seed": 0, **wrong})


def test_import_is_light():
    code = (
        "import sys, similarity_lab.samples;"
        "sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("seed", range(5))
def test_plans_keep_their_promises(seed):
    library = plan_library(seed, 4)
    sites = {recipe: plan_site(seed, recipe) for recipe in RECIPES}
    assert sum(recipe.relevant for recipe in RECIPES) * 2 == len(RECIPES) == 8
    seeds = [shot.seed for shots in [library, *sites.values()] for shot in shots]
    assert len(set(seeds)) == len(seeds)  # no photo of a site is in the library
    assert sum(shot.truncated for shots in sites.values() for shot in shots) == 1
    for recipe, shots in sites.items():
        shown = [shot.subject for shot in shots if not shot.truncated]
        share = shown.count(TARGET) / len(shown)
        assert 14 <= len(shown) <= 24
        assert (0.30 <= share <= 0.75) if recipe.relevant else (share <= 0.08)
        stems = [shot.path.split("/")[-1].split(".")[0] for shot in shots]
        assert stems == [f"{k:03d}" for k in range(1, len(shots) + 1)]
        assert all(200 <= side <= 480 for shot in shots for side in shot.size)
    endings = {shot.path.rsplit(".", 1)[1] for shots in sites.values() for shot in shots}
    assert endings == {"jpg", "png", "webp"}
    assert any(shot.size[0] != shot.size[1] for shots in sites.values() for shot in shots)
    by_name = {recipe.name: {s.subject for s in shots} for recipe, shots in sites.items()}
    assert by_name["hazel-and-shell"] <= {"hazelnuts", "peanuts", *OTHERS}
    assert by_name["blue-harbour-outfitters"] <= set(OTHERS)


@pytest.fixture
def drawn(monkeypatch):
    """Replace the drawing by cheap noise and keep what was asked for."""
    calls = []

    def noise(subject, *, seed, size):
        calls.append((subject, seed, size))
        return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8) // 8 * 8

    def smaller(path, subject, seed, size, truncated=False):
        return writing.Shot(path, subject, seed, (size[0] // 5, size[1] // 5), truncated)

    monkeypatch.setattr(writing, "draw", noise)
    for name in ("plan_library", "plan_site"):
        plan = getattr(writing, name)
        monkeypatch.setattr(
            writing, name, lambda *a, plan=plan: [smaller(**vars(shot)) for shot in plan(*a)]
        )
    return calls


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_layout_and_truth(drawn, tmp_path):
    samples = make_samples(tmp_path / "new", seed=1, photos_per_product=2, progress=False)
    library = sorted(p.relative_to(samples.library) for p in samples.library.rglob("*.jpg"))
    names = [f"{name}/{k:03d}.jpg" for name in [*PRODUCTS, "random"] for k in range(2)]
    assert [p.as_posix() for p in library] == sorted(names)
    assert samples.target == TARGET == "almonds"
    assert [site.name for site in samples.sites] == sorted(recipe.name for recipe in RECIPES)
    truth = samples.truth
    assert list(truth.columns) == ["site", "target", "n_images", "n_target", "relevant"]
    assert truth.relevant.dtype == bool
    pd.testing.assert_frame_equal(truth, pd.read_csv(samples.folder / "sites.csv"))
    broken = []
    for row, site in zip(truth.itertuples(), samples.sites, strict=True):
        assert row.site == site.name
        files = sorted(site.iterdir())
        bad = [path for path in files if not loads(path)]
        broken += bad
        assert row.n_images == len(files) - len(bad)
    assert len(broken) == 1
    assert broken[0].suffix == ".jpg"
    # The truth, from what was really asked of the drawing: library and truncated image aside
    asked = [subject for subject, _, _ in drawn].count(TARGET)
    assert truth.n_target.sum() == asked - 2 - 1


def loads(path):
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


def test_same_seed_same_bytes_other_seed_other_bytes(drawn, tmp_path):
    for name, seed in [("a", 0), ("b", 0), ("c", 7)]:
        make_samples(tmp_path / name, seed=seed, photos_per_product=1, progress=False)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_finished_samples_are_reused_and_mended(drawn, tmp_path):
    first = make_samples(tmp_path, photos_per_product=1, progress=False)
    before = contents(tmp_path)
    drawn.clear()
    again = make_samples(tmp_path, photos_per_product=1, progress=False)
    assert not drawn
    pd.testing.assert_frame_equal(again.truth, first.truth)
    next(first.sites[0].iterdir()).unlink()
    make_samples(tmp_path, photos_per_product=1, progress=False)
    assert len(drawn) == 1
    assert contents(tmp_path) == before


def test_marker_is_written_last(drawn, tmp_path, monkeypatch):
    def fails(*_args, **_kwargs):
        raise RuntimeError("out of paint")

    monkeypatch.setattr(writing, "draw", fails)
    with pytest.raises(RuntimeError, match="out of paint"):
        make_samples(tmp_path / "new", photos_per_product=1, progress=False)
    with pytest.raises(ValueError, match="broken off"):
        make_samples(tmp_path / "new", photos_per_product=1, progress=False)


def test_foreign_folder_is_left_alone(drawn, tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(ValueError, match="not empty.*name a new folder"):
        make_samples(tmp_path, progress=False)
    with pytest.raises(ValueError, match="is a file"):
        make_samples(tmp_path / "mine.txt", progress=False)
    assert contents(tmp_path) == {"mine.txt": b"keep me"}
    assert not drawn


@pytest.mark.parametrize("marker", ["{", json.dumps({"seed": 5})])
def test_samples_of_other_settings_are_left_alone(drawn, tmp_path, marker):
    (tmp_path / "samples.json").write_text(marker)
    with pytest.raises(ValueError, match="holds other samples"):
        make_samples(tmp_path, progress=False)
    assert not drawn


@pytest.mark.parametrize("wrong", [{"photos_per_product": 0}, {"seed": -1}])
def test_bad_settings_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="photos_per_product >= 1 and seed >= 0"):
        make_samples(tmp_path, **wrong)


def test_truncated_photo_cannot_be_read(tmp_path):
    shots = [shot for recipe in RECIPES for shot in plan_site(0, recipe) if shot.truncated]
    (tmp_path / shots[0].path).parent.mkdir(parents=True)
    writing._write(tmp_path, shots[0])
    with Image.open(tmp_path / shots[0].path) as image, pytest.raises(OSError, match="truncated"):
        image.load()


@pytest.mark.slow
def test_real_photos_on_disk(tmp_path):
    samples = make_samples(tmp_path, photos_per_product=1, progress=False)
    for shot in plan_library(0, 1)[:3]:
        with Image.open(tmp_path / shot.path) as image:
            expected = draw(shot.subject, seed=shot.seed, size=shot.size)
            assert np.abs(np.asarray(image, int) - expected).mean() < 6  # JPEG's own loss
    assert sum(not loads(path) for site in samples.sites for path in site.iterdir()) == 1
