import shutil

import numpy as np
import pandas as pd
import pytest

from similarity_lab import RelevanceScorer, Site, read_image
from similarity_lab.images.sources import content_digest
from similarity_lab.relevance import SiteFailure
from similarity_lab.relevance.rules.calibration import Calibration, LikelihoodRatio
from similarity_lab.sites import ORIGIN_COLUMNS

from ..conftest import PerImage

RUN_ME = "document.title = 'ran'"
CALIBRATION = Calibration(
    line=LikelihoodRatio(1.0, 0.0),
    margin_anchor=0.1,
    margin_noise=1.0,
    separability=0.9876,
    reliability=0.75,
    look_alike_ratios=(),
    look_alike_margins=(),
    reference_margins=(),
    n_references=20,
    n_products=12,
)
ATTACK = f'"><script>{RUN_ME}</script><img src=x onerror="{RUN_ME}">'


class ByColour(PerImage):
    """An embedder that separates colours well: a direction per colour plus content-seeded noise."""

    name, dimension, input_size = "directions of colours", 24, (8, 8)

    def vector(self, image):
        red, green, _ = read_image(image).mean((0, 1)) // 50
        noise = np.random.default_rng(int(content_digest(image)[:12], 16)).normal(0, 0.4, 24)
        return np.random.default_rng(int(8 * red + green)).normal(0, 1, 24) + noise


@pytest.fixture
def scorer(library):
    return RelevanceScorer("almonds", embedder=ByColour(), progress=False).fit(library)


@pytest.fixture
def results(scorer, sites, tmp_path):
    """Decisions on two sites for two targets, one site with an unreadable file, and a failure."""
    (sites / "nut-shop" / "index.html").write_text("<html>")
    shutil.copy(sites / "nut-shop" / "00.jpg", sites / "nut-shop" / "again.jpg")
    shops = [sites / "date-shop", sites / "nut-shop"]
    return [
        *scorer.decide_each(shops, targets=["almonds", "dates"]),
        SiteFailure("broken.example", "almonds", "no answer within 30 s"),
    ]


@pytest.fixture
def with_texts(sites):
    """Return a function from a site's folder and the alternative texts of its images to a site."""

    def make(name, texts):
        site = Site.from_folder(sites / name)
        alts = [*texts, *[""] * (len(site.paths) - len(texts))]
        origins = pd.DataFrame({"path": site.paths, "alt": alts}).reindex(columns=ORIGIN_COLUMNS)
        return Site(site.name, site.paths, site.skipped, site.root, origins)

    return make


@pytest.fixture
def hostile(scorer, make_image, tmp_path):
    """A decision and a failure in which every untrusted string is an attack."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    names = [ATTACK.replace("/", "\u2215") + ".png", "gpj\u202eexe.png", "line\nbreak.png"]
    for number, name in enumerate(names):
        make_image((150, 90, 50), number).save(folder / name)
    (folder / b"\xff\xfe.txt".decode("utf-8", "surrogateescape")).write_text("no picture")
    site = Site.from_folder(folder, name=ATTACK + "{{ 7 * 7 }}../../etc")
    attacks = [ATTACK, f"javascript:{RUN_ME}", f"https://x.example/'{ATTACK}", "https://a:b@c.d/"]
    origins = pd.DataFrame(
        [{**dict.fromkeys(ORIGIN_COLUMNS, ATTACK), "path": path, "url": address,
          "product": f"{ATTACK}gpj\u202eexe",
          "page": f"data:text/html,{ATTACK}", "price": None, "position": None, "sha256": ""}
         for path, address in zip(site.paths, attacks, strict=True)],
    )  # fmt: skip
    result = scorer.decide(Site(site.name, site.paths, site.skipped, site.root, origins))
    return [result, SiteFailure(ATTACK, ATTACK, ATTACK + "\x00\x1b[2J\u2066")]
