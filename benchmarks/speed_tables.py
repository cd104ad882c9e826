"""Write the sections of docs/benchmarks.md on speed; used by `benchmarks.tables`."""

from benchmarks.result_tables import figures, load, origin_line, significant, table

LOOP = """## The original loop, and the same decisions

The study's loop makes sixteen predictions of one image per site image. The package embeds every
image once, in batches, while the next ones are decoded; distances and decisions are the same.
"""

SPEED = """## Speed

Interleaved blocks on one machine, medians; ratios are medians within a round. "Cold" includes
loading the network and embedding the references (original rule), or scores a new site with a
fitted scorer (learned rule); "cached" finds its vectors in the store. float32 decodes as the study
did, int8 with `read_scaled`. Processor time is the time of all cores per image.
"""

LIMITS = """The ceiling of the machine is its number of cores divided by the processor time of
embedding from arrays and decoding; memory is the peak above that of a warm model.
"""

PEERS = """### Other tools for the same work

Embedding: the same network and weights on arrays in memory, interleaved, in images per second.
Stores: clustered synthetic vectors of 1,280 numbers, written in batches of 128; 40 read by key
from a newly opened store; the five nearest of one vector (recall against exact search in NumPy).
SQLite needs no package, is safe against kills and concurrent writers, and is fastest by key; the
index beside it makes up for its slow search of very many vectors. The search time includes reading
the index from disk, as in a command that runs one query. Building the index is not in any column;
it takes tens of minutes for a million vectors.
"""

ROOFLINE = """### Distance to the limits of the machine

One core. "At best" is the rate of a wide 1 x 1 convolution under the same runtime. The remaining
time is spent in depthwise layers, which are limited by memory, in narrow layers, and for int8 in
the first block, which stays in float32.
"""


PRECISION = """### What int8 costs

The same rules on the same sites, decoded in full and computed in float32 by Keras, and decoded by
`read_scaled` and computed in int8 by OpenVINO. int8 is the default because no area under a curve
falls by more than 0.001; the original rule stays in float32 to reproduce the study exactly.
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
    """Return the sections on speed, in order."""
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
            significant(row["rate"], 3),
            significant(row["times the original loop"], 3),
            significant(row["core milliseconds"], 3),
        ]
        for name, row in results["rows"].items()
    ]
    average = results["load"]
    load_line = (
        f"While this ran, {average['least']:.1f} to {average['most']:.1f} processes wanted "
        f"{average['cores']} cores.\n"
    )
    limits = [[label, significant(value, 4)] for label, value in results["figures"].items()]
    parts = [SPEED, table(head, rows), LIMITS, table(["", "measured"], limits), load_line]
    return "\n".join([*parts, origin_line(results)])


def peers() -> str:
    """Return the section on other tools."""
    results = load("speed_peers")
    embedding = [[name, significant(rate, 3)] for name, rate in results["embedding"].items()]
    names = list(dict.fromkeys(name for row in results["stores"].values() for name in row))
    stores = [
        [store, *(significant(row[name], 4) if name in row else "–" for name in names)]
        for store, row in results["stores"].items()
    ]
    parts = [PEERS, table(["embedding", "images/s"], embedding), table(["store", *names], stores)]
    return "\n".join([*parts, origin_line(results)])
