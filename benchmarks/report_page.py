"""Measure how long the report takes to write, its size, and its speed in a browser.

    python -m benchmarks.report_page [--sites 1000] [--images 50] [--distinct 4000]

Decisions and images are synthetic: one file per image, of which `--distinct` differ and are decoded
to thumbnails; all files are hashed. The browser is headless Chromium, as Debian packages it. Writes
benchmarks/results/report_page.json.
"""

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.common import make_parser, origin, require_clean_tree, write_results
from similarity_lab._version import versions
from similarity_lab.relevance import DecisionSettings, SiteRelevance
from similarity_lab.relevance.verdict import SCORE_COLUMNS
from similarity_lab.report import write_report

SETTINGS = DecisionSettings(
    "learned", "none", 0.5, 0.25, "offered", certainty=0.9, prior=0.25, prior_share=0.25
)
_N_DRAWINGS = 40  # different drawings; a few bytes appended make each file's content unique
_SIDE = 400  # pixels


def main() -> None:
    """Write a report of synthetic decisions, open it, print and write the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--sites", type=int, default=1000)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--distinct", type=int, default=4000)
    options = parser.parse_args()
    require_clean_tree()
    with tempfile.TemporaryDirectory() as parent:
        results = synthetic_results(
            options.sites, options.images, options.distinct, Path(parent) / "photos"
        )
        report = Path(parent) / "report"
        figures = {"sites": options.sites, "images_per_site": options.images}
        for run in ("first", "again"):
            start = time.perf_counter()
            index = write_report(results, report)
            figures[f"write_seconds_{run}"] = round(time.perf_counter() - start, 1)
        figures |= sizes(index) | in_browser(index)
    for name, value in figures.items():
        print(f"{name}: {value}")
    command = f"python -m benchmarks.report_page --sites {options.sites} --images {options.images}"
    command += f" --distinct {options.distinct}"
    write_results("report_page", {"origin": origin(command, seed=0), "figures": figures})


def synthetic_results(sites: int, images: int, distinct: int, folder: Path) -> list[SiteRelevance]:
    """Return decisions on photos that are drawn into `folder`."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    drawings = [draw_photo(rng) for _ in range(_N_DRAWINGS)]
    references = [str(folder / f"reference-{number}.jpg") for number in range(30)]
    for number, reference in enumerate(references):
        Path(reference).write_bytes(drawings[number])
    results = []
    for number in range(sites):
        site_folder = folder / f"site-{number:05}"
        site_folder.mkdir()
        table = pd.DataFrame(index=range(images), columns=SCORE_COLUMNS)
        paths = [site_folder / f"{index:03}.jpg" for index in range(images)]
        for index, path in enumerate(paths):
            content = (number * images + index) % distinct
            path.write_bytes(drawings[content % _N_DRAWINGS] + str(content).encode())
        chance = rng.beta(0.2, 0.8, images)
        table["path"] = pd.Series(paths, dtype=object)
        table["status"], table["reason"], table["confusable"] = "scored", "", "dates"
        table["words"] = table["word_kind"] = ""
        table["probability"], table["score"] = chance, chance
        table["margin"] = chance - 0.8
        table["nearest_reference"] = rng.choice(references, images)
        table["nearest_distance"] = rng.random(images)
        results.append(
            SiteRelevance.from_images(
                table,
                settings=SETTINGS,
                site=f"shop-{rng.integers(10**6)}.example",
                target="almonds",
                skipped=pd.DataFrame(columns=["path", "reason"]),
                versions=versions(),
            )
        )
    return results


def draw_photo(rng: np.random.Generator) -> bytes:
    """Return a JPEG of smooth colours with some grain, about as large as a shop's photo."""
    coarse = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))
    grainy = np.clip(smooth + rng.normal(0, 5, smooth.shape), 0, 255).astype(np.uint8)
    with tempfile.SpooledTemporaryFile() as file:
        Image.fromarray(grainy).save(file, "JPEG", quality=85)
        file.seek(0)
        return file.read()


def sizes(index: Path) -> dict[str, float]:
    """Return the sizes of the report's files, in kilobytes or as named."""
    pages = [path.stat().st_size for path in (index.parent / "sites").iterdir()]
    thumbs = [path.stat().st_size for path in (index.parent / "thumbs").iterdir()]
    return {
        "index_kB": round(index.stat().st_size / 1e3),
        "site_page_kB_median": round(float(np.median(pages)) / 1e3, 1),
        "thumbnails": len(thumbs),
        "thumbnail_kB_mean": round(float(np.mean(thumbs)) / 1e3, 1),
        "all_MB": round((sum(pages) + sum(thumbs) + index.stat().st_size) / 1e6, 1),
    }


def in_browser(index: Path, runs: int = 5) -> dict[str, float]:
    """Return medians in milliseconds; after a step the page is laid out before the clock stops."""
    from playwright.sync_api import sync_playwright

    time_step = """(step) => {
      const start = performance.now();
      if (step === "sort") document.querySelector("thead button").click();
      const find = document.getElementById("find");
      if (step === "filter") {
        find.value = find.value ? "" : "shop-1";
        find.dispatchEvent(new Event("input", { bubbles: true }));
      }
      document.body.getBoundingClientRect();
      return performance.now() - start;
    }"""
    figures: dict[str, list[float]] = {"load": [], "sort": [], "filter": [], "site_page": []}
    site = sorted((index.parent / "sites").iterdir())[0]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        load_time = "performance.getEntriesByType('navigation')[0].loadEventEnd"
        for _ in range(runs):
            page.goto(index.as_uri())
            figures["load"].append(page.evaluate(load_time))
            for step in ("sort", "filter"):
                figures[step].append(page.evaluate(time_step, step))
            page.goto(site.as_uri())
            figures["site_page"].append(page.evaluate(load_time))
        browser.close()
    return {f"{name}_ms": round(float(np.median(times)), 1) for name, times in figures.items()}


if __name__ == "__main__":
    main()
