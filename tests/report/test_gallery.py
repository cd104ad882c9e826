from html.parser import HTMLParser

import numpy as np

from similarity_lab.report.gallery import MAX_BYTES, gallery


def test_shows_the_deciding_images_and_needs_no_file(results):
    result = results[0]
    page = result._repr_html_()
    assert result.decision in page and "data:image/jpeg;base64," in page
    assert page.count("<li class=") == min(8, result.n_scored)
    assert 'src="data:' in page and "http" not in page and "<script" not in page


def test_stays_small_whatever_the_pictures(scorer, make_photo, tmp_path):
    rng, paths = np.random.default_rng(0), []
    for number in range(12):  # noise is what JPEG stores worst
        path = tmp_path / f"{number}{'x' * 200}.png"
        make_photo((150, 90, 50), number, (400, 400)).save(path)
        paths.append(path)
    images = [rng.integers(0, 256, (300, 300, 3), dtype=np.uint8) for _ in range(20)]
    for sources in (images, paths):
        page = gallery(scorer.decide(sources), n=40)
        assert len(page.encode()) <= MAX_BYTES
    assert gallery(scorer.decide(images), n=40).count("stays small") > 0


def test_hostile_words_stay_words(hostile):
    class Tags(HTMLParser):
        seen = ()

        def handle_starttag(self, tag, attributes):
            self.seen = (*self.seen, tag)
            assert not any(name.startswith("on") for name, _ in attributes)

    tags = Tags()
    tags.feed(gallery(hostile[0]))
    assert "script" not in tags.seen and "a" not in tags.seen
