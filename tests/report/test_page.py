import os
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer, Site
from similarity_lab.errors import InputTypeError
from similarity_lab.relevance import SiteFailure, SiteRelevance
from similarity_lab.report import thumbnails as thumbnails_module
from similarity_lab.report import write_report
from similarity_lab.report.views import SYMBOLS
from similarity_lab.sites import ORIGIN_COLUMNS

from .conftest import CALIBRATION, ByColour


class Page(HTMLParser):
    """Collects what a browser would load, run or display."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.tags, self.images, self.scripts, self.styles, self.links = [], [], [], [], []
        self.texts = []
        self.feed(path.read_text("utf-8"))
        self.text = re.sub(r"\s+", " ", " ".join(self.texts))

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
        self.texts.append(data)


def pages(index):
    return [Page(index), *(Page(path) for path in sorted((index.parent / "sites").iterdir()))]


@pytest.fixture
def index(results, tmp_path):
    return write_report(results, tmp_path / "report", title="Who sells it?", progress=False)


def test_index_ranks_the_results_of_each_target(index, results):
    page = Page(index)
    assert page.tags.count("section") == 2 and page.tags.count("table") == 2
    _, almonds, dates = index.read_text("utf-8").split("<section ")
    for section, target in ((almonds, "almonds"), (dates, "dates")):
        offered = [float(re.search(r'class="number" data-value="(.*?)"', row)[1])
                   for row in rows_of(section) if "sites/" in row]  # fmt: skip
        expected = [r.offered for r in results[:4] if r.target == target]
        assert offered == sorted(expected, reverse=True)
    assert "broken.example" in rows_of(almonds)[-1] and len(rows_of(almonds)) == 3
    assert "no answer within 30 s" in rows_of(almonds)[-1]
    matches = {f"{r.n_matches} of {r.n_scored}" for r in results[:4]}
    decisions = {f"{SYMBOLS[r.decision]} {r.decision}" for r in results[:4]}
    for text in ("Who sells it?", "nut-shop", "– no decision", *decisions, *matches):
        assert text in page.text
    for text in (
        "P(sells)",
        "Evidence",
        "images × ",
        "images ÷ ",
        "Learned from 6 reference images",
    ):
        assert text in page.text
    assert "Named by text" not in page.text  # these images have no texts
    assert page.images == []  # a table of a thousand sites must not load their images


def rows_of(section):
    return section.split("<tr data-")[1:]


def test_index_separates_sites_without_evidence_and_failures(scorer, sites, make_image, tmp_path):
    make_image((10, 200, 240), 1).save(tmp_path / "logo.png")
    lone = scorer.decide(Site.from_paths([tmp_path / "logo.png"], name="one-logo"))
    failure = SiteFailure("broken.example", "almonds", "no answer within 30 s")
    shops = [scorer.decide(sites / name) for name in ("date-shop", "nut-shop")]
    html = write_report([failure, lone, *shops], tmp_path / "report", progress=False).read_text()
    order = ["nut-shop", "date-shop", "Too little seen to say anything", "one-logo", "1 image seen",
             "No decision</th>", "broken.example", "no answer within 30 s"]  # fmt: skip
    positions = [html.index(text, html.index("<tbody>")) for text in order]
    assert positions == sorted(positions)


def test_index_has_the_share_first_if_it_is_the_criterion(library, sites, tmp_path):
    scorer = RelevanceScorer(
        "almonds", criterion="share", relevance_threshold=0.4, embedder=ByColour(), progress=False
    ).fit(library)
    result = scorer.decide(sites / "nut-shop")
    index, site = pages(write_report([result], tmp_path / "report", progress=False))
    heads = ["Decision", "Share", "95% CI", "P(share ≥ 40%)", "P(sells)", "Matches"]
    positions = [index.text.index(f" {head} ") for head in heads]
    assert positions == sorted(positions) and "the dashed line" in index.text
    summary, sells = (site.text.index(text) for text in (result.summary(), "Does it sell "))
    assert summary < sells < site.text.index("Before looking")


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"separability": 0.6}, ["almonds was not learned", "Split the class", "not learned (sep"]),
        ({"n_products": 2}, ["Too little is known about almonds", "at least 10 other products"]),
    ],
)
def test_pages_say_if_too_little_was_learned(results, changes, texts, tmp_path):
    result = next(r for r in results if (r.site, r.target) == ("nut-shop", "almonds"))
    settings = replace(result.settings, calibration=replace(CALIBRATION, **changes))
    result = replace(result, settings=settings).rethreshold(prior=0.25)
    for page in pages(write_report([result], tmp_path / "report", progress=False)):
        assert "? unsure" in page.text and all(text in page.text for text in texts)


def test_site_page_shows_every_image_and_why_others_are_not_counted(index, results):
    result = next(r for r in results if (r.site, r.target) == ("nut-shop", "almonds"))
    (path,) = (index.parent / "sites").glob("nut-shop-almonds-*.html")
    page = Page(path)
    scored = result.images[result.images["status"] == "scored"]
    for name in scored["path"].map(os.path.basename):
        assert name in page.text
    # each scored image with its nearest reference, and the repeated image
    assert len(page.images) == 2 * len(scored) + 1
    for text in (
        "again.jpg", "repeated: same image as another one",
        "index.html", "unreadable: unsupported image format (content looks like an HTML page)",
        result.summary(), "Before looking prior: part of the sites expected to sell almonds 25.0%",
        "not read: the images came without texts",
        "unknown (95% CI 0–100%)",  # two other products say too little about the share
        "closest other product:", "margin", "distance 0.", "Images that decided",
        "prior that a site sells it 0.25", "embedder directions of colours",
        f"numpy {np.__version__}", "6 reference images of almonds and 2 other products",
    ):  # fmt: skip
        assert text in page.text
    assert str(index.parents[1]) not in path.read_text("utf-8")  # no path of this machine


def test_site_page_has_the_evidence_of_images_and_words(scorer, with_texts, tmp_path):
    result = scorer.decide(with_texts("nut-shop", ["Almonds", "Almonds", "Almond oil", "Dates"]))
    index, page = pages(write_report([result], tmp_path / "report", progress=False))
    assert "Named by text" in index.text and ", words ×" in index.text
    for text in (
        "2 texts name almonds, 2 name another product; this is ", "✓ names almonds (alt)",
        "✕ names almond oil, not almonds (alt)", "✕ names dates, not almonds (alt)",
        "names looked for almonds",
    ):  # fmt: skip
        assert text in page.text
    assert page.text.index("✓ names almonds") < page.text.index("✕ names dates")


def test_pages_show_no_share_that_may_be_anything(results, tmp_path):
    result = replace(results[0], share=1.0, interval=(0.0, 0.98))
    index, page = pages(write_report([result], tmp_path / "report", progress=False))
    assert "share of the catalogue: unknown (95% CI 0–98%)" in page.text
    assert "0–98%" in index.text and "100%" not in index.text


def test_site_page_says_that_words_are_switched_off(library, with_texts, tmp_path):
    scorer = RelevanceScorer("almonds", words=(), embedder=ByColour(), progress=False).fit(library)
    result = scorer.decide(with_texts("nut-shop", ["Almonds"]))
    index, page = pages(write_report([result], tmp_path / "report", progress=False))
    assert "not read: switched off" in page.text and "names looked for none" in page.text
    assert "names almonds" not in page.text and "Named by text" not in index.text


def test_pages_load_only_their_own_files(index):
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


def test_each_image_is_stored_once_as_a_thumbnail(index, results):
    displayed = {source for page in pages(index) for source in page.images}
    thumbs = sorted((index.parent / "thumbs").iterdir())
    assert {f"../thumbs/{path.name}" for path in thumbs} == displayed
    assert len(thumbs) < 2 * 21  # 21 images of two sites, for two targets, and references
    for path in thumbs:
        with Image.open(path) as image:
            assert image.format == "JPEG" and max(image.size) <= 180


def test_rewriting_reuses_thumbnails_and_removes_outdated_files(index, results, monkeypatch):
    folder = index.parent
    broken = sorted((folder / "thumbs").iterdir())[0]
    broken.write_bytes(b"cut off")
    (folder / "thumbs" / "mine.txt").write_text("not the report's")
    sources = []
    encode = thumbnails_module.encode_thumbnail
    monkeypatch.setattr(
        thumbnails_module,
        "encode_thumbnail",
        lambda *args: sources.append(args[0]) or encode(*args),
    )
    write_report(results, folder, progress=False)
    # several sources with the same content may be encoded at once
    assert len({source.digest for source in sources}) == 1 and Image.open(broken).size
    few = [r for r in results if (r.site, r.target) == ("nut-shop", "dates")]
    write_report(few, folder, progress=False)
    assert len(list((folder / "sites").iterdir())) == 1
    displayed = {source for page in pages(index) for source in page.images}
    files = {path.name for path in (folder / "thumbs").iterdir()}
    assert files == {source.removeprefix("../thumbs/") for source in displayed} | {"mine.txt"}


def test_missing_image_is_reported_on_the_page(results, sites, tmp_path):
    (sites / "nut-shop" / "03.jpg").unlink()
    index = write_report(results, tmp_path / "report", progress=False)
    (path,) = (index.parent / "sites").glob("nut-shop-almonds-*.html")
    assert "no thumbnail of 03.jpg: no such file" in Page(path).text


def test_sites_with_the_same_name_have_separate_pages(results, tmp_path):
    index = write_report([results[0], results[0]], tmp_path / "report", progress=False)
    assert len(list((index.parent / "sites").iterdir())) == 2
    assert len({link["href"] for link in Page(index).links} - {"#main"}) == 2


def test_origins_are_shown_and_only_web_urls_are_links(results, tmp_path):
    result = results[0]
    rows = [
        {
            **dict.fromkeys(ORIGIN_COLUMNS, ""),
            "path": path,
            "url": "https://shop.example/a.jpg",
            "page": "ftp://shop.example/",
            "alt": "Fine nuts",
            "product": "Raw almonds",
            "product_url": "https://shop.example/almonds",
            "time": None,
        }
        for path in result.images["path"]
    ]
    result = replace(result, origins=pd.DataFrame(rows, columns=ORIGIN_COLUMNS))
    index = write_report([result], tmp_path / "report", progress=False)
    page = pages(index)[1]
    assert "“ Fine nuts ”" in page.text and "ftp://shop.example/" in page.text
    external = [link for link in page.links if "://" in link["href"]]
    assert {link["href"] for link in external} == {
        "https://shop.example/a.jpg", "https://shop.example/almonds",
    }  # fmt: skip
    assert "Raw almonds" in page.text
    for link in external:
        assert link["rel"] == "noopener noreferrer nofollow"
        assert link["referrerpolicy"] == "no-referrer"


def test_mean_distance_rule_shows_distances_and_no_evidence(library, sites, stub, tmp_path):
    scorer = RelevanceScorer("almonds", rule="mean-distance", embedder=stub, progress=False)
    results = [scorer.fit(library).decide(sites / "nut-shop")]
    index, page = pages(write_report(results, tmp_path / "report", progress=False))
    assert "distance at most" in page.text and "Nearest images" in page.text
    for each in (index, page):
        assert "P(sells)" not in each.text and "Evidence" not in each.text


def test_untrusted_text_is_escaped(hostile, tmp_path):
    index = write_report(hostile, tmp_path / "report", title="<b>", progress=False)
    for page in pages(index):
        assert page.tags.count("b") == page.tags.count("li")  # one per card, none from the title
        assert "iframe" not in page.tags
        assert "[U+202E]" in page.text or page.path == index
        assert "{{ 7 * 7 }}" in page.text
        for link in page.links:
            assert not re.match(r"(javascript|data):", link["href"])
            assert "@" not in link["href"]
        text = page.path.read_text("utf-8")
        invisible = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs")}
        assert invisible <= {"\n"}
    names = [path.name for path in index.parent.rglob("*") if path.is_file()]
    assert all(re.fullmatch(r"[a-z0-9.-]{1,120}", name) for name in names)
    assert all(path.resolve().is_relative_to(index.parent.resolve()) for path in
               index.parent.rglob("*"))  # fmt: skip


def test_notes_on_sites_are_shown_and_escaped(results, tmp_path):
    """As text, only below sites that are decided on."""
    notes = {result.site: "Sample: 3 of <b>9</b> images" for result in results}
    page = write_report(results, tmp_path, notes=notes, progress=False).read_text("utf-8")
    n_decided = sum(isinstance(result, SiteRelevance) for result in results)
    assert page.count("Sample: 3 of &lt;b&gt;9&lt;/b&gt; images") == n_decided > 0


def test_report_of_one_result_outside_a_list_is_refused(results, tmp_path):
    with pytest.raises(InputTypeError, match=r"pass \[result\]"):
        write_report(results[0], tmp_path / "report", progress=False)


def test_report_without_results_says_so(tmp_path):
    index = write_report([], tmp_path / "report", title="Nothing yet", progress=False)
    page = Page(index)
    assert "No sites." in page.text
    assert "Nothing yet" in page.text and "Settings" not in page.text
    assert page.images == [] and list((index.parent / "sites").iterdir()) == []
