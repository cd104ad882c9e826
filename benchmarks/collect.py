"""Measure how fast sites are collected: generated shops on this machine, without throttling.

    python -m benchmarks.collect

One shop with 240 product pages and as many photos, served by a thread of this process; then four
shops of 60 products at a time. The start of the crawler's process is included. Writes
benchmarks/results/collect.json.
"""

import statistics
import tempfile
import time
from collections import Counter
from contextlib import ExitStack

from benchmarks.common import make_parser, origin, require_clean_tree, write_results
from similarity_lab.samples import PRODUCTS
from similarity_lab.samples.serving import serve
from similarity_lab.samples.shops import make_shop
from similarity_lab.web import Limits, collect

SIZE = (96, 128)


def measure(n_shops: int, n_products: int, seed: int) -> dict[str, float]:
    """Return the figures of one run."""
    subjects = [PRODUCTS[number % len(PRODUCTS)] for number in range(n_products)]
    with ExitStack() as stack:
        shops = [make_shop(f"shop {n}", subjects, start=seed, size=SIZE) for n in range(n_shops)]
        servers = [stack.enter_context(serve(shop)) for shop in shops]
        out = stack.enter_context(tempfile.TemporaryDirectory())
        start = time.perf_counter()
        collection = collect(
            [server.url for server in servers],
            out,
            limits=Limits(pages=1000, images=1000),
            allow=[server.endpoint for server in servers],
            throttle=False,
            progress=False,
        )
        seconds = time.perf_counter() - start
        table = collection.table
        twice = sum(n - 1 for server in servers for n in Counter(server.requests).values())
        digests = set(collection.images.query("crawl_status == 'kept'")["sha256"])
    pages, images = int(table["n_pages"].sum()), int(table["n_images"].sum())
    products = n_shops * n_products
    return {
        "seconds": seconds,
        "pages": pages,
        "images": images,
        "pages per minute": 60 * pages / seconds,
        "images per minute": 60 * images / seconds,
        "product images found": min(images - n_shops, products) / products,
        "different images": len(digests),
        "asked twice": twice,
    }


def main() -> None:
    """Measure one large shop, and four at a time."""
    parser = make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    require_clean_tree()
    figures: dict[str, float] = {}
    for name, shape in (("one shop of 240 products", (1, 240)), ("four shops of 60", (4, 60))):
        runs = [measure(*shape, options.seed) for _ in range(options.repeats)]
        for figure in runs[0]:
            figures[f"{name}: {figure}"] = statistics.median(run[figure] for run in runs)
    results = {
        "origin": origin(
            "python -m benchmarks.collect", seed=options.seed, repeats=options.repeats
        ),
        "figures": figures,
    }
    for name, value in figures.items():
        print(f"{name:50} {value:10.3f}")
    print(f"written to {write_results('collect', results)}")


if __name__ == "__main__":
    main()
