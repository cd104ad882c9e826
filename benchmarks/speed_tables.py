"""The sections of docs/benchmarks.md on speed."""

from benchmarks.result_tables import figures, load, origin_line, table

LOOP = """## The original loop, and the same decisions

The study's loop makes sixteen predictions of one image per site image. The package embeds every
image once, in batches, while the next ones are decoded; distances and decisions are the same.
"""

SPEED = """## Speed

Blocks in turns on one machine, medians; ratios are medians within a turn. "Cold" includes loading
the network and embedding the references (original rule), or scores a site that was never seen
(learned rule, fitted before); "cached" finds its vectors in the store. float32 decodes as the study
did, int8 with `read_scaled`. Processor time is what all cores together spend on an image.
"""

LIMITS = """What the machine could do at most is its cores over the processor time that embedding
from arrays and decoding take; memory is the peak above a warm model's.
"""

PEERS = """### Others that do the same work

The same network and weights from arrays in memory, in turns, in images per second; then what could
keep vectors: clustered synthetic vectors of 1,280 numbers, put in batches of 128, 40 got by key
from a store just opened, the five nearest of one vector (recall against all comparisons in NumPy).
SQLite needs no package, is safe against kills and second writers, and is fastest by key; what it
does slowly, searching very many vectors, the index beside it does. Its time includes reading the
index from disk, as a command that asks once does; making it is not in any column, and takes tens of
minutes for a million.
"""

ROOFLINE = """### How close to the machine

One core. "At best" is what it reaches on a wide 1 x 1 convolution under the same runtime. What is
missing goes into depthwise layers, which move more bytes than they multiply, into narrow ones, and
in int8 into the first block, which stays in float32.
"""


PRECISION = """### What int8 costs

The same rules on the same sites, decoded in full and computed in float32 by Keras, and decoded by
`read_scaled` and computed in int8 by OpenVINO. int8 is the default because no area under a curve
falls by more than 0.001; the original rule stays in float32, to be the study's to the last bit.
"""


def precision() -> str:
    """Return the section on what int8 costs."""
    results = load("precision")
    names = list(dict.fromkeys(name for row in results["rows"].values() for name in row))
    rows = [
        [rule, *(f"{row[name]:.4f}" if name in row else "–" for name in names)]
        for rule, row in results["rows"].items()
    ]
    head = ["", *(name.replace("_", " ") for name in names)]
    return "\n".join([PRECISION, table(head, rows), origin_line(results)])


def speed_sections() -> list[str]:
    """Return them in order."""
    return [
        figures("original_loop", LOOP),
        speed(),
        precision(),
        peers(),
        figures("roofline", ROOFLINE),
    ]


def speed() -> str:
    """Return the section on speed."""
    results = load("speed")
    head = ["", "images/s", "× the original loop", "processor ms per image"]
    rows = [
        [
            name,
            f"{row['rate']:.3g}",
            f"{row['times the original loop']:.3g}",
            f"{row['core milliseconds']:.3g}",
        ]
        for name, row in results["rows"].items()
    ]
    load_ = results["load"]
    busy = (
        f"While this ran, {load_['least']:.1f} to {load_['most']:.1f} processes wanted "
        f"{load_['cores']} cores.\n"
    )
    limits = [[label, f"{value:.4g}"] for label, value in results["figures"].items()]
    parts = [SPEED, table(head, rows), LIMITS, table(["", "measured"], limits), busy]
    return "\n".join([*parts, origin_line(results)])


def peers() -> str:
    """Return the section on others that do the same work."""
    results = load("speed_peers")
    embedding = [[name, f"{rate:.3g}"] for name, rate in results["embedding"].items()]
    names = list(dict.fromkeys(name for row in results["stores"].values() for name in row))
    stores = [
        [store, *(f"{row[name]:,.4g}" if name in row else "–" for name in names)]
        for store, row in results["stores"].items()
    ]
    parts = [PEERS, table(["embedding", "images/s"], embedding), table(["store", *names], stores)]
    return "\n".join([*parts, origin_line(results)])
