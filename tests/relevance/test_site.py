"""A site's images are read and decoded once; clutter and repeats among them."""

import io
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from similarity_lab import Site, load_embedder, read_image
from similarity_lab.embedders import CachedEmbedder
from similarity_lab.embedders.base import NetworkEmbedder
from similarity_lab.errors import InputError
from similarity_lab.images import content_digest, opened
from similarity_lab.images.copies import compare_details, copy_thumbnail
from similarity_lab.images.hashing import hash_thumbnail, perceptual_hash
from similarity_lab.relevance import site as site_module
from similarity_lab.relevance.site import (
    CLUTTER_KINDS,
    EmbeddedSite,
    close_pairs,
    find_near_copies,
    find_repeats,
    nearest_pairs,
)
from similarity_lab.report.thumbnails import source_key, write_thumbnails
from similarity_lab.samples import load_image
from similarity_lab.store import unit


@pytest.fixture(scope="module")
def lite0():
    return load_embedder()


@pytest.fixture
def site(tmp_path):
    """Photos, one of them saved twice, a logo, a GIF, a truncated JPEG and text."""
    folder = tmp_path / "site"
    folder.mkdir()
    for number, name in enumerate(("almonds", "dates", "hazelnuts")):
        photo = Image.fromarray(load_image(name, 1, size=(700, 500)))
        photo.save(folder / f"{number}.jpg", quality=90)
    (folder / "again.jpg").write_bytes((folder / "0.jpg").read_bytes() + b"other content")
    flat = np.full((400, 400, 3), 250, np.uint8)
    flat[100:300, 100:200] = (200, 20, 20)
    Image.fromarray(flat).save(folder / "logo.jpg")
    photo.resize((300, 200)).save(folder / "small.gif")
    (folder / "truncated.jpg").write_bytes((folder / "1.jpg").read_bytes()[:9000])
    (folder / "page.jpg").write_text("<html>")
    return Site.from_folder(folder)


@pytest.fixture
def counts(monkeypatch):
    """Count how often each file is opened and how often anything is decoded."""
    reads, decodes = Counter(), Counter()
    open_path, decode_jpeg, load = Path.open, simplejpeg.decode_jpeg, Image.Image.load

    def counted_open(self, mode="r", *args, **kwargs):
        if self.suffix in (".jpg", ".gif") and "r" in mode:
            reads[self.name] += 1
        return open_path(self, mode, *args, **kwargs)

    def counted_jpeg(data, *args, **kwargs):
        decodes[data] += 1
        return decode_jpeg(data, *args, **kwargs)

    monkeypatch.setattr(Path, "open", counted_open)
    monkeypatch.setattr(simplejpeg, "decode_jpeg", counted_jpeg)
    for plugin in ("JpegImagePlugin.JpegImageFile", "GifImagePlugin.GifImageFile"):
        module, name = plugin.split(".")
        cls = getattr(__import__(f"PIL.{module}", fromlist=[name]), name)

        def counted_load(self, *args, _load=cls.load, **kwargs):
            if self.fp is not None and isinstance(self.fp, io.BytesIO):
                decodes[self.fp.getvalue()] += not getattr(self, "_counted", False)
                self._counted = True
            return _load(self, *args, **kwargs)

        monkeypatch.setattr(cls, "load", counted_load)
    del load
    return reads, decodes


def names(site):
    return {path.name for path in site.paths}


def decode_counts(site, decodes):
    """Return how often the content of each readable file was decoded."""
    return {
        path.name: decodes[path.read_bytes()]
        for path in site.paths
        if path.name not in ("truncated.jpg", "page.jpg")
    }


def test_embedded_site_cold_reads_and_decodes_once(site, lite0, counts):
    reads, decodes = counts
    embedded = EmbeddedSite.of(site, lite0, progress=False)
    assert reads == dict.fromkeys(names(site), 1)
    assert set(decode_counts(site, decodes).values()) == {1}
    assert embedded.repeats.sum() == 1
    assert embedded.skipped["reason"].str[:14].tolist() == ["unsupported im", "damaged JPEG: "]


def test_embedded_site_leave_out_and_thumbnails_read_and_decode_once(site, lite0, counts, tmp_path):
    reads, decodes = counts
    embedded = EmbeddedSite.of(
        site, lite0, leave_out=CLUTTER_KINDS, thumbnails=True, progress=False
    )
    assert set(filter(None, embedded.clutter)) == {"graphics"}
    encoded = {source_key(path): each for path, each in embedded.thumbnails.items()}
    readable = [site.paths[index] for index in embedded.embedded.kept]
    thumbnails = write_thumbnails(readable, tmp_path / "thumbs", encoded=encoded, progress=False)
    assert reads == dict.fromkeys(names(site), 1)
    assert set(decode_counts(site, decodes).values()) == {1}
    assert {max(each.width, each.height) for each in thumbnails.values()} == {180}


class FullSize(NetworkEmbedder):
    """Prepares images at their full size, as foundation models do."""

    resizes = True

    def __init__(self):
        super().__init__("full size", 192, (224, 224), "rgb")

    def prepare(self, pixels):
        small = np.asarray(Image.fromarray(pixels).resize((8, 8), Image.Resampling.BOX))
        return small.astype(np.float32)

    def forward(self, pixels):
        return pixels.reshape(len(pixels), -1)


@pytest.mark.parametrize("crops", [(), (0.5,)])
def test_embedded_site_of_full_size_images_decodes_once(site, lite0, counts, crops):
    scaled = EmbeddedSite.of(site, lite0, leave_out=CLUTTER_KINDS, progress=False)
    reads, decodes = counts
    reads.clear()
    decodes.clear()
    embedder = load_embedder(FullSize(), crops=crops)
    embedded = EmbeddedSite.of(
        site, embedder, leave_out=CLUTTER_KINDS, thumbnails=True, progress=False
    )
    assert reads == dict.fromkeys(names(site), 1)
    assert set(decode_counts(site, decodes).values()) == {1}
    assert embedded.clutter == scaled.clutter
    assert len(embedded.thumbnails) == len(embedded.embedded.kept)


def test_embedded_site_cached_is_not_decoded(site, lite0, counts, tmp_path):
    embedder, copies = CachedEmbedder(lite0, tmp_path / "store"), ("again.jpg", "small.gif")
    for index, path in enumerate(site.paths):
        if path.name in copies:  # close vectors need a hash, near ones a comparison of pixels
            continue
        embedder.embed([site.paths[index]], progress=False)
    reads, decodes = counts
    reads.clear()
    decodes.clear()
    others = Site.from_paths([path for path in site.paths if path.name not in copies], name="x")
    EmbeddedSite.of(others, embedder, progress=False)
    assert reads == dict.fromkeys(names(others), 1)
    assert set(decode_counts(others, decodes).values()) == {0}


def test_embedded_site_cached_leave_out_decodes_once(site, lite0, counts, tmp_path):
    embedder = CachedEmbedder(lite0, tmp_path / "store")
    cold = EmbeddedSite.of(site, embedder, leave_out=CLUTTER_KINDS, progress=False)
    reads, decodes = counts
    reads.clear()
    decodes.clear()
    cached = EmbeddedSite.of(site, embedder, leave_out=CLUTTER_KINDS, progress=False)
    assert reads == dict.fromkeys(names(site), 1)
    assert set(decode_counts(site, decodes).values()) == {1}
    assert cached.clutter == cold.clutter and cached.repeats.tolist() == cold.repeats.tolist()


@pytest.mark.parametrize("settings", [{"color": "gray"}, {"runtime": "openvino"}])
def test_embedded_site_clutter_is_independent_of_the_reader(site, lite0, settings):
    expected = EmbeddedSite.of(site, lite0, leave_out=CLUTTER_KINDS, progress=False)
    embedder = load_embedder(**settings)
    result = EmbeddedSite.of(site, embedder, leave_out=CLUTTER_KINDS, progress=False)
    assert result.clutter == expected.clutter


def test_embedded_site_of_arrays_and_bytes(site, lite0, stub):
    sources = [load_image("almonds", 1), site.paths[0].read_bytes(), io.BytesIO(b"text")]
    for embedder in (lite0, stub):
        embedded = EmbeddedSite.of(
            Site.from_paths(sources, name="mixed"),
            embedder,
            leave_out=CLUTTER_KINDS,
            progress=False,
        )
        assert embedded.embedded.kept == [0, 1] and all(embedded.digests)


def test_embedded_site_holds_a_bounded_number_of_images(site, lite0, monkeypatch):
    alive = peak = 0

    class Counted(opened.OpenedImage):
        def __init__(self, *args):
            nonlocal alive, peak
            super().__init__(*args)
            alive += 1
            peak = max(peak, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    monkeypatch.setattr("similarity_lab.relevance.site.OpenedImage", Counted)
    paths = [site.paths[0]] * 600
    EmbeddedSite.of(Site.from_paths(paths, name="many"), lite0, progress=False)
    assert peak < 200 and alive < 10


def hash_of(sources):
    """Return the hash of each source by position."""
    return lambda index: perceptual_hash(hash_thumbnail(read_image(sources[index], size=64)))


def test_find_repeats_resaved_image(tmp_path):
    photo = Image.fromarray(load_image("almonds", 1))
    sources = [tmp_path / f"{n}.jpg" for n in range(4)]
    photo.save(sources[0], quality=95)
    photo.save(sources[1], quality=70)
    photo.resize((photo.width // 2, photo.height // 2)).save(sources[2])
    Image.fromarray(load_image("almonds", 2)).save(sources[3])
    vectors = np.tile(np.ones(4, np.float32), (4, 1))  # an embedder that separates nothing
    digests = [content_digest(path) for path in sources]
    is_repeat = find_repeats(vectors, digests, hash_of(sources))
    assert is_repeat.sum() == 2 and not is_repeat[3], "hashes decide, not the vectors alone"
    assert not is_repeat[int(np.argmin([int(d, 16) for d in digests[:3]]))], "smallest digest"
    order = [3, 1, 0, 2]
    reordered = find_repeats(
        vectors, [digests[i] for i in order], hash_of([sources[i] for i in order])
    )
    np.testing.assert_array_equal(reordered, is_repeat[order])


def test_find_repeats_equal_content(make_image):
    sources = [make_image((9, 9, 9), seed) for seed in (0, 1, 0)]
    digests = [content_digest(source) for source in sources]
    vectors = np.eye(3, dtype=np.float32)
    assert find_repeats(vectors, digests, hash_of(sources)).tolist() == [False, False, True]
    assert find_repeats(vectors[:1], digests[:1], hash_of(sources)).tolist() == [False]


def originals_by_brute_force(angles, hashes, digests):
    """Join every close pair; return the first image of the smallest digest in each group."""
    count = len(angles)
    groups = list(range(count))
    for a in range(count):
        for b in range(count):
            near = 1 - np.cos(angles[a] - angles[b]) <= 1e-3
            same = near and (hashes[a] ^ hashes[b]).bit_count() <= 6
            if same or digests[a] == digests[b]:
                groups = [groups[a] if group == groups[b] else group for group in groups]
    return {
        min((digests[index], index) for index in range(count) if groups[index] == group)[1]
        for group in groups
    }


@st.composite
def look_alikes(draw):
    """Contents with an angle and a hash each; some are shown more than once."""
    hashes = [0, 0b111111, 0b1111111, 0b111111 << 30, 2**64 - 1]
    content = st.tuples(st.integers(0, 8).map(lambda n: n * 0.04), st.sampled_from(hashes))
    contents = draw(st.lists(content, min_size=1, max_size=9))
    order = draw(st.lists(st.integers(0, len(contents) - 1), min_size=1, max_size=14))
    names = draw(st.permutations([f"{index:x}" for index in range(len(contents))]))
    return [(*contents[index], names[index]) for index in order]


@given(images=look_alikes(), block=st.integers(1, 20))
def test_find_repeats_equals_double_loop(images, block):
    angles, hashes, digests = map(list, zip(*images, strict=True))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    is_repeat = find_repeats(vectors, digests, lambda index: np.uint64(hashes[index]), block=block)
    assert set(np.flatnonzero(~is_repeat)) == originals_by_brute_force(angles, hashes, digests)


@pytest.mark.parametrize("block", [3, 50])
def test_close_pairs_equals_double_loop(block):
    angles = np.random.default_rng(0).integers(0, 30, 40) * 0.04
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    pairs = [pair for pairs in close_pairs(vectors, block) for pair in zip(*pairs, strict=True)]
    expected = [
        (a, b)
        for a in range(40)
        for b in range(a + 1, 40)
        if 1 - np.cos(angles[a] - angles[b]) <= 1e-3
    ]
    assert sorted(pairs) == expected


@pytest.mark.parametrize(("bits", "n_originals"), [(0, 1), (6, 1), (7, 2), (64, 2)])
def test_find_repeats_hash_distance(bits, n_originals):
    hashes = np.array([0, 2**bits - 1], np.uint64)
    is_repeat = find_repeats(np.ones((2, 4), np.float32), ["a", "b"], lambda index: hashes[index])
    assert (~is_repeat).sum() == n_originals


def test_find_repeats_memory_with_thousands_of_copies():
    """One image with 2,000 contents: each of two million pairs is close."""
    digests = [f"{number:05x}" for number in range(2000)]
    tracemalloc.start()
    is_repeat = find_repeats(np.ones((2000, 4), np.float32), digests, lambda _: np.uint64(7))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.flatnonzero(~is_repeat).tolist() == [0]
    assert peak < 60 * 2**20


def test_near_copies_are_reported_and_counted_once(lite0, tmp_path):
    """A photo, its copies that hashes miss, and another photo of the same product."""
    photo = Image.fromarray(load_image("almonds", 1, size=(240, 320)))
    framed = Image.new("RGB", (340, 260), "white")
    framed.paste(photo, (10, 10))
    images = {
        "photo.jpg": photo,
        "cropped.jpg": photo.crop((16, 12, 304, 228)),
        "mirrored.jpg": photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "framed.jpg": framed,
        "other.jpg": Image.fromarray(load_image("almonds", 2, size=(240, 320))),
    }
    for name, image in images.items():
        image.save(tmp_path / name, quality=90)
    result = EmbeddedSite.of(Site.from_folder(tmp_path), lite0, progress=False)
    assert not result.repeats.any() and result.near_copies.sum() == 3
    columns, to_references = {"score": np.zeros(5)}, np.zeros((5, 1), np.float32)
    for once, expected in ((True, 3), (False, 0)):
        table = result.table(columns, to_references, ["a.jpg"], None, count_repeats_once=once)
        is_repeated = table["status"] == "repeated"
        assert is_repeated.sum() == expected
        assert (table["reason"][is_repeated] == "near copy of another image").all()
        assert table["status"][3] == "scored"  # other.jpg


def test_copies_are_looked_for_only_if_they_count_once(tmp_path, lite0, monkeypatch):
    photo = Image.fromarray(load_image("almonds", 1, size=(240, 320)))
    for name in ("photo.jpg", "again.jpg"):
        photo.save(tmp_path / name, quality=90)
    photo.crop((16, 12, 304, 228)).save(tmp_path / "cropped.jpg", quality=90)
    folder = Site.from_folder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(site_module, "find_repeats", None)
        site = EmbeddedSite.of(folder, lite0, count_repeats_once=False, progress=False)
    columns, to_references = {"score": np.zeros(3)}, np.zeros((3, 1), np.float32)
    table = site.table(columns, to_references, ["a.jpg"], None, count_repeats_once=False)
    assert table["status"].tolist() == ["scored"] * 3
    with pytest.raises(InputError, match="call with_copies"):
        site.table(columns, to_references, ["a.jpg"], None, count_repeats_once=True)
    at_once = EmbeddedSite.of(folder, lite0, progress=False)
    later = site.with_copies(lite0)
    assert at_once.repeats.sum() == 1 and at_once.near_copies.sum() == 1
    np.testing.assert_array_equal(later.repeats, at_once.repeats)
    np.testing.assert_array_equal(later.near_copies, at_once.near_copies)


def test_cached_near_copies_are_not_decoded_again(site, lite0, counts, tmp_path):
    """Photos of one product are near each other; all are compared once."""
    folder = site.root / "almonds"
    folder.mkdir()
    for number in range(4):
        photo = Image.fromarray(load_image("almonds", number, size=(240, 320)))
        photo.save(folder / f"{number}.jpg")
    photo.crop((16, 12, 304, 228)).save(folder / "cropped.jpg")
    near, embedder = Site.from_folder(folder), CachedEmbedder(lite0, tmp_path / "store")
    first = EmbeddedSite.of(near, embedder, progress=False)
    _, decodes = counts
    decodes.clear()
    again = EmbeddedSite.of(near, CachedEmbedder(lite0, tmp_path / "store"), progress=False)
    assert first.near_copies.sum() == 1 and not decodes
    np.testing.assert_array_equal(again.near_copies, first.near_copies)


def test_find_near_copies_is_independent_of_the_order(lite0):
    photo = load_image("dates", 1, size=(240, 320))
    images = [photo, photo[:, ::-1], photo[12:-12, 16:-16], load_image("dates", 2, size=(240, 320))]
    images = [np.ascontiguousarray(image) for image in images]
    vectors = lite0.embed(images, progress=False).vectors
    digests = [content_digest(image) for image in images]
    thumbnails = [copy_thumbnail(image) for image in images]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        result = find_near_copies(
            vectors[order],
            [digests[index] for index in order],
            lambda pairs, order=order: [
                compare_details(thumbnails[order[a]], thumbnails[order[b]]).is_copy
                for a, b in pairs
            ],
        )
        originals = {order[index] for index in np.flatnonzero(~result)}
        assert originals == {3, min(range(3), key=digests.__getitem__)}


@pytest.mark.parametrize(
    ("names", "n_copies"),
    [
        (["honey", "honey", "honey"], 2),
        (["black pepper", "black cumin", "honey"], 0),
        (["black pepper", "pepper", "honey"], 1),
        (["honey", "cumin", ""], 2),  # an image without a name may be a copy of any
    ],
)
def test_packages_of_other_names_are_no_copies(names, n_copies):
    vectors, digests = np.ones((3, 4), np.float32), ["a", "b", "c"]
    words = [frozenset(name.split()) for name in names]
    result = find_near_copies(vectors, digests, lambda pairs: [True] * len(pairs), names=words)
    assert result.sum() == n_copies


def test_names_beside_images_keep_packages_apart(lite0, tmp_path):
    pack = load_image("dates", 1, size=(240, 320))
    for name, x in (("honey", 0), ("cumin", 1)):
        pixels = pack.copy()
        pixels[110:120, 150:160] = 255 * x
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    paths = sorted(tmp_path.iterdir())
    for alts, n_copies in ((["cumin", "honey"], 0), (["honey 1", "honey 2"], 1), (["", ""], 0)):
        urls = [f"https://shop.example/{path.name}" for path in paths]
        origins = pd.DataFrame({"url": urls, "alt": alts})
        site = Site("shop", tuple(paths), origins=origins)
        assert EmbeddedSite.of(site, lite0, progress=False).near_copies.sum() == n_copies


def test_find_near_copies_of_few_images():
    for count in (0, 1):
        vectors, digests = np.ones((count, 4), np.float32), ["a"] * count
        assert find_near_copies(vectors, digests, lambda _: []).tolist() == [False] * count


@pytest.mark.parametrize("block", [3, 128])
def test_nearest_pairs_equals_double_loop(block):
    vectors = unit(np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))
    expected = set()
    for index, vector in enumerate(vectors):
        distances = 1 - vectors @ vector
        distances[index] = np.inf
        for other in np.argsort(distances)[:3]:
            if distances[other] <= 0.25:
                expected.add((min(index, int(other)), max(index, int(other))))
    assert nearest_pairs(vectors, block) == sorted(expected)
