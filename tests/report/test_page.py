import os
import re
import shutil
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer, Site
from similarity_lab._numbers import format_probability
from similarity_lab.errors import InputTypeError
from similarity_lab.relevance import SiteFailure
from similarity_lab.relevance.decision import describe_evidence
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


def rows_of(page):
    """Return the HTML of each row of the first page, by the name of the site."""
    _, *rows = page.path.read_text("utf-8").split('<tr role="row" class="site"')
    return {re.search(r"<bdi[^>]*>(.*?)</bdi>", row)[1]: row for row in rows}


def test_index_has_a_row_per_site_and_a_column_per_target(index, results):
    page = Page(index)
    assert page.tags.count("table") == 1
    rows = rows_of(page)
    best = {r.site: max(x.offered for x in results[:4] if x.site == r.site) for r in results[:4]}
    assert list(rows) == [*sorted(best, key=best.get, reverse=True), "broken.example"]
    for result in results[:4]:
        cells = rows[result.site].split("<td ")[1:3]
        cell = cells[["almonds", "dates"].index(result.target)]
        assert f'data-value="{result.offered}"' in cell
        for text in (
            SYMBOLS[result.decision],
            result.decision,
            describe_evidence(result, "it"),
            format_probability(result.offered).replace("<", "&lt;").replace(">", "&gt;"),
        ):
            assert text in cell
        best_image = os.path.basename(result.deciding(12, n_closest=4).iloc[0]["path"])
        assert f'alt="{best_image}"' in cell and 'loading="lazy"' in cell
    assert "no answer within 30 s" in rows["broken.example"]
    assert "sites/" not in rows["broken.example"]  # the row says everything
    assert "10 of 10 images counted" in rows["date-shop"]
    assert "1 copy" in rows["nut-shop"] and "1 unreadable" in rows["nut-shop"]
    assert "Learned from 6 reference images of almonds" in page.text


def test_index_separates_sites_without_evidence_and_failures(scorer, sites, make_image, tmp_path):
    make_image((10, 200, 240), 1).save(tmp_path / "logo.png")
    lone = scorer.decide(Site.from_paths([tmp_path / "logo.png"], name="one-logo"))
    failure = SiteFailure("broken.example", "almonds", "no answer within 30 s")
    shops = [scorer.decide(sites / name) for name in ("date-shop", "nut-shop")]
    html = write_report([failure, lone, *shops], tmp_path / "report", progress=False).read_text()
    order = ["nut-shop", "date-shop", "Too little seen to say anything", "one-logo", "1 image seen",
             "No decision</th>", "broken.example", "no answer within 30 s"]  # fmt: skip
    positions = [html.index(text, html.index("<tbody")) for text in order]
    assert positions == sorted(positions)


def test_pages_have_the_share_first_if_it_is_the_criterion(library, sites, tmp_path):
    scorer = RelevanceScorer(
        "almonds", criterion="share", relevance_threshold=0.4, embedder=ByColour(), progress=False
    ).fit(library)
    result = scorer.decide(sites / "nut-shop")
    index, site = pages(write_report([result], tmp_path / "report", progress=False))
    assert f"P(share ≥ 40%) {format_probability(result.probability)}" in index.text
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


def test_site_page_has_all_targets_every_image_and_why_others_are_not_counted(index, results):
    decisions = [r for r in results[:4] if r.site == "nut-shop"]
    page = Page(site_page(index, "nut-shop"))
    scored = decisions[0].images[decisions[0].images["status"] == "scored"]
    for name in scored["path"].map(os.path.basename):
        assert name in page.text
    for result in decisions:
        assert result.summary() in page.text
    for text in (
        "again.jpg", "repeated: same image as another one", "not scored: 2 files",
        "index.html", "unreadable: unsupported image format (content looks like an HTML page)",
        "Before looking prior: part of the sites expected to sell almonds 25.0%",
        "not read: the images came without texts",
        "unknown (95% CI 0–100%)",  # two other products say too little about the share
        "closest other product:", "margin", "distance 0.", "Images that decided, best first",
        "prior that a site sells it 0.25", "embedder directions of colours",
        "6 reference images of almonds and 2 other products",
    ):  # fmt: skip
        assert text in page.text
    assert page.text.count(f"numpy {np.__version__}") == 1  # what targets share is said once
    assert page.text.count("Before looking") == 2
    assert str(index.parents[1]) not in page.path.read_text("utf-8")  # no path of this machine


def test_site_page_names_the_sites_before_and_after(index):
    page = Page(site_page(index, "nut-shop"))
    assert "Next: date-shop →" in page.text and "Previous:" not in page.text
    page = Page(site_page(index, "date-shop"))
    assert "← Previous: nut-shop" in page.text and "Next:" not in page.text


def site_page(index, name):
    (path,) = (index.parent / "sites").glob(f"{name}-*.html")
    return path


def test_best_matches_come_first_and_images_without_effect_are_not_called_deciding(
    scorer, with_texts, tmp_path
):
    result = scorer.decide(with_texts("nut-shop", ["Almonds", "Dates"]))
    images = result.deciding(12, n_closest=4)
    margins = result.images["margin"]
    joint = result.ranked().index
    decisive = images[images["is_match_with_words"].astype(bool) | images["word_kind"].eq("target")]
    assert set(decisive.index) == set(
        result.images.index[
            result.images["is_match_with_words"].astype(bool)
            | result.images["word_kind"].eq("target")
        ]
    )
    assert list(decisive.index) == [row for row in joint if row in decisive.index]
    rest = images.index.difference(decisive.index)
    assert len(rest) <= 1 and set(rest) <= {margins.idxmax()}
    nothing = scorer.decide(with_texts("date-shop", []))
    if not nothing.n_matches:
        assert len(nothing.deciding(12, n_closest=4)) == 4


def test_image_whose_text_decided_is_shown_although_it_repeats_another(scorer, sites, tmp_path):
    shutil.copy(sites / "date-shop" / "00.jpg", sites / "date-shop" / "again.jpg")
    folder = Site.from_folder(sites / "date-shop")
    table = scorer.decide(folder).images
    (repeated,) = table["path"][table["status"] == "repeated"]
    alts = ["Almonds" if str(path) == repeated else "" for path in folder.paths]
    origins = pd.DataFrame({"path": folder.paths, "alt": alts}).reindex(columns=ORIGIN_COLUMNS)
    site = Site(folder.name, folder.paths, folder.skipped, folder.root, origins)
    result = scorer.decide(site)
    assert result.n_named == 1 and repeated in list(result.deciding(12, n_closest=4)["path"])


def test_site_page_has_the_evidence_of_images_and_words(scorer, with_texts, tmp_path):
    result = scorer.decide(with_texts("nut-shop", ["Almonds", "Almonds", "Almond oil", "Dates"]))
    index, page = pages(write_report([result], tmp_path / "report", progress=False))
    assert "the texts of 2 name it" in index.text
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
    assert "100%" not in index.text


def test_site_page_says_that_words_are_switched_off(library, with_texts, tmp_path):
    scorer = RelevanceScorer("almonds", words=(), embedder=ByColour(), progress=False).fit(library)
    result = scorer.decide(with_texts("nut-shop", ["Almonds"]))
    _, page = pages(write_report([result], tmp_path / "report", progress=False))
    assert "not read: switched off" in page.text and "names looked for none" in page.text
    assert "names almonds" not in page.text


def test_pages_load_only_their_own_files(index):
    for page in pages(index):
        assert not {"iframe", "object", "base", "embed", "style"} & set(page.tags)
        for reference in [*page.images, *page.scripts, *page.styles]:
            assert (page.path.parent / reference).resolve().is_relative_to(index.parent.resolve())
            assert (page.path.parent / reference).is_file()
        for link in page.links:
            if not link["href"].startswith("#"):
                assert (page.path.parent / link["href"].partition("#")[0]).is_file()
        expected = ["marks.js", "report.js"] if page.path == index else ["../marks.js"]
        assert page.scripts == expected
        assert "default-src 'none'" in page.path.read_text("utf-8")


def test_each_image_is_stored_once_as_a_thumbnail(index, results):
    displayed = {source.split("/")[-1] for page in pages(index) for source in page.images}
    thumbs = sorted((index.parent / "thumbs").iterdir())
    assert {path.name for path in thumbs} == displayed
    assert len(thumbs) < 2 * 21  # 21 images of two sites, and references
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
    displayed = {source.split("/")[-1] for page in pages(index) for source in page.images}
    files = {path.name for path in (folder / "thumbs").iterdir()}
    assert files == displayed | {"mine.txt"}


def test_missing_image_is_reported_on_the_page(results, sites, tmp_path):
    (sites / "nut-shop" / "03.jpg").unlink()
    index = write_report(results, tmp_path / "report", progress=False)
    assert "no thumbnail of 03.jpg: no such file" in Page(site_page(index, "nut-shop")).text


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
            "price": 1234.5,
            "currency": "EUR",
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
    assert "Raw almonds" in page.text and "1,234.50 EUR" in page.text
    assert 'alt="Raw almonds"' in rows_of(Page(index))[result.site]
    for link in external:
        assert link["rel"] == "noopener noreferrer nofollow"
        assert link["referrerpolicy"] == "no-referrer"


def test_mean_distance_rule_shows_distances_and_no_evidence(library, sites, stub, tmp_path):
    scorer = RelevanceScorer("almonds", rule="mean-distance", embedder=stub, progress=False)
    results = [scorer.fit(library).decide(sites / "nut-shop")]
    index, page = pages(write_report(results, tmp_path / "report", progress=False))
    assert "distance at most" in page.text and "Nearest images" in page.text
    assert f"share {results[0].share:.0%}" in index.text
    for each in (index, page):
        assert "P(sells)" not in each.text and "evidence" not in each.text


def test_untrusted_text_is_escaped(hostile, tmp_path):
    index = write_report(hostile, tmp_path / "report", title="<b>", progress=False)
    for page in pages(index):
        assert not {"iframe", "object", "embed", "svg/onload"} & set(page.tags)
        assert page.scripts in (["marks.js", "report.js"], ["../marks.js"])
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


def test_pages_tell_of_the_crawl_and_link_the_shop(results, tmp_path):
    decided, failed = results[0].site, "broken.example"
    paths = [str(path) for path in results[0].images["path"]]
    folder = os.path.commonpath(paths)
    rows = [
        *[("kept", "", "")] * 10,
        *[("not fetched", "Limit of 10 images reached", "limit_images")] * 30,
        *[("failed", "Forbidden by robots.txt", "robots")] * 2,
        ("left out", "Icon (3 x 3 pixels)", "icon"),
        ("left out", "Icon (4 x 4 pixels)", "icon"), ("left out", "SVG", "drawing"),
    ]  # fmt: skip
    images = pd.DataFrame(rows, columns=["crawl_status", "reason", "reason_code"])
    images.to_parquet(Path(folder) / "images.parquet")
    crawl = pd.DataFrame(
        [
            {"name": decided, "url": "https://date-shop.example/", "crawl_status": "collected",
             "reason": "Sample: 10 of 40 images (limit of 10 images reached)",
             "reason_code": "limit_images", "n_found": 45,
             "n_images": 10, "n_pages": 3, "n_pages_found": 9, "folder": folder},
            {"name": failed, "url": "javascript:alert(1)", "crawl_status": "failed",
             "reason": "no answer within 30 s", "reason_code": "timeout", "n_found": None,
             "n_images": None, "folder": ""},
        ]
    )  # fmt: skip
    index = write_report(results, tmp_path / "report", crawl=crawl, progress=False)
    page, rows = Page(index), rows_of(Page(index))
    assert 'href="https://date-shop.example/"' in rows[decided]
    assert 'rel="noopener noreferrer nofollow"' in rows[decided]
    for text in ("10 of 45 images counted", "32 not fetched", "3 of no use", "3 of 9 pages read"):
        assert text in rows[decided]
    assert "Left out: 32 images of 1 site" in page.text
    assert 'href="javascript' not in index.read_text("utf-8")
    assert "it works there, run the same command again later" in rows[failed]
    site = Page(site_page(index, decided))
    for text in ("30 images Limit of 10 images reached raise --images", "2 images Forbidden by",
                 "2 images Icon", "1 image SVG", "look at it yourself"):  # fmt: skip
        assert text in site.text


def test_link_to_what_is_missing_leads_somewhere(results, tmp_path):
    """Also if a crawl left no tables, and only says that it ended early."""
    decided = results[0].site
    row = {"name": decided, "url": "", "crawl_status": "collected", "reason": "Stopped after 9 s",
           "reason_code": "limit_seconds", "n_found": 10, "n_images": 10, "folder": ""}  # fmt: skip
    index = write_report(results[:1], tmp_path / "r", crawl=pd.DataFrame([row]), progress=False)
    for page in pages(index):
        for link in page.links:
            file, _, place = link["href"].partition("#")
            html = (page.path.parent / file if file else page.path).read_text("utf-8")
            assert not place or f'id="{place}"' in html, link["href"]
    assert "Stopped after 9 s → raise --seconds" in page.text


def test_marks_of_a_report_stay_when_it_is_written_again(results, tmp_path):
    def identity(folder):
        html = write_report(results, tmp_path / folder, progress=False).read_text("utf-8")
        return re.search(r'data-report="(.*?)"', html)[1]

    first = identity("a")
    assert identity("a") == first != identity("b")


def test_report_of_one_result_outside_a_list_is_refused(results, tmp_path):
    with pytest.raises(InputTypeError, match=r"pass \[result\]"):
        write_report(results[0], tmp_path / "report", progress=False)


def test_report_without_results_says_so(tmp_path):
    index = write_report([], tmp_path / "report", title="Nothing yet", progress=False)
    page = Page(index)
    assert "No sites." in page.text
    assert (
        "Nothing yet" in page.text and "Settings" not in page.text and page.tags.count("form") == 0
    )
    assert page.images == [] and list((index.parent / "sites").iterdir()) == []
