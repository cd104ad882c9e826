"""The report in a real browser: the system's Chromium, if it is installed."""

import shutil

import pytest

from similarity_lab.report import render_gallery, write_report

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
# Name and target of each visible row.
ROWS = """() => [...document.querySelectorAll(".sites tbody tr:not(.group)")]
  .filter((row) => row.checkVisibility())
  .map((row) => row.querySelector("bdi").textContent + "/"
    + row.closest("section").querySelector("caption bdi").textContent)"""


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
    assert all(url.startswith(("file:///", "data:image/jpeg")) for url in requests)


@pytest.fixture
def index(results, tmp_path):
    return write_report(results, tmp_path / "report", progress=False)


def test_table_is_sorted_with_the_keyboard(index, open_page):
    page = open_page(index)
    original = page.evaluate(ROWS)
    assert original == ["nut-shop/almonds", "date-shop/almonds", "broken.example/almonds",
                        "date-shop/dates", "nut-shop/dates"]  # fmt: skip
    dates = original[3:]  # the other table keeps its order
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    head = page.get_by_role("columnheader", name="Site").first
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    ascending = ["date-shop/almonds", "nut-shop/almonds", "broken.example/almonds"]
    assert page.evaluate(ROWS) == [*ascending, *dates]  # failures stay last
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    assert page.evaluate(ROWS) == original
    probability = page.get_by_role("columnheader", name="P(sells)").first
    probability.get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None
    assert page.evaluate(ROWS) == original
    probability.get_by_role("button").click()
    assert probability.get_attribute("aria-sort") == "ascending"
    assert page.evaluate(ROWS) == [*ascending, *dates]


def test_table_is_filtered_by_text_decision_and_target(index, open_page):
    page = open_page(index)
    status = page.get_by_role("status")
    assert status.text_content() == "5 rows"
    page.get_by_label("Find").fill("  SHOP Nút ")
    assert {row.split("/")[0] for row in page.evaluate(ROWS)} == {"nut-shop"}
    assert status.text_content() == "2 of 5 rows"
    page.get_by_label("Target").select_option("almonds")
    assert page.evaluate(ROWS) == ["nut-shop/almonds"]
    assert page.get_by_role("table").count() == 1  # of the other target: hidden
    page.get_by_label("Find").fill("")
    page.get_by_label("Find").press("Enter")  # does not submit the form
    page.locator("#decision").select_option("no decision")
    assert page.evaluate(ROWS) == ["broken.example/almonds"]
    assert page.get_by_role("rowheader", name="No decision").is_visible()


def test_site_page_shows_all_thumbnails_and_links_back(index, open_page):
    page = open_page(index)
    page.get_by_role("link", name="nut-shop").first.click()
    page.locator("img").evaluate_all("all => all.forEach((image) => image.loading = 'eager')")
    page.wait_for_load_state("networkidle")
    widths = page.locator("img").evaluate_all("all => all.map((image) => image.naturalWidth)")
    assert len(widths) > 10 and min(widths) > 0
    assert page.get_by_role("heading", level=1).text_content() == "nut-shop"
    page.get_by_role("link", name="←").click()
    assert page.get_by_role("table").count() == 2  # a table for each target


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
    page.get_by_label("Find").fill("<script>")
    page.get_by_role("columnheader", name="Site").first.get_by_role("button").click()
    assert page.title() != "ran" and len(page.evaluate(ROWS)) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_readable_at_every_width(index, open_page, scheme):
    (site,) = (index.parent / "sites").glob("nut-shop-almonds-*.html")
    for path in (index, site):
        page = open_page(path, color_scheme=scheme)
        assert page.evaluate(CONTRASTS) == []
        for width in (390, 860, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_printed_page_has_no_controls(index, open_page):
    page = open_page(index)
    page.emulate_media(media="print")
    assert not page.locator(".filters").is_visible()
    assert page.locator(".sites").first.is_visible()
    page.set_viewport_size({"width": 688, "height": 900})  # A4 without its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    assert page.pdf(format="A4").startswith(b"%PDF")
