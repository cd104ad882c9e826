import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab import Site
from similarity_lab.images.hashing import hash_distance
from similarity_lab.report import shared as shared_module
from similarity_lab.report import write_report
from similarity_lab.report.shared import SharedPhoto, count_pairs, find_shared, photo_hash
from similarity_lab.sites import ORIGIN_COLUMNS

RNG = np.random.default_rng(0)


def draw(seed, side=180):
    """Return pixels of a photo-like image: smooth colours and some grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.int16)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def changed(pixels, side):
    """Return the photo at another size, a little brighter."""
    image = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(image, np.int16) + 4, 0, 255).astype(np.uint8)


def find(photos, sites):
    hashes = {name: photo_hash(pixels) for name, pixels in photos.items()}
    return find_shared(hashes, sites, photos.get)


def test_shared_photos_are_found_at_other_sizes_and_others_are_not():
    photos, sites = {}, {}
    for number in range(40):
        photos[f"own-{number}"], sites[f"own-{number}"] = draw(number), [f"shop-{number % 7}"]
    for number in (3, 8, 21):
        photos[f"copy-{number}"] = changed(photos[f"own-{number}"], 120)
        sites[f"copy-{number}"] = ["reseller"]
    photos["again"], sites["again"] = changed(photos["own-5"], 150), ["shop-5"]  # the same shop
    found = find(photos, sites)
    assert {(photo.names, photo.sites) for photo in found} == {
        ((f"copy-{number}", f"own-{number}"), ("reseller", f"shop-{number % 7}"))
        for number in (3, 8, 21)
    }


def test_photo_of_most_sites_comes_first_and_its_sites_are_counted_once():
    photos = {name: draw(1) for name in "ab"} | {"c": draw(2), "d": changed(draw(2), 99)}
    sites = {"a": ["x", "y", "z"], "b": ["x"], "c": ["x"], "d": ["y"]}
    assert find(photos, sites) == [
        SharedPhoto(("a", "b"), ("x", "y", "z")), SharedPhoto(("c", "d"), ("x", "y")),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((180, 180, 3), 240, np.uint8),  # a flat graphic
        draw(3)[:50, :50],  # an icon
        draw(3)[:30],  # a banner
    ],
)
def test_logos_icons_and_banners_are_no_photos(pixels):
    assert photo_hash(pixels) is None


def test_same_hash_of_different_photos_is_not_enough():
    photos = {"a": draw(1), "b": draw(2), "c": changed(draw(2), 90)}
    hashes = dict.fromkeys(photos, np.uint64(5))
    found = find_shared(hashes, {"a": ["x"], "b": ["y"], "c": ["z"]}, photos.get)
    assert found == [SharedPhoto(("b", "c"), ("y", "z"))]


def test_close_hashes_are_found_like_by_comparing_all():
    base = RNG.integers(0, 2**63, 60, dtype=np.uint64)
    flips = [
        sum(1 << int(bit) for bit in RNG.choice(64, RNG.integers(0, 9), replace=False))
        for _ in base
    ]
    hashes = np.concatenate([base, base ^ np.array(flips, np.uint64)])
    distances = hash_distance(hashes[:, None], hashes[None])
    found = shared_module._neighbours(hashes)
    for later in range(len(hashes)):
        before = distances[later, :later]
        sure, close = (
            set(np.flatnonzero(before <= bits).tolist())
            for bits in (shared_module.SAME_BITS, shared_module.CLOSE_BITS)
        )
        assert sure <= set(found.get(later, [])) <= close


def test_number_of_comparisons_does_not_grow_with_the_square(monkeypatch):
    """Thousands of different photos with one hash: each is compared with a few only."""
    calls = []
    monkeypatch.setattr(shared_module, "_is_same", lambda a, b: calls.append(1) and False)
    monkeypatch.setattr(shared_module, "copy_thumbnail", lambda pixels: pixels)
    count = 3000
    hashes = {f"{number:05}": np.uint64(7) for number in range(count)}
    assert find_shared(hashes, {name: [name] for name in hashes}, lambda name: name) == []
    assert len(calls) <= 12 * count


def test_pairs_of_sites_are_counted_and_photos_of_everybody_are_not():
    many = tuple(f"{number:03}" for number in range(shared_module.MAX_SITES_OF_PAIRS + 1))
    photos = [SharedPhoto(("a",), ("x", "y", "z")), SharedPhoto(("b",), ("x", "y")),
              SharedPhoto(("c",), many)]  # fmt: skip
    assert count_pairs(photos) == {("x", "y"): 2, ("x", "z"): 1, ("y", "z"): 1}


@pytest.fixture
def resold(scorer, sites):
    """Decisions on two shops, one of which shows three photos of the other, scaled down."""
    for name in ("01.jpg", "02.jpg", "03.jpg"):
        Image.fromarray(draw(int(name[:2]), 200)).save(sites / "nut-shop" / name, quality=95)
        Image.fromarray(changed(draw(int(name[:2]), 200), 150)).save(sites / "date-shop" / name)
    results = []
    for name in ("nut-shop", "date-shop"):
        site = Site.from_folder(sites / name)
        origins = pd.DataFrame(
            {"path": site.paths, "product": "=Raw <b>almonds</b>", "price": 3.5, "currency": "EUR"}
        ).reindex(columns=ORIGIN_COLUMNS)
        site = Site(site.name, site.paths, site.skipped, site.root, origins)
        results += scorer.decide_each([site], targets=["almonds", "dates"])
    return results


def test_report_lists_shared_photos_and_changes_no_decision(resold, sites, tmp_path):
    before = [result.probability for result in resold]
    index = write_report(resold, tmp_path / "report", progress=False)
    assert [result.probability for result in resold] == before
    folder = index.parent
    photos = pd.read_csv(folder / "shared_photos.csv")
    assert photos["photo"].nunique() == 3 and set(photos["n_sites"]) == {2}
    assert sorted(photos["site"].unique()) == ["date-shop", "nut-shop"] and len(photos) == 6
    assert set(photos["product"]) == {"'=Raw <b>almonds</b>"} and set(photos["price"]) == {3.5}
    assert all((folder / name).is_file() for name in photos["thumbnail"])
    (pair,) = pd.read_csv(folder / "shared_suppliers.csv").itertuples(index=False)
    assert {pair.site, pair.other_site} == {"date-shop", "nut-shop"} and pair.n_shared == 3
    html = (folder / "shared.html").read_text("utf-8")
    assert html.count("on 2 sites") == 3 and "=Raw &lt;b&gt;almonds&lt;/b&gt;" in html
    assert "<b>almonds" not in html and "3.50 EUR" in html
    assert '<a href="shared.html">3 photos</a>' in index.read_text("utf-8")
    for page in (folder / "sites").iterdir():
        assert page.read_text("utf-8").count("also seen on 1 other site<") >= 3


def test_report_without_shared_photos_has_no_page_of_them(resold, results, tmp_path):
    folder = write_report(resold, tmp_path / "report", progress=False).parent
    shutil.rmtree(folder / "thumbs")
    index = write_report(results[:1], folder, progress=False)
    assert not list(folder.glob("shared*")) and "shared.html" not in index.read_text("utf-8")
