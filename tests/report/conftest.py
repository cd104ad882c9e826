import shutil

import pandas as pd
import pytest

from similarity_lab import RelevanceScorer, Site
from similarity_lab.relevance import SiteFailure
from similarity_lab.sites import ORIGIN_COLUMNS

RUN_ME = "document.title = 'ran'"
ATTACK = f'"><script>{RUN_ME}</script><img src=x onerror="{RUN_ME}">'


@pytest.fixture
def scorer(library, stub):
    return RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)


@pytest.fixture
def results(scorer, sites, tmp_path):
    """Two sites for two targets each, one with a file that is no picture, and a failure."""
    (sites / "nut-shop" / "index.html").write_text("<html>")
    shutil.copy(sites / "nut-shop" / "00.jpg", sites / "nut-shop" / "again.jpg")
    shops = [sites / "date-shop", sites / "nut-shop"]
    return [
        *scorer.score_each(shops, targets=["almonds", "dates"]),
        SiteFailure("broken.example", "almonds", "no answer within 30 s"),
    ]


@pytest.fixture
def hostile(scorer, make_photo, tmp_path):
    """A decision and a failure in which everything that a stranger can name is an attack."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    names = [ATTACK.replace("/", "\u2215") + ".png", "gpj\u202eexe.png", "line\nbreak.png"]
    for number, name in enumerate(names):
        make_photo((150, 90, 50), number).save(folder / name)
    (folder / b"\xff\xfe.txt".decode("utf-8", "surrogateescape")).write_text("no picture")
    site = Site.from_folder(folder, name=ATTACK + "{{ 7 * 7 }}../../etc")
    attacks = [ATTACK, f"javascript:{RUN_ME}", f"https://x.example/'{ATTACK}", "https://a:b@c.d/"]
    origins = pd.DataFrame(
        [[path, address, f"data:text/html,{ATTACK}", ATTACK, ATTACK, ""] for path, address in
         zip(site.paths, attacks, strict=True)], columns=ORIGIN_COLUMNS,
    )  # fmt: skip
    decided = scorer.score(Site(site.name, site.paths, site.skipped, site.root, origins))
    return [decided, SiteFailure(ATTACK, ATTACK, ATTACK + "\x00\x1b[2J\u2066")]
