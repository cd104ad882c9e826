import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer
from similarity_lab.report import thumbnails as thumbnails_module
from similarity_lab.report import write_report
from similarity_lab.sites import ORIGIN_COLUMNS


class Page(HTMLParser):
    """Collects what a browser would load, run or show."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.tags, self.images, self.scripts, self.styles, self.links = [], [], [], [], []
        self.words = []
        self.feed(path.read_text("utf-8"))
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        assert not any(name.startswith("on") or name == "style" for name in values)
        if tag == "img":
            assert values["alt"] and values["width"] and values["height"]
            assert values["loading"] == "lazy"
            self.images.append(values["src"])
        if tag == "a":
            self.links.append(values)
        if tag == "script":
            self.scripts.append(values["src"])
        if tag == "link":
            self.styles.append(values["href"])

    def handle_data(self, data):
        self.words.append(data)


def pages(index):
    return [Page(index), *(Page(path) for path in sorted((index.parent / "sites").iterdir()))]


@pytest.fixture
def index(results, tmp_path):
    return write_report(results, tmp_path / "report", title="Who sells it?", progress=False)


def test_the_table_ranks_all_decisions_and_failures(index, results):
    page = Page(index)
    rows = index.read_text("utf-8").split("<tr ")[1:]
    assert len(rows) == 5
    chances = [float(row.split('data-value="')[2].split('"')[0]) for row in rows[:4]]
    assert chances == sorted((r.probability for r in results[:4]), reverse=True)
    assert "broken.example" in rows[4] and "no answer within 30 s" in rows[4]
    matches = {f"{r.n_matches} of {r.n_scored}" for r in results[:4]}
    for words in ("Who sells it?", "nut-shop", "✓ relevant", "– no decision", *matches):
        assert words in page.text
    assert page.images == []  # the table of a thousand sites must not load their pictures


def test_a_page_shows_every_image_and_why_others_do_not_count(index, results):
    result = next(r for r in results if (r.site, r.target) == ("nut-shop", "almonds"))
    (path,) = (index.parent / "sites").glob("nut-shop-almonds-*.html")
    page = Page(path)
    scored = result.images[result.images["status"] == "scored"]
    for name in scored["path"].map(lambda path: path.name):
        assert name in page.text
    # each scored image and its nearest reference, and the repeated one
    assert len(page.images) == 2 * len(scored) + 1
    for words in (
        "again.jpg", "repeated: the same picture as another one",
        "index.html", "unreadable: is not a picture we read: it holds HTML",
        f"{result.share:.0%} (95 % interval {result.interval[0]:.0%} to {result.interval[1]:.0%})",
        "prior share 0.25", "embedder directions of colours",
        f"numpy {np.__version__}", "for: odds ×",
    ):  # fmt: skip
        assert words in page.text
    assert str(index.parents[1]) not in path.read_text("utf-8")  # nothing of this machine


def test_pages_load_nothing_but_their_own_files(index):
    for page in pages(index):
        assert not {"iframe", "object", "base", "embed", "style"} & set(page.tags)
        for reference in [*page.images, *page.scripts, *page.styles]:
            assert (page.path.parent / reference).resolve().is_relative_to(index.parent.resolve())
            assert (page.path.parent / reference).is_file()
        for link in page.links:
            if not link["href"].startswith("#"):
                assert (page.path.parent / link["href"]).is_file()
        assert page.scripts == (["report.js"] if page.path == index else [])
        assert "default-src 'none'" in page.path.read_text("utf-8")


def test_each_picture_is_stored_once_and_small(index, results):
    shown = {source for page in pages(index) for source in page.images}
    thumbs = sorted((index.parent / "thumbs").iterdir())
    assert {f"../thumbs/{path.name}" for path in thumbs} == shown
    assert len(thumbs) < 2 * 21  # 21 images of two sites, for two targets, and references
    for path in thumbs:
        with Image.open(path) as picture:
            assert picture.format == "JPEG" and max(picture.size) <= thumbnails_module.SIDE


def test_writing_again_makes_no_thumbnail_twice_and_clears_what_is_old(index, results, monkeypatch):
    folder = index.parent
    broken = sorted((folder / "thumbs").iterdir())[0]
    broken.write_bytes(b"cut off")
    (folder / "thumbs" / "mine.txt").write_text("not the report's")
    made = []
    encoded = thumbnails_module.encoded
    monkeypatch.setattr(
        thumbnails_module, "encoded", lambda *given: made.append(given[0]) or encoded(*given)
    )
    write_report(results, folder, progress=False)
    # sources that hold the same picture may meet at the one that is missing
    assert len(set(made)) == 1 and Image.open(broken).size
    few = [r for r in results if (r.site, r.target) == ("nut-shop", "dates")]
    write_report(few, folder, progress=False)
    assert len(list((folder / "sites").iterdir())) == 1
    shown = {source for page in pages(index) for source in page.images}
    kept = {path.name for path in (folder / "thumbs").iterdir()}
    assert kept == {source.removeprefix("../thumbs/") for source in shown} | {"mine.txt"}


def test_a_picture_that_is_gone_is_said_not_fatal(results, sites, tmp_path):
    (sites / "nut-shop" / "03.jpg").unlink()
    index = write_report(results, tmp_path / "report", progress=False)
    (path,) = (index.parent / "sites").glob("nut-shop-almonds-*.html")
    assert "no picture of 03.jpg: no such file" in Page(path).text


def test_sites_of_one_name_have_pages_of_their_own(results, tmp_path):
    index = write_report([results[0], results[0]], tmp_path / "report", progress=False)
    assert len(list((index.parent / "sites").iterdir())) == 2
    assert len({link["href"] for link in Page(index).links} - {"#main"}) == 2


def test_origins_are_shown_and_only_web_addresses_are_links(results, tmp_path):
    result = results[0]
    rows = [
        [path, "https://shop.example/a.jpg", "ftp://shop.example/", "Fine nuts", None, ""]
        for path in result.images["path"]
    ]
    result = replace(result, origins=pd.DataFrame(rows, columns=ORIGIN_COLUMNS))
    index = write_report([result], tmp_path / "report", progress=False)
    page = pages(index)[1]
    assert "“ Fine nuts ”" in page.text and "ftp://shop.example/" in page.text
    outside = [link for link in page.links if "://" in link["href"]]
    assert {link["href"] for link in outside} == {"https://shop.example/a.jpg"}
    for link in outside:
        assert link["rel"] == "noopener noreferrer nofollow"
        assert link["referrerpolicy"] == "no-referrer"


def test_the_original_rule_has_distances_and_no_odds(library, sites, stub, tmp_path):
    scorer = RelevanceScorer("almonds", rule="mean-distance", embedder=stub, progress=False)
    results = [scorer.fit(library).decide(sites / "nut-shop")]
    page = pages(write_report(results, tmp_path / "report", progress=False))[1]
    assert "distance at most" in page.text and "odds" not in page.text.lower()


def test_hostile_names_are_words(hostile, tmp_path):
    index = write_report(hostile, tmp_path / "report", title="<b>", progress=False)
    for page in pages(index):
        assert "b" not in page.tags[:12] and "iframe" not in page.tags
        assert "[U+202E]" in page.text or page.path == index
        assert "{{ 7 * 7 }}" in page.text
        for link in page.links:
            assert not re.match(r"(javascript|data):", link["href"])
            assert "@" not in link["href"]
        text = page.path.read_text("utf-8")
        unseen = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs")}
        assert unseen <= {"\n"}
    names = [path.name for path in index.parent.rglob("*") if path.is_file()]
    assert all(re.fullmatch(r"[a-z0-9.-]{1,120}", name) for name in names)
    assert all(path.resolve().is_relative_to(index.parent.resolve()) for path in
               index.parent.rglob("*"))  # fmt: skip


def test_no_result_at_all_is_a_page_too(tmp_path):
    assert "0" not in Page(write_report([], tmp_path / "report", progress=False)).tags
