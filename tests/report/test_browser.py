"""The report in a real browser: Debian's Chromium, where there is one."""

import shutil

import pytest

from similarity_lab.report import gallery, write_report

# Every text against what lies behind it; WCAG 2.2, 1.4.3 asks for 4.5 to 1.
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
    const seen = walk.currentNode.data.trim() && e.getClientRects().length;
    if (!seen || e.closest("select")) continue;
    const [a, b] = [light(channels(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(2)}: ${walk.currentNode.data.trim()}`);
  }
  return low;
}"""
ROWS = """() => [...document.querySelectorAll("#sites tbody tr")].filter((row) => !row.hidden)
  .map((row) => row.cells[0].querySelector("bdi").textContent + "/" + row.cells[1].textContent)"""


@pytest.fixture(scope="module")
def browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: install the extra dev")
    with api.sync_playwright() as driver:  # the system's browser, nothing is downloaded
        started = driver.chromium.launch(executable_path=program)
        yield started
        started.close()


@pytest.fixture
def open_page(browser):
    """Open a file; whatever goes wrong on the page, or leaves the folder, fails the test."""
    contexts, complaints, asked = [], [], []

    def opened(path, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.locator("img").evaluate_all("all => all.forEach((image) => image.loading = 'eager')")
        page.wait_for_load_state("networkidle")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert asked and all(url.startswith(("file:///", "data:image/jpeg")) for url in asked)


@pytest.fixture
def index(results, tmp_path):
    return write_report(results, tmp_path / "report", progress=False)


def test_sorts_by_any_column_with_the_keyboard(index, open_page):
    page = open_page(index)
    ranked = page.evaluate(ROWS)
    assert ranked[-1] == "broken.example/almonds" and len(ranked) == 5
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    head = page.get_by_role("columnheader", name="Site")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert [row.split("/")[0] for row in page.evaluate(ROWS)] == [
        "broken.example", "date-shop", "date-shop", "nut-shop", "nut-shop"]  # fmt: skip
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    assert page.evaluate(ROWS)[0].startswith("nut-shop")
    chance = page.get_by_role("columnheader", name="Probability")
    chance.get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None
    assert page.evaluate(ROWS) == ranked
    chance.get_by_role("button").click()  # the other way round; what has none stays last
    assert page.evaluate(ROWS) == [*ranked[3::-1], ranked[4]]


def test_filters_by_words_decision_and_target(index, open_page):
    page = open_page(index)
    status = page.get_by_role("status")
    assert status.text_content() == "5 rows"
    page.get_by_label("Find").fill("  SHOP Nút ")
    assert {row.split("/")[0] for row in page.evaluate(ROWS)} == {"nut-shop"}
    assert status.text_content() == "2 of 5 rows"
    page.get_by_label("Target").select_option("almonds")
    assert page.evaluate(ROWS) == ["nut-shop/almonds"]
    page.get_by_label("Find").fill("")
    page.get_by_label("Find").press("Enter")  # sends nothing anywhere
    page.locator("#decision").select_option("no decision")
    assert page.evaluate(ROWS) == ["broken.example/almonds"]


def test_goes_to_a_site_and_back_with_all_pictures_there(index, open_page):
    page = open_page(index)
    page.get_by_role("link", name="nut-shop").first.click()
    page.locator("img").evaluate_all("all => all.forEach((image) => image.loading = 'eager')")
    page.wait_for_load_state("networkidle")
    widths = page.locator("img").evaluate_all("all => all.map((image) => image.naturalWidth)")
    assert len(widths) > 10 and min(widths) > 0
    assert page.get_by_role("heading", level=1).text_content() == "nut-shop"
    page.get_by_role("link", name="←").click()
    assert page.get_by_role("table").count() == 1


def test_hostile_words_do_nothing(hostile, open_page, tmp_path):
    index = write_report(hostile, tmp_path / "report", title=hostile[0].site, progress=False)
    (site,) = (index.parent / "sites").iterdir()
    inline = tmp_path / "inline.html"
    inline.write_text(f"<meta charset=utf-8><title>t</title>{gallery(hostile[0])}", "utf-8")
    for path in (index, site, inline):
        page = open_page(path)
        assert page.title() != "ran"
        assert page.locator("img[src=x]").count() == 0
    page = open_page(index)
    page.get_by_label("Find").fill("<script>")
    page.get_by_role("columnheader", name="Site").get_by_role("button").click()
    assert page.title() != "ran" and len(page.evaluate(ROWS)) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_readable_and_fits_at_every_width(index, open_page, scheme):
    (site,) = (index.parent / "sites").glob("nut-shop-almonds-*.html")
    for path in (index, site):
        page = open_page(path, color_scheme=scheme)
        assert page.evaluate(CONTRASTS) == []
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_prints_without_controls(index, open_page):
    page = open_page(index)
    page.emulate_media(media="print")
    assert not page.locator(".filters").is_visible() and page.locator("#sites").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
