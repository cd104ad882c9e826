"""Draw docs/report.png: the report on the shops of the demo, first page and a site's page.

    python -m tools.report_picture

Needs Chromium and the extra "dev".
"""

import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from similarity_lab import rank
from similarity_lab.samples import make_samples
from similarity_lab.samples.market import make_market
from similarity_lab.samples.serving import serve
from similarity_lab.samples.storefront import sample_shop

OUT = Path(__file__).parents[1] / "docs" / "report.png"
SHOPS = ("Harbour Grocers", "Nut House", "Closed Corner")  # of the market
WIDTH, HEIGHT, GAP = 860, 780, 8


def main() -> None:
    """Collect the shops, decide, and draw two pages side by side."""
    with TemporaryDirectory() as folder:
        index = _write_report(Path(folder))
        (site,) = (index.parent / "sites").glob("harbour-grocers-*.html")
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
            pages = [_screenshot(browser, path, Path(folder)) for path in (index, site)]
            browser.close()
    picture = Image.new("RGB", (2 * WIDTH + GAP, HEIGHT), "#999")
    for position, page in enumerate(pages):
        picture.paste(page, (position * (WIDTH + GAP), 0))
    picture.quantize(256).save(OUT, optimize=True)
    print(f"{OUT}: {OUT.stat().st_size // 1024} kB")


def _write_report(folder: Path) -> Path:
    samples = make_samples(folder / "samples")
    market = make_market()
    shops = {"greenfield-foods": sample_shop("greenfield-foods")}
    shops |= {name: market[name] for name in SHOPS}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serve(shop)) for name, shop in shops.items()}
        ranking = rank(
            {name: server.url for name, server in servers.items()},
            samples.library,
            samples.target,
            folder / "results",
            collecting={
                "allow": [server.endpoint for server in servers.values()],
                "throttle": False,
            },
        )
    return ranking.page


def _screenshot(browser: Browser, path: Path, folder: Path) -> Image.Image:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    file = folder / "page.png"
    page.screenshot(path=file)
    with Image.open(file) as image:
        return image.convert("RGB")


if __name__ == "__main__":
    main()
