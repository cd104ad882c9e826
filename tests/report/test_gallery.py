from html.parser import HTMLParser

import numpy as np

from similarity_lab.relevance import library_report
from similarity_lab.report.gallery import MAX_BYTES, render_gallery

from .conftest import ByColour


def test_gallery_shows_the_deciding_images_without_files(results):
    result = results[0]
    page = result._repr_html_()
    assert page == render_gallery(result)
    assert result.summary() in page and "data:image/jpeg;base64," in page
    assert page.count("<small><bdi>") == len(result.deciding(8, n_closest=8)) > 0
    assert 'src="data:' in page and "http" not in page and "<script" not in page


def test_gallery_shows_evidence_of_images_and_words(scorer, with_texts):
    page = render_gallery(scorer.decide(with_texts("nut-shop", ["Almonds", "Dates"])))
    assert "1 text names almonds, 1 names another product; this is" in page
    assert "✓ names almonds (alt)" in page and "names dates, not almonds (alt)" in page
    assert "Estimated share of the catalogue" in page and "Learned from 6 reference images" in page


def test_views_need_neither_styles_nor_drawings(results, library):
    """What an untrusted notebook keeps: tags, sizes of images and inline styles."""

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attributes):
            assert tag not in ("style", "svg", "script", "link", "form", "button")
            if tag != "table":  # pandas gives its tables a class, which means nothing here
                assert "class" not in dict(attributes)
            if tag == "img":
                assert {"width", "height", "alt"} <= dict(attributes).keys()

    views = [results[0]._repr_html_(), library_report(library, embedder=ByColour(), progress=False)]
    for view in (views[0], views[1]._repr_html_()):
        Tags().feed(view)


def test_gallery_size_is_limited(scorer, make_image, tmp_path):
    rng, paths = np.random.default_rng(0), []
    for number in range(12):  # noise compresses worst
        path = tmp_path / f"{number}{'x' * 200}.png"
        make_image((150, 90, 50), number, (400, 400)).save(path)
        paths.append(path)
    images = [rng.integers(0, 256, (300, 300, 3), dtype=np.uint8) for _ in range(20)]
    for sources in (images, paths):
        page = render_gallery(scorer.decide(sources), n_images=40)
        assert len(page.encode()) <= MAX_BYTES
    assert render_gallery(scorer.decide(images), n_images=40).count("limit the size") > 0


def test_gallery_escapes_untrusted_text(hostile):
    class Tags(HTMLParser):
        names = ()

        def handle_starttag(self, tag, attributes):
            self.names = (*self.names, tag)
            assert not any(name.startswith("on") for name, _ in attributes)

    tags = Tags()
    tags.feed(render_gallery(hostile[0]))
    assert "img" in tags.names and "script" not in tags.names and "a" not in tags.names
