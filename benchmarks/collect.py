"""Measure how fast sites are collected: generated shops on this machine.

    python -m benchmarks.collect [--against FOLDER] [--turns N]

FOLDER is another checkout of the package, for example one made by ``git worktree add``. Both are
measured in turns, in processes of their own, so that other work on the machine affects them alike.

Small shops have 4 products, a large one 240. They are served by a process of their own and
collected with the defaults of `collect` but without throttling, except where it says "throttled".
The start of the crawler's process is included; "one page" shows what it costs.
Writes benchmarks/results/collect.json.
"""

import statistics
from pathlib import Path

from benchmarks.common import (
    ROOT,
    make_parser,
    origin,
    require_clean_tree,
    run_worker,
    write_results,
)

SEED = 0
SHOPS = {  # number of shops, products of each, whether requests are throttled
    "one page": (1, 0, False),
    "100 small shops": (100, 4, False),
    "100 small shops, throttled": (100, 4, True),
    "one large shop": (1, 240, False),
}

_WORKER = """
import json, multiprocessing, resource, sys, tempfile, time
from collections import Counter
from contextlib import ExitStack
from similarity_lab.samples import PRODUCTS
from similarity_lab.samples.serving import serve
from similarity_lab.samples.shops import make_shop
from similarity_lab.web import Limits, collect

def serve_shops(connection, n_shops, n_products, seed):
    subjects = [PRODUCTS[number % len(PRODUCTS)] for number in range(n_products)]
    files = {"/": ("text/html", b"<p>Almonds, soon.</p>")}
    if n_products:
        files = make_shop("shop", subjects, start=seed, size=(96, 128)).files
    with ExitStack() as stack:
        servers = [stack.enter_context(serve(files)) for _ in range(n_shops)]
        connection.send([server.url for server in servers])
        connection.recv()
        counts = [n for server in servers for n in Counter(server.requests).values()]
        connection.send(sum(n - 1 for n in counts))

n_shops, n_products, throttle, seed = json.loads(sys.stdin.read())
here, there = multiprocessing.Pipe()
process = multiprocessing.get_context("fork").Process(
    target=serve_shops, args=(there, n_shops, n_products, seed)
)
process.start()
urls = here.recv()
with tempfile.TemporaryDirectory() as folder:
    start = time.perf_counter()
    table = collect(
        urls,
        folder,
        limits=Limits(pages=1000, images=1000),
        allow=[url.removeprefix("http://") for url in urls],
        throttle=throttle,
        progress=False,
    ).table
    seconds = time.perf_counter() - start
here.send("how many?")
usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({
    "seconds": seconds,
    "pages": int(table["n_pages"].sum()),
    "images": int(table["n_images"].sum()),
    "requested twice": here.recv(),
    "processor seconds": sum(usage.ru_utime + usage.ru_stime for usage in usages),
}))
process.join()
"""


def measure(checkout: Path, shops: tuple[int, int, bool]) -> dict[str, float]:
    """Return the figures of one run with the package of a checkout."""
    figures = run_worker(_WORKER, checkout, [*shops, SEED])
    minutes = figures["seconds"] / 60
    figures["sites per minute"] = shops[0] / minutes
    figures["pages per minute"] = figures["pages"] / minutes
    figures["images per minute"] = figures["images"] / minutes
    return figures


def main() -> None:
    """Measure all shops, here and in the other checkout."""
    parser = make_parser(__doc__)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    require_clean_tree()
    checkouts = {"": ROOT} | ({"before, ": options.against} if options.against else {})
    figures: dict[str, float] = {}
    for name, shops in SHOPS.items():
        runs: dict[str, list[dict[str, float]]] = {prefix: [] for prefix in checkouts}
        for _ in range(options.turns):
            for prefix, checkout in checkouts.items():
                runs[prefix].append(measure(checkout.resolve(), shops))
        for prefix, measured in runs.items():
            for figure in measured[0]:
                key = f"{prefix}{name}: {figure}"
                figures[key] = statistics.median(run[figure] for run in measured)
        if options.against:
            ratio = figures[f"before, {name}: seconds"] / figures[f"{name}: seconds"]
            figures[f"{name}: times as fast as before"] = ratio
    results = {
        "origin": origin("python -m benchmarks.collect", seed=SEED, turns=options.turns),
        "figures": figures,
    }
    for key, value in figures.items():
        print(f"{key:60} {value:10.2f}")
    print(f"written to {write_results('collect', results)}")


if __name__ == "__main__":
    main()
