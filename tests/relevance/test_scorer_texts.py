"""Texts of collected images in the scorer: read from origins only, and never where they are off."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from similarity_lab import RelevanceScorer, Site
from similarity_lab.relevance.tables import rank_results


@pytest.fixture
def scorer(shelf, embedder):
    return RelevanceScorer("almonds", embedder=embedder, progress=False).fit(shelf)


@pytest.fixture
def paths(written):
    """Ten images that do not show almonds, in files that are named after them."""
    return written("almonds", "tea", 5) + written("almonds", "phones", 5)


def collected(paths, alts=(), name="shop"):
    """Return a site with these alternative texts, one for each of the first images."""
    texts = pd.DataFrame({"path": [*map(str, paths)], "url": "", "page": "", "alt": ""})
    texts.loc[: len(alts) - 1, "alt"] = list(alts)
    return Site(name, tuple(paths), origins=texts)


def test_names_of_local_files_are_not_read(scorer, paths):
    result = scorer.decide([path.rename(path.with_name(f"almonds {path.name}")) for path in paths])
    assert (result.settings.words, result.word_evidence, result.n_named) == ((), 0, 0)
    assert (result.images["word_kind"] == "").all()


def test_texts_of_a_collected_site_are_a_second_witness(scorer, paths):
    silent, local = scorer.decide(collected(paths)), scorer.decide(paths)
    named = scorer.decide(collected(paths, ["Raw almonds, 1 kg"]))
    assert silent.word_evidence == 0 and silent.offered == pytest.approx(local.offered)
    assert "almonds" in [word.lower() for word in silent.settings.words]
    assert named.image_evidence == silent.image_evidence < 0 < named.word_evidence
    assert named.offered > 3 * silent.offered and named.n_named == 1
    row = named.images.loc[0]
    assert row["word_kind"] == "target" and "almond" in row["words"].lower()
    assert named.n_matches_with_words >= named.n_matches
    assert named.without_words().offered == pytest.approx(silent.offered)


def test_texts_belong_to_their_images(scorer, paths, tmp_path):
    """Of an unreadable image and of a repeated one, the text does not count."""
    bad = tmp_path / "bad.jpg"
    bad.write_text("no")
    site = collected([bad, paths[0], paths[0], *paths[1:]], ["Almonds", "", "", "Black tea"])
    result = scorer.decide(site)
    statuses = result.images["status"].tolist()
    assert statuses[0] == "skipped" and statuses.count("repeated") == 1
    assert result.images["word_kind"].tolist()[:5] == ["target", "", "", "other", ""]
    assert result.n_named == 0 and result.word_evidence < 0


def test_texts_of_images_that_were_not_collected_are_hints(scorer, paths):
    site = collected(paths, ["Black tea"] * 5 + ["Phone"] * 5)
    unseen = pd.DataFrame({"url": "", "alt": [*["Black tea"] * 28, "Raw almonds", "Gift"]})
    part = scorer.decide(replace(site, unseen=unseen))
    whole = scorer.decide(site)
    assert part.settings.image_coverage == 0.25 and part.n_named == 0
    assert part.settings.unseen_kinds == ("target", *["other"] * 28)
    assert whole.word_evidence < 0 < part.word_evidence < 1
    assert whole.image_evidence < part.image_evidence <= 0
    silent = scorer.decide(replace(site, unseen=unseen[:28]))
    assert silent.word_evidence <= whole.word_evidence + 1e-9
    assert scorer.set_params(words=()).fit(scorer.library_).decide(site).settings.unseen_kinds == ()


def test_url_of_an_image_is_read(scorer, paths):
    site = collected(paths)
    urls = ["https://shop.example/media/raw-almonds-1kg.jpg"] + [""] * 9
    named = scorer.decide(Site("shop", site.paths, origins=site.origins.assign(url=urls)))
    assert named.n_named == 1 and named.word_evidence > 0


def test_texts_that_name_other_products_count_against_the_site(scorer, written):
    paths = written("site", "almonds", 1, seed=3) + written("site", "tea", 9)
    alone = scorer.decide(paths)
    others = scorer.decide(collected(paths, ["Green tea", *["Black tea"] * 9]))
    assert alone.n_matches == others.n_matches == 1
    assert others.word_evidence < 0 and others.offered < alone.offered
    assert others.images["word_kind"].tolist() == ["other"] * 10


def test_no_words_switches_texts_off(scorer, shelf, embedder, paths):
    site = collected(paths, ["Raw almonds"] * 10)
    deaf = RelevanceScorer("almonds", embedder=embedder, words=(), progress=False).fit(shelf)
    result = deaf.decide(site)
    assert result.settings.words == () and result.word_evidence == 0 and result.n_named == 0
    assert result.offered == pytest.approx(scorer.decide(paths).offered)


def test_words_of_the_user_are_looked_for(shelf, embedder, paths):
    site = collected(paths, ["Krubel, 500 g"])
    counts = [
        RelevanceScorer("almonds", embedder=embedder, words=words, progress=False)
        .fit(shelf).decide(site).n_named
        for words in (None, ["Krubel"])
    ]  # fmt: skip
    assert counts == [0, 1]


def test_words_decide_what_images_cannot(shelf, embedder, paths):
    """Three other products are too few for images; a text is enough."""
    few = dict(list(shelf.items())[:4])
    scorer = RelevanceScorer("almonds", embedder=embedder, prior=0.5, progress=False).fit(few)
    silent, named = (scorer.decide(collected(paths, alts)) for alts in ((), ["Almonds"] * 4))
    assert silent.decision == "unsure" and "other products" in silent.reason
    assert named.offered > silent.offered and named.relevant


def test_mean_distance_rule_reads_no_texts(shelf, embedder, paths):
    scorer = RelevanceScorer("almonds", rule="mean-distance", embedder=embedder, progress=False)
    scorer.fit(shelf)
    result, local = scorer.decide(collected(paths, ["Almonds"] * 10)), scorer.decide(paths)
    np.testing.assert_array_equal(result.images["distance"], local.images["distance"])
    assert result.word_evidence is None and (result.images["word_kind"] == "").all()
    assert result.criterion == "share" and result.offered is None


def test_sites_without_evidence_stand_last(scorer, written, paths):
    logo = scorer.decide(collected(written("logo", "tea", 1, seed=8), name="logo"))
    shop = scorer.decide(collected(paths, name="shop"))
    assert not logo.evidence and logo.probability > shop.probability
    assert [result.site for result in rank_results([logo, shop])] == ["shop", "logo"]
