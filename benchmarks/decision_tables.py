"""Write the sections of docs/benchmarks.md on decisions; used by `benchmarks.tables`."""

from math import isnan
from statistics import mean
from textwrap import fill

from benchmarks.common import RESULTS
from benchmarks.result_tables import load, origin_line, plain, table, with_interval

SITES = """## Decisions on composite grocery sites

Fourteen products, each with 40 websites composed of real photos: 30 reference photos and a library
of about half of the *other* categories. The other images of the sites come from categories that are
**not** in the library, plus clothing, merchandise and web photos. Relevant sites show the product
on 25 to 85% of 10 to 60 images, irrelevant ones on 0 to 8%; the question is whether the share is at
least a quarter. The constants of the learned rule were fitted on these sites, too. Image AUC is the
mean over products (bootstrap over products), site AUC pools all sites (bootstrap over sites),
accuracy has a Wilson interval. For methods with probabilities: expected calibration errors (15 bins
of equal mass; prior share of the images 25%, true share 27%), the fraction of sites decided if
"unsure" below a certainty of 90% is allowed, and the fraction of those decided correctly.
References are training photos, sites show test photos. Wrong references are photos of products
outside the library. Vectors are float32, by Keras; the effect of the default int8 is reported
below.
"""

CONSTANTS = """## Constants of the learned rule

Fitted once for all libraries, on the photos that the decisions above are reported on; so these
tables show how far they depend on them. Images: slope and offset of the log likelihood ratio of a
score above the anchor. Sites: slope and offset of the best margin, log likelihood ratio of a name,
and log-odds that no text names a product that is sold; decisions on the real shops, eleven
targets. "Sure": probability at least 0.9 or at most 0.1.
"""

ACTIVE = """## Which images to mark first

A person marks one image after the other over all forty sites of a product; each mark changes the
decision on its site. Part of the sites that are decided rightly ("unsure" is not right) after so
many marks: in the order of value (what a mark is expected to change most), and at random (mean of
several draws). *Forced*: accuracy of the forced choice before and after all
marks. Nothing is fitted again, and *offered* asks whether any image of the site shows the product.
"""

FEW = """## Few references, few other products

Composite sites of groceries and of shop photos (first halves), references and other products drawn
by seed. *Share*: is it at least a quarter; *offered*: is the target shown at all. With no other
product, generated images are the counter-examples.
"""

ADAPTING = """### An embedder adapted to the library

`adapt_embedder(library)` trains the last four blocks of Lite0 to separate the products of the
library, including the references of the target. The learned rule on its vectors is compared with
the same rule on the frozen network: whole images, float32. Means over products.
"""

ADAPTED_PRODUCTS = """Decisions become right more often and probabilities better calibrated; images
are not ranked better. Image AUC rises for {up} of {count} products, frozen → adapted: {products}.
The frozen network in int8 has an image AUC of {fast:.3f} with whole images, and of {standard:.3f}
with a centre crop too, the default, which needs no training: try that first."""

DRAWS = """## How many references to draw

Greyscale EfficientNet-Lite0, mean distance, 560 sites, each decided with twenty seeds. At 0.65
nearly everything is called similar, so the draw can hardly change a decision, and half of the
decisions are wrong. At a threshold that separates, the draw matters; using *all* references costs
nothing and removes the randomness.
"""


def sites() -> str:
    """Return the section on decisions."""
    results = load("grocery_sites")
    rows = [
        [
            name,
            with_interval(row, "image_auc", 3),
            with_interval(row, "site_auc", 3),
            with_interval(row, "accuracy", 3),
            plain(row, "image_ece"),
            plain(row, "image_log_loss"),
            plain(row, "site_ece"),
            plain(row, "site_log_loss"),
            plain(row, "coverage"),
            with_interval(row, "accuracy_when_sure", 3),
        ]
        for name, row in results["rows"].items()
    ]
    head = [
        "method",
        "image AUC",
        "site AUC",
        "site accuracy",
        "ECE of images",
        "log loss of images",
        "ECE of sites",
        "log loss of sites",
        "decided",
        "accuracy of those",
    ]
    return "\n".join([SITES, table(head, rows), origin_line(results)])


def draws() -> str:
    """Return the section on the reference draw."""
    results = load("reference_draws")
    names = list(results["rows"][0])
    rows = [
        [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
        for row in results["rows"]
    ]
    return "\n".join([DRAWS, table(names, rows), origin_line(results)])


GEOMETRY = """## Embedders of another geometry

The constants of the learned rule were fitted with EfficientNet-Lite. Here it decides on simulated
vectors of other geometry, and on real vectors that were moved into one: 25 references, 30 other
products (photos: half of the other classes, 15 photos each), 240 sites of 8 to 39 images that show
products outside the library, half of them also 5 to 60 % the target; prior 0.5.

The spaces of the first table were there when constants were chosen. Those of the second, and the
joint spaces of the fifth, are of other kinds and were written down before the rule had decided in
any of them: heavy tails, hubs, products of very different spread, rogue dimensions, whitened and
rectified vectors, close groups, wrong names. It failed in some: 91 % of its sure answers were right
in the worst of 16, and fewer than 90 % in 10 of 60 spaces drawn at random. Sure answers were wrong
for two reasons, both mended, which also makes answers on groceries right more often and changed no
decision on seven real shops:

- The better an embedder tells products apart, the more reaches the margin of a product that
  resembles the target and is not in the library. A margin far below those of the references
  therefore counts less for the site.
- A likelihood ratio has the mean 1 over what it counts against. In whitened spaces, where all
  directions vary alike, other images score so close together that it exceeded 1, and the share
  came out too large. The line is now steepened until the mean is 0.8; with the packaged networks
  it is 0.6 at most on groceries. With 0.6 as the bound, photos of shops were steepened two- to
  fourfold: images of rare products fitted better (calibration error on real shops 0.019; 0.029
  with 0.8; 0.032 with 1), those of frequent ones worse (composites of shop photos 0.036; 0.020;
  0.018), and the worst of the spaces below, a joint one, had 97 % of its sure shares right (94 %
  with 0.8, 91 % with 1, where also 13 % of the sure shares on 256 components of equal variance
  were wrong). Tried as well, on 256 components of equal variance, where 64 % of the sure shares
  of four targets had been right: more shrinkage before whitening (53 %) and less (96 %, but then
  91 % of the sure answers on "sells it"); a steeper line or a sharper softmax for all, and
  dividing by the variance within products also where it is small (each 100 %, but these move
  embedders that need no mending).

The mends were chosen on the spaces of all tables but the last, and on others drawn at random. The
spaces of the last, with all parameters drawn at random from wide ranges, one target each, were run
once, at the end.

A cone, however narrow, a shift, a rotation and the length of vectors change nothing, since the
space is centred and whitened. Noise does: with few dimensions, or if few directions vary, cosines
to other products scatter more, and the slopes would be too steep. They are divided by the variance
within products, relative to what the packaged networks have at most; rows "noise not heeded" show
the rule without this. In the joint spaces the text tower knows products well, or badly; names
compete with 600 others. By names alone only "sells it" is asked, and no photo of the target tells
how often they miss it, or that they mean something else: **a wrong or ambiguous name without a
photo is believed**. No real joint space could be had here without a network.
"""


def constants() -> str:
    """Return the section on the constants of the learned rule; empty without results."""
    if not (RESULTS / "rule_constants.json").is_file():
        return ""
    results = load("rule_constants")
    rows = [[name, str(value)] for name, value in results["rows"]["images"].items()]
    parts = [CONSTANTS, table(["images: fitted on", "slope, offset"], rows)]
    rows = []
    for name, row in results["rows"]["sites"].items():
        if isinstance(row, list):
            rows.append([name, str(row), *[""] * 6])
            continue
        cells = [name, str(row["constants"])]
        for kind in ("images alone", "with words"):
            yes, no = row[kind]["sure yes"], row[kind]["sure no"]
            cells.append(f"{row[kind]['auc']:.3f}")
            cells += [f"{sell} of {count}" for count, sell in (yes, no)]
        rows.append(cells)
    head = [
        "sites: fitted on", "constants", "AUC, images alone", "sure yes: sell", "sure no: sell",
        "AUC, with words", "sure yes: sell", "sure no: sell",
    ]  # fmt: skip
    return "\n".join([*parts, table(head, rows), origin_line(results)])


def geometry() -> str:
    """Return the section on embedders of other geometry; empty without results."""
    if not (RESULTS / "geometry.json").is_file():
        return ""
    results = load("geometry")
    head = ["", "image AUC", "sells it: AUC", "sure", "right when sure", "share: AUC", "sure",
            "right when sure"]  # fmt: skip
    names = [
        "image_auc", "offered_auc", "offered_sure", "offered_right_when_sure", "share_auc",
        "share_sure", "share_right_when_sure",
    ]  # fmt: skip
    parts = [GEOMETRY]
    titles = {
        "simulated": "simulated vectors",
        "held_out": "held-out kinds of simulated vectors",
        "photos": "vectors of real photos, moved",
        "joint": "simulated joint space: references",
        "joint_held_out": "held-out kinds of joint space: references",
        "random": "all parameters drawn at random: references",
    }
    for part, title in titles.items():
        rows = [
            [name, *(_figure(row.get(column)) for column in names)]
            for name, row in results.get(part, {}).items()
        ]
        if rows:
            parts.append(table([title, *head[1:]], rows))
    return "\n".join([*parts, origin_line(results)])


def _figure(value: float | None) -> str:
    return "–" if value is None or isnan(value) else f"{value:.3f}"


def active_learning() -> str:
    """Return the section on the order of marks; empty without results."""
    if not (RESULTS / "active_learning.json").is_file():
        return ""
    results = load("active_learning")
    counts = next(iter(results["rows"].values()))["marks"]
    rows = [
        [
            name,
            *(f"{value:.3f}" for value in row["decided_rightly"]),
            f"{row['accuracy'][0]:.3f} → {row['accuracy'][-1]:.3f}",
            "–" if row["marks_to_reach_random"] is None else str(row["marks_to_reach_random"]),
        ]
        for name, row in results["rows"].items()
    ]
    head = ["criterion, order", *(f"{count} marks" for count in counts), "forced"]
    head.append(f"marks to reach random after {counts[-1]}")
    return "\n".join([ACTIVE, table(head, rows), origin_line(results)])


def few_photos() -> str:
    """Return the section on small libraries; empty without results."""
    if not (RESULTS / "few_photos.json").is_file():
        return ""
    results = load("few_photos")
    rows = [
        [
            name,
            with_interval(row, "accuracy", 3),
            plain(row, "right_when_sure"),
            plain(row, "unsure"),
            plain(row, "log_loss"),
        ]
        for name, row in results["rows"].items()
    ]
    head = ["sites", "accuracy", "right when sure", "unsure", "log loss"]
    return "\n".join([FEW, table(head, rows), origin_line(results)])


def adapting() -> str:
    """Return the section on adapted embedders."""
    results = load("adapting")
    targets = results["targets"]
    columns = {
        "image_auc": "image AUC",
        "image_ece": "ECE of images",
        "accuracy": "site accuracy",
        "coverage": "decided",
        "accuracy_when_sure": "accuracy of those",
    }
    rows = [
        [name, *(f"{mean(row[name][key] for row in targets.values()):.3f}" for key in columns)]
        for name in ("frozen", "adapted")
    ]
    aucs = {
        name: [f"{row[kind]['image_auc']:.3f}" for kind in ("frozen", "adapted")]
        for name, row in targets.items()
    }
    sites = load("grocery_sites")["rows"]
    products = ADAPTED_PRODUCTS.format(
        fast=sites["learned, quality fast"]["image_auc"],
        standard=sites["learned"]["image_auc"],
        count=len(targets),
        up=sum(
            each["adapted"]["image_auc"] > each["frozen"]["image_auc"] for each in targets.values()
        ),
        products=", ".join(f"{name} {' → '.join(pair)}" for name, pair in aucs.items()),
    )
    text = fill(products, 100, break_on_hyphens=False)
    parts = [ADAPTING, table(["", *columns.values()], rows), text, "", origin_line(results)]
    return "\n".join(parts)
