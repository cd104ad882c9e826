"""Each image of a site is read once and decoded once."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from similarity_lab import Site, load_embedder
from similarity_lab.embedders import CachedEmbedder
from similarity_lab.images import opened
from similarity_lab.relevance.site import EmbeddedSite
from similarity_lab.report.thumbnails import source_key, write_thumbnails
from similarity_lab.samples import load_image

KINDS = ("icons", "banners", "graphics")


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


def decoded(site, decodes):
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
    assert set(decoded(site, decodes).values()) == {1}
    assert embedded.repeats.sum() == 1
    assert embedded.skipped["reason"].str[:14].tolist() == ["unsupported im", "damaged JPEG: "]


def test_embedded_site_leave_out_and_thumbnails_read_and_decode_once(site, lite0, counts, tmp_path):
    reads, decodes = counts
    embedded = EmbeddedSite.of(site, lite0, leave_out=KINDS, thumbnails=True, progress=False)
    assert set(filter(None, embedded.clutter)) == {"graphics"}
    encoded = {source_key(path): each for path, each in embedded.thumbnails.items()}
    kept = [site.paths[index] for index in embedded.embedded.kept]
    thumbnails = write_thumbnails(kept, tmp_path / "thumbs", encoded=encoded, progress=False)
    assert reads == dict.fromkeys(names(site), 1)
    assert set(decoded(site, decodes).values()) == {1}
    assert {max(each.width, each.height) for each in thumbnails.values()} == {180}


def test_embedded_site_cached_is_not_decoded(site, lite0, counts, tmp_path):
    embedder = CachedEmbedder(lite0, tmp_path / "store")
    for index, path in enumerate(site.paths):
        if path.name == "again.jpg":  # close vectors need a hash, which needs the pixels
            continue
        embedder.embed([site.paths[index]], progress=False)
    reads, decodes = counts
    reads.clear()
    decodes.clear()
    others = Site.from_paths([path for path in site.paths if path.name != "again.jpg"], name="x")
    EmbeddedSite.of(others, embedder, progress=False)
    assert reads == dict.fromkeys(names(others), 1)
    assert set(decoded(others, decodes).values()) == {0}


def test_embedded_site_cached_leave_out_decodes_once(site, lite0, counts, tmp_path):
    embedder = CachedEmbedder(lite0, tmp_path / "store")
    cold = EmbeddedSite.of(site, embedder, leave_out=KINDS, progress=False)
    reads, decodes = counts
    reads.clear()
    decodes.clear()
    cached = EmbeddedSite.of(site, embedder, leave_out=KINDS, progress=False)
    assert reads == dict.fromkeys(names(site), 1)
    assert set(decoded(site, decodes).values()) == {1}
    assert cached.clutter == cold.clutter and cached.repeats.tolist() == cold.repeats.tolist()


@pytest.mark.parametrize("settings", [{"color": "gray"}, {"runtime": "openvino"}])
def test_embedded_site_clutter_is_independent_of_the_reader(site, lite0, settings):
    expected = EmbeddedSite.of(site, lite0, leave_out=KINDS, progress=False)
    embedder = load_embedder(**settings)
    result = EmbeddedSite.of(site, embedder, leave_out=KINDS, progress=False)
    assert result.clutter == expected.clutter


def test_embedded_site_of_arrays_and_bytes(site, lite0, stub):
    sources = [load_image("almonds", 1), site.paths[0].read_bytes(), io.BytesIO(b"text")]
    for embedder in (lite0, stub):
        embedded = EmbeddedSite.of(
            Site.from_paths(sources, name="mixed"), embedder, leave_out=KINDS, progress=False
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
