import re
from html.parser import HTMLParser

import pytest

from similarity_lab import RelevanceScorer, Site
from similarity_lab.report import write_report


class Page(HTMLParser):
    """Collects what a browser would load, run or show."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.images, self.text, self.links, self.ids = [], [], [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        self.ids.add(values.get("id"))
        assert not any(name.startswith("on") for name in values)
        if tag == "img":
            assert values["alt"]
            self.images.append(values["src"])
        if tag == "a":
            self.links.append(values["href"])

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def results(library, sites, stub, tmp_path):
    scorer = RelevanceScorer("almonds", method="mean-distance", embedder=stub, progress=False).fit(
        library
    )
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.jpg").write_text("no")
    (sites / "nut-shop" / "index.html").write_text("<html>")
    return list(scorer.score_each([sites / "nut-shop", sites / "date-shop", tmp_path / "words"]))


def test_page_holds_decisions_and_evidence(results, tmp_path):
    index = write_report(results, tmp_path / "report", title="Who sells almonds?")
    page = Page(index.read_text("utf-8"))
    text = re.sub(r"\s+", " ", " ".join(page.text))
    for words in (
        "Who sells almonds?", "nut-shop", "relevant", "irrelevant", "no decision", "4 of 10",
        "index.html: is not a picture we read: it holds HTML", "none of its 1 files",
    ):  # fmt: skip
        assert words in text
    assert set(page.links) <= {f"#{name}" for name in page.ids}
    assert len(page.images) == 40
    for source in page.images:
        assert (tmp_path / "report" / source).is_file()


def test_page_needs_no_network_and_runs_nothing(results, tmp_path):
    page = Page(write_report(results, tmp_path).read_text("utf-8"))
    assert not {"script", "iframe", "object", "link", "form"} & set(page.tags)
    assert all(source.startswith("thumbnails/") for source in page.images)


def test_hostile_names_do_nothing(library, stub, make_photo, tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    make_photo((150, 90, 50)).save(folder / '"><img src=x onerror=alert(1)>.png')
    scorer = RelevanceScorer("almonds", method="mean-distance", embedder=stub, progress=False).fit(
        library
    )
    site = Site.from_folder(folder, name="<script>alert(1)</script>{{ 7 * 7 }}")
    out = tmp_path / "report"
    page = Page(write_report([scorer.score(site)], out, title="<b>").read_text("utf-8"))
    assert "script" not in page.tags and "b" not in page.tags[:9]
    assert "<script>alert(1)</script>{{ 7 * 7 }}" in "".join(page.text)
    assert sorted(p.name for p in (out / "thumbnails").iterdir()) == [
        "0000-0000.jpg",
        "reference-0000.jpg",
    ]
