"""The report in a real browser: the system's Chromium, if it is installed."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab.images.sources import content_digest
from similarity_lab.relevance import Marks, SiteFailure
from similarity_lab.report import render_gallery, write_report

from .invented import invented_result

# Contrast of every text against its background; WCAG 2.2, 1.4.3 requires 4.5:1.
CONTRASTS = """() => {
  const channels = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = channels(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
    }
  };
  const low = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    const isVisible = walk.currentNode.data.trim() && e.getClientRects().length;
    if (!isVisible || e.closest("select")) continue;
    const [a, b] = [light(channels(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(2)}: ${walk.currentNode.data.trim()}`);
  }
  return low;
}"""
# Names of the visible rows.
ROWS = """() => [...document.querySelectorAll(".grid tr.site")]
  .filter((row) => row.checkVisibility()).map((row) => row.querySelector(".name").textContent)"""


# Lines of text in an element.
LINES = """(e) => {
  const range = document.createRange();
  range.selectNodeContents(e);
  return new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size;
}"""


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: install the extra dev")
    with api.sync_playwright() as driver:  # the system's browser; nothing is downloaded
        chromium = driver.chromium.launch(executable_path=program)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Open a file; any error on the page, or request outside the folder, fails the test."""
    contexts, errors, requests = [], [], []

    def open_file(path, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        page.locator("img").evaluate_all("all => all.forEach((image) => image.loading = 'eager')")
        page.wait_for_load_state("networkidle")
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert errors == []
    assert requests
    assert all(url.startswith(("file:///", "data:image/jpeg", "blob:")) for url in requests)


@pytest.fixture
def index(results, tmp_path):
    return write_report(results, tmp_path / "report", progress=False)


def head(page, name):
    return page.get_by_role("columnheader", name=name)


def test_rows_are_sorted_with_the_keyboard_and_the_address_keeps_it(index, open_page):
    page = open_page(index)
    original = page.evaluate(ROWS)
    assert original[-1] == "broken.example" and len(original) == 3
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    head(page, "Site").get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head(page, "Site").get_attribute("aria-sort") == "ascending"
    assert page.evaluate(ROWS) == ["date-shop", "nut-shop", "broken.example"]  # failures last
    assert page.url.endswith("#sort=site")
    page.keyboard.press("Space")
    assert head(page, "Site").get_attribute("aria-sort") is None
    assert page.evaluate(ROWS) == original and "#" not in page.url
    cells = ".grid tr.site td:nth-of-type({}).cell"
    for number, target in enumerate(("almonds", "dates"), start=1):
        button = head(page, target).get_by_role("button")
        for direction, reverse in (("descending", True), ("ascending", False)):
            button.click()
            assert head(page, target).get_attribute("aria-sort") == direction
            values = page.locator(cells.format(number)).evaluate_all(
                "all => all.map((cell) => cell.dataset.value).filter(Boolean).map(Number)"
            )
            assert values == sorted(values, reverse=reverse) and len(values) == 2
            assert page.evaluate(ROWS)[-1] == "broken.example"
    assert page.url.endswith("#sort=-2")


def test_rows_are_filtered_and_the_view_can_be_sent(index, open_page, results):
    page = open_page(index)
    status = page.get_by_role("status").first
    assert status.text_content() == "3 sites"
    page.get_by_label("Find", exact=True).fill("  SHOP Nút ")
    assert page.evaluate(ROWS) == ["nut-shop"] and status.text_content() == "1 of 3 sites"
    page.get_by_label("Find", exact=True).press("Enter")  # does not submit the form
    page.locator("#target").select_option("dates")
    assert not head(page, "almonds").is_visible() and head(page, "dates").is_visible()
    view = page.url
    other = open_page(index)
    other.goto(view)
    assert other.evaluate(ROWS) == ["nut-shop"]
    assert other.get_by_label("Find", exact=True).input_value() == "  SHOP Nút "
    other.goto(view.split("#")[0] + "#decision=no+decision&sort=site&target=99&mark=%3Cb%3E&x=y")
    assert other.evaluate(ROWS) == ["broken.example"]  # what is no option is ignored
    assert other.get_by_role("rowheader", name="No decision").is_visible()
    other.goto(view.split("#")[0])
    wanted = {r.site for r in results[:4] if (r.target, r.decision) == ("dates", "unsure")}
    other.goto(view.split("#")[0] + "#target=2&decision=unsure")
    assert set(other.evaluate(ROWS)) == wanted


def test_thousands_of_rows_are_laid_out_in_part_until_wanted(results, open_page, tmp_path):
    failures = [SiteFailure(f"shop {number}", "almonds", "?") for number in range(205)]
    page = open_page(write_report([*results, *failures], tmp_path / "report", progress=False))
    assert len(page.evaluate(ROWS)) == 100
    page.get_by_label("Find", exact=True).fill("shop 204")  # rows that are not shown are found
    assert page.evaluate(ROWS) == ["shop 204"]
    page.get_by_label("Find", exact=True).fill("")
    page.get_by_role("button", name="Show all 208 rows").click()
    assert len(page.evaluate(ROWS)) == 208


def mark(page, site):
    return page.get_by_role("group", name=f"Mark {site}")


def download(page, name):
    with page.expect_download() as event:
        page.get_by_role("button", name=name).click()
    return Path(event.value.path()).read_bytes()


def test_marks_stay_in_the_browser_and_are_exported(index, open_page, results, tmp_path):
    page = open_page(index)
    page.get_by_role("group", name="Mark nut-shop").get_by_role("button", name="good").focus()
    page.keyboard.press("Enter")
    mark(page, "nut-shop").get_by_label("Note on nut-shop").fill('=1+1, "cheap" ä')
    mark(page, "broken.example").get_by_role("button", name="later").click()
    mark(page, "date-shop").get_by_role("button", name="no", exact=False).first.click()
    mark(page, "date-shop").get_by_role("button", name="no", exact=False).first.click()  # undone
    page.reload()
    good = mark(page, "nut-shop").get_by_role("button", name="good")
    assert good.get_attribute("aria-pressed") == "true"
    page.locator("#mark").select_option("later")
    assert page.evaluate(ROWS) == ["broken.example"]
    table = download(page, "Export marked rows (CSV)")
    assert table.startswith(b"\xef\xbb\xbf")
    rows = pd.read_csv(io.BytesIO(table), keep_default_na=False)
    assert list(rows["site"]) == ["nut-shop", "broken.example"]
    assert list(rows["mark"]) == ["good", "later"]
    assert rows["note"][0] == '\'=1+1, "cheap" ä'  # no formula
    for result in results[:4]:
        if result.site == "nut-shop":
            assert rows[f"{result.target}: decision"][0] == result.decision
            assert float(rows[f"{result.target}: value"][0]) == result.offered
    page.locator("#mark").select_option("")
    page.get_by_role("link", name="nut-shop").first.click()
    assert (
        mark(page, "nut-shop").get_by_role("button", name="good").get_attribute("aria-pressed")
        == "true"
    )


def test_exported_image_marks_change_decisions(index, open_page, results, tmp_path):
    result = next(r for r in results if (r.site, r.target) == ("nut-shop", "almonds"))
    (path,) = (index.parent / "sites").glob("nut-shop-*.html")
    page = open_page(path)
    group = page.get_by_role("group", name="Does the image show almonds?").first
    group.get_by_role("button", name="does not").click()
    group.get_by_role("button", name="shows it").click()
    second = page.get_by_role("group", name="Does the image show almonds?").nth(1)
    second.get_by_role("button", name="does not").click()
    (tmp_path / "marks.json").write_bytes(download(page, "Export image marks"))
    marks = Marks.load(tmp_path / "marks.json")
    assert [mark.target for mark in marks.of("almonds")] == ["almonds"] * 2 and len(marks) == 2
    marked = marks.apply(result)
    shown = list(result.deciding(12, n_closest=4).index[:2])
    assert marked.marks == {shown[0]: True, shown[1]: False}
    assert marked.decision == "relevant" and marked.probability > 0.999
    page.reload()  # a click on the pressed button takes a mark back
    group.get_by_role("button", name="shows it").click()
    assert len(json.loads(download(page, "Export image marks"))["marks"]) == 1


def test_rows_marked_good_give_marks_of_the_best_relevant_images(
    scorer, sites, open_page, tmp_path
):
    results = [replace(scorer.decide(sites / "nut-shop"), decision="relevant")]
    index = write_report(results, tmp_path / "report", progress=False)
    page = open_page(index)
    mark(page, "nut-shop").get_by_role("button", name="good").click()
    (tmp_path / "marks.json").write_bytes(download(page, "Export image marks"))
    (given,) = Marks.load(tmp_path / "marks.json").of("almonds")
    best = results[0].deciding()["path"].iloc[0]
    assert given.shows and given.sha256 == content_digest(best)
    assert (tmp_path / given.path).samefile(best)  # relative to the folder of the report


def test_marks_of_two_reports_do_not_mix(index, results, open_page, tmp_path):
    other = write_report(results, tmp_path / "other", progress=False)
    page = open_page(index)
    mark(page, "nut-shop").get_by_role("button", name="good").click()
    page.goto(other.as_uri())
    pressed = page.locator("[aria-pressed=true]")
    assert pressed.count() == 0
    page.goto(index.as_uri())
    assert pressed.count() == 1


DENIED = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("denied", "SecurityError"); },
})"""
FULL = """Storage.prototype.setItem = function (key) {
  if (!key.endsWith(".test")) throw new DOMException("full", "QuotaExceededError");
}"""


@pytest.mark.parametrize("script", [DENIED, FULL])
def test_marks_without_storage_last_until_the_page_is_closed(index, open_page, script):
    page = open_page(index)
    page.add_init_script(script)
    page.reload()
    button = mark(page, "nut-shop").get_by_role("button", name="good")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert "marks are lost when it is closed" in page.locator("#no-storage").text_content()
    assert b"nut-shop" in download(page, "Export marked rows (CSV)")


@pytest.mark.parametrize("broken", ["[]", "{", '{"sites": 3, "images": null}', "null"])
def test_damaged_storage_counts_as_empty(index, open_page, broken):
    page = open_page(index)
    key = page.evaluate("`similarity_lab.report.${document.documentElement.dataset.report}`")
    page.evaluate("([key, text]) => localStorage.setItem(key, text)", [key, broken])
    page.reload()
    button = mark(page, "nut-shop").get_by_role("button", name="good")
    button.click()
    page.reload()
    assert button.get_attribute("aria-pressed") == "true"


def test_site_page_shows_all_thumbnails_and_links_back(index, open_page):
    page = open_page(index)
    page.get_by_role("link", name="nut-shop").first.click()
    page.locator("img").evaluate_all("all => all.forEach((image) => image.loading = 'eager')")
    page.wait_for_load_state("networkidle")
    widths = page.locator("img").evaluate_all("all => all.map((image) => image.naturalWidth)")
    assert len(widths) > 10 and min(widths) > 0
    assert page.get_by_role("heading", level=1).text_content() == "nut-shop"
    page.get_by_role("link", name="Next: date-shop").click()
    assert page.get_by_role("heading", level=1).text_content() == "date-shop"
    page.get_by_role("link", name="All sites").click()
    assert len(page.evaluate(ROWS)) == 3


def test_marked_rows_stay_readable_and_notes_are_printed(index, open_page):
    page = open_page(index)
    for site, name in (("nut-shop", "no"), ("date-shop", "good")):
        mark(page, site).get_by_role("button", name=name).first.click()
    mark(page, "nut-shop").get_by_role("textbox").fill("too dear")
    page.keyboard.press("Tab")
    assert page.evaluate(CONTRASTS) == []
    page.emulate_media(media="print")
    printed = "getComputedStyle(document.querySelector('[data-mark=no] .mark'), '::after').content"
    assert page.evaluate(printed) == '"too dear"'


@pytest.mark.parametrize("width", [390, 1200])
def test_bar_of_a_mark_is_seen_and_does_not_touch_the_name(index, open_page, width):
    page = open_page(index, viewport={"width": width, "height": 800})
    row = page.locator("tr.site").first
    name = row.locator(".name")
    before = name.bounding_box()["x"]
    row.get_by_text("good").click()
    left, border, edge = row.evaluate(
        """(row) => [row.getBoundingClientRect().left, getComputedStyle(row).borderLeftWidth,
                     row.closest(".scroll").getBoundingClientRect().left]"""
    )
    assert edge <= left and name.bounding_box()["x"] >= left + 3 + 4
    if width == 390:  # the bar is beside the whole card, and nothing moves
        assert border == "3px" and name.bounding_box()["x"] == before


def test_long_untrusted_text_does_not_widen_a_page(hostile, scorer, open_page, tmp_path):
    result = replace(hostile[0], site="x" * 400, target="y" * 300)
    index = write_report([result, *hostile], tmp_path / "report", title="z" * 300, progress=False)
    for path in (index, *(index.parent / "sites").iterdir()):
        page = open_page(path, viewport={"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_words_in_tables_on_a_phone_are_whole(open_page, tmp_path):
    """A long name beside them leaves room for numbers and headings."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for path in paths:
        pixels = rng.integers(0, 256, (9, 9, 3), np.uint8).repeat(9, 0).repeat(9, 1)
        Image.fromarray(pixels).save(path)
    names = ["shop.example", "shop " + "x" * 200, "shop " + "y" * 200]
    results = [invented_result(rng, paths, site=name) for name in names]
    index = write_report(results, tmp_path / "report", progress=False)
    for path in (*(index.parent / "sites").iterdir(), index.parent / "shared.html"):
        page = open_page(path, viewport={"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        parts = page.locator(".left-out :is(thead th, .number, .kind):not(:empty)").all()
        assert parts
        for part in parts:
            assert part.evaluate(LINES) <= len(part.inner_text().split()), part.inner_text()


def test_placeholders_are_readable(index, open_page):
    for scheme in ("light", "dark"):
        page = open_page(index, color_scheme=scheme)
        colours = page.evaluate(
            "['::placeholder', null].map((part) => getComputedStyle("
            "document.querySelector(part ? '.mark input' : '.quiet'), part).color)"
        )
        assert colours[0] == colours[1]


def test_page_with_many_targets_is_printed_across_from_its_start(results, open_page, tmp_path):
    many = [replace(results[0], target=name) for name in ("figs", "oats", "rice", "peas")]
    for n, is_wide in ((3, False), (4, True)):
        page = open_page(write_report(many[:n], tmp_path / f"{n}", progress=False))
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.querySelector('main')).page") == (
            "wide" if is_wide else "auto"
        )


def test_untrusted_text_is_not_executed(hostile, open_page, tmp_path):
    index = write_report(hostile, tmp_path / "report", title=hostile[0].site, progress=False)
    (site,) = (index.parent / "sites").iterdir()
    inline = tmp_path / "inline.html"
    inline.write_text(f"<meta charset=utf-8><title>t</title>{render_gallery(hostile[0])}", "utf-8")
    for path in (index, site, inline):
        page = open_page(path)
        assert page.title() != "ran"
        assert page.locator("img[src=x]").count() == 0
    page = open_page(index)
    page.get_by_label("Find", exact=True).fill("<script>")
    head(page, "Site").get_by_role("button").click()
    assert page.title() != "ran" and len(page.evaluate(ROWS)) == 2
    for button in page.get_by_role("button", name="good").all():
        button.click()
    page.get_by_role("textbox", name="Note").first.fill("<img src=x onerror=alert(1)>")
    rows = pd.read_csv(io.BytesIO(download(page, "Export marked rows (CSV)")))
    assert len(rows) == 2 and page.locator("img[src=x]").count() == 0
    page.goto(index.as_uri() + "#find=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E")
    assert page.locator("img[src=x]").count() == 0
    assert page.title() != "ran"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_readable_at_every_width(index, open_page, scheme):
    (site,) = (index.parent / "sites").glob("nut-shop-*.html")
    for path in (index, site):
        page = open_page(path, color_scheme=scheme)
        assert page.evaluate(CONTRASTS) == []
        for width in (390, 860, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if path == index:  # decision and best image are seen without scrolling sideways
                for part in (".decision", ".best img"):
                    for each in page.locator(f".grid tr.site {part}").all():
                        box = each.bounding_box()
                        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_printed_page_has_marks_and_no_controls(index, open_page):
    page = open_page(index)
    mark(page, "date-shop").get_by_role("button", name="later").click()
    page.emulate_media(media="print")
    assert not page.locator("#find").is_visible()
    assert page.locator(".grid").is_visible()
    assert not page.get_by_role("button", name="good").first.is_visible()
    assert mark(page, "date-shop").get_by_role("button", name="later").is_visible()
    page.set_viewport_size({"width": 688, "height": 900})  # A4 without its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_fields_are_folded_on_phones_unless_one_is_set(index, open_page):
    page = open_page(index, viewport={"width": 390, "height": 800})
    assert not page.locator("#find").is_visible()
    assert page.locator(".grid .best img").first.bounding_box()["y"] < 600
    page.get_by_text("Find, filter, sort, export").click()
    page.locator("#decision").select_option("relevant")
    page.reload()
    assert page.locator("#decision").is_visible()
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.locator("#find").is_visible()
    assert not page.get_by_text("Find, filter, sort, export").is_visible()


def test_five_targets_fit_a_laptop(results, open_page, tmp_path):
    targets = ("almonds", "dates", "figs", "walnuts", "pistachios")
    named = [replace(results[0], target=target) for target in targets]
    index = write_report(named, tmp_path / "report", progress=False)
    page = open_page(index, viewport={"width": 1200, "height": 800})
    marks = page.locator("td.mark-column").first.bounding_box()["x"]
    cells = [cell.bounding_box() for cell in page.locator(".grid td.cell").all()]
    assert len(cells) == 5
    assert all(box["x"] + box["width"] <= marks + 1 for box in cells)


def test_cells_on_a_phone_say_which_target_they_are_about(results, open_page, tmp_path):
    failed = SiteFailure("date-shop", "<b>figs</b>", "no image of it can be read")
    index = write_report([*results, failed], tmp_path / "report", progress=False)
    page = open_page(index, viewport={"width": 390, "height": 800})
    cells = page.locator(".grid td.cell:not([data-decision=''])").all()
    assert len(cells) == 6
    texts = [cell.inner_text() for cell in cells]
    for target, n in (("almonds:", 3), ("dates:", 2), ("<b>figs</b>:", 1)):
        assert sum(text.startswith(target) for text in texts) == n, texts


def test_caption_and_print_say_which_rows_are_shown_in_which_order(index, open_page):
    page = open_page(index)
    caption = page.locator("#caption")
    assert "best first" in caption.inner_text()
    page.locator("#sort").select_option("site")
    assert "best first" not in caption.inner_text()
    page.get_by_label("Find", exact=True).fill("shop")
    page.locator("#decision").select_option("no decision")
    page.emulate_media(media="print")
    status = page.locator("#count")
    assert status.is_visible() and not page.locator("#find").is_visible()
    text = "getComputedStyle(document.getElementById('count'), '::after').content"
    assert status.inner_text() == "0 of 3 sites"
    assert page.evaluate(text) == '" (Find: shop; Decision: no decision)"'
    page.emulate_media(media="screen")
    page.goto(page.url.split("#")[0])
    page.emulate_media(media="print")
    assert page.evaluate(text) == "none"


def test_sites_of_one_name_can_be_told_apart(results, open_page, tmp_path):
    renamed = [replace(result, site="shop") for result in results[:4]]
    page = open_page(write_report(renamed, tmp_path / "report", progress=False))
    mark(page, "shop (date-shop)").get_by_role("button", name="good").click()
    rows = pd.read_csv(io.BytesIO(download(page, "Export marked rows (CSV)")))
    assert rows["site"].tolist() == ["shop (date-shop)"]
    page.get_by_text("nut-shop", exact=True).is_visible()
    write_report(renamed[::-1], tmp_path / "report", progress=False)
    page.reload()
    pressed = page.locator("[aria-pressed=true]")
    assert pressed.count() == 1
    group = pressed.locator("xpath=ancestor::div[@role='group']")
    assert group.get_attribute("aria-label") == "Mark shop (date-shop)"


def test_page_of_a_run_is_readable_at_every_width(open_page, tmp_path):
    pytest.importorskip("fsspec", reason="needs the extra distributed")
    from ..distributed.test_index import make_run, write

    write(make_run(tmp_path / "run", 3, failures={"000002": "OSError: disk full"}), tmp_path / "p")
    for width, scheme in ((390, "light"), (390, "dark"), (1280, "light")):
        page = open_page(
            tmp_path / "p/index.html",
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
        )
        assert page.evaluate(CONTRASTS) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for caption in page.locator("caption").all():  # across the page, not in a narrow column
            box, line = caption.bounding_box(), "parseFloat(getComputedStyle(e).lineHeight)"
            assert box["width"] > 300
            assert box["height"] < 4 * caption.evaluate(f"(e) => {line}")
        for part in page.locator(".grid .decision, .grid .command").all():
            box = part.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width
        row = page.locator(".grid.run tbody tr").first
        line = row.evaluate("(e) => getComputedStyle(e).borderBottomWidth")
        assert line == "1px" or width > 800  # between cards
        heads = page.locator(".grid thead").first.bounding_box()
        label = page.get_by_text("Images that match:").first
        assert (heads["x"] >= 0) != label.is_visible()  # a head of columns, or labels in cells
