"""Properties of decisions: order, names, repeats, scale and unreadable files do not matter."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.base import clone

from similarity_lab import RelevanceScorer
from similarity_lab.relevance import MeanDistanceRule

fewer = settings(max_examples=settings().max_examples // 3)  # a site takes its time
RULES = ["learned", "mean-distance"]
both_rules = pytest.mark.parametrize("rule", RULES)
OF_RULE = {
    "learned": {
        "rule__prior_share": st.floats(0.01, 0.99),
        "certainty": st.floats(0.5, 1),
        "prior": st.floats(0.01, 0.99),
    },
    "mean-distance": {"rule__n_references": st.integers(1, 20)},
}
INDICES = st.lists(st.integers(0, 23), min_size=1, max_size=10, unique=True)
SHARES = st.floats(0, 1)
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=9)
JUNK = [b"", b"<html>", b"not an image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0 half"]


@pytest.fixture
def pool(written):
    """Images that clearly show the target, clearly do not, and ambiguous ones."""
    return (
        written("pool", "almonds", 6, seed=1)
        + written("pool", "almonds", 6, seed=2, noise=1.6)
        + written("pool", "tea", 6)
        + written("pool", "dates", 6, noise=1.6)
    )


@pytest.fixture
def fit(shelf, embedder):
    """A function that fits a scorer of either rule; half the images match by default."""

    def fit(rule, **parameters):
        if rule == "mean-distance":
            rule = MeanDistanceRule(0.6)
        scorer = RelevanceScorer("almonds", rule=rule, embedder=embedder, progress=False)
        scorer.set_params(**parameters).fit(cache.get("library", shelf))
        cache["library"] = scorer.library_  # embedded once
        return scorer

    cache = {}
    return fit


def assert_same(before, after):
    """Assert that two results agree.

    Vectors are float32: the position of a row in a matrix affects the rounding of its products.
    """
    assert (before.n_scored, before.n_matches) == (after.n_scored, after.n_matches)
    assert before.share == pytest.approx(after.share, abs=0.0011)
    assert before.interval == pytest.approx(after.interval, abs=0.0021)
    if before.probability is not None:
        assert before.probability == pytest.approx(after.probability, abs=1e-4)
    chance = before.probability if before.probability is not None else 1
    certainty = before.settings.certainty or 0.9
    edges = (0.5, certainty, 1 - certainty)
    if all(abs(chance - edge) > 1e-4 for edge in edges):
        assert (before.relevant, before.decision) == (after.relevant, after.decision)


@both_rules
def test_decision_ignores_order_and_names(rule, fit, pool, tmp_path):
    scorer = fit(rule)

    @fewer
    @given(INDICES.flatmap(st.permutations), st.lists(NAMES, min_size=10, max_size=10))
    def check(order, names):
        folder = tmp_path / "renamed"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        copies = [
            shutil.copy(pool[index], folder / f"{number} {name}")
            for number, (index, name) in enumerate(zip(order, names, strict=False))
        ]
        before, after = (
            scorer.decide([pool[index] for index in sorted(order)]),
            scorer.decide(copies),
        )
        assert_same(before, after)
        scores = dict(zip(sorted(order), before.images["score"], strict=True))
        expected = [scores[index] for index in order]
        np.testing.assert_allclose(after.images["score"], expected, atol=1e-4)
        assert after.images["path"].tolist() == [*map(str, copies)]

    check()


def test_decision_ignores_repeats(fit, pool):
    scorer = fit("learned")

    @fewer
    @given(INDICES, st.data())
    def check(indices, data):
        site = [pool[index] for index in indices]
        more = data.draw(st.lists(st.sampled_from(site), max_size=6))
        result = scorer.decide(data.draw(st.permutations(site + more)))
        assert_same(scorer.decide(site), result)
        assert result.to_row()["n_repeated"] == len(more)

    check()


def test_decision_ignores_what_is_left_out(fit, pool, tmp_path):
    """An icon of an image neither counts nor replaces it, whichever digest is smaller."""
    scorer = fit("learned", leave_out=["icons"])
    icons = []
    for path in pool:
        icons.append(tmp_path / path.name)
        with Image.open(path) as image:
            image.resize((40, 35)).save(icons[-1])
        icons[-1].write_bytes(icons[-1].read_bytes() + path.read_bytes()[-192:])

    @fewer
    @given(INDICES, st.lists(st.sampled_from(icons), max_size=6))
    def check(indices, more):
        site = [pool[index] for index in indices]
        result = scorer.decide(more + site)
        assert_same(scorer.decide(site), result)
        assert result.to_row()["n_left_out"] == len(more)

    check()


@both_rules
def test_decision_ignores_unreadable_files(rule, fit, pool, tmp_path):
    scorer = fit(rule)
    bad = [tmp_path / f"{number}.jpg" for number in range(len(JUNK))]
    for path, data in zip(bad, JUNK, strict=True):
        path.write_bytes(data)

    @fewer
    @given(
        INDICES, st.lists(st.sampled_from([*bad, tmp_path / "absent.jpg"]), max_size=5), st.data()
    )
    def check(indices, more, data):
        site = [pool[index] for index in indices]
        files = data.draw(st.permutations(site + more))
        result = scorer.decide(files)
        assert_same(scorer.decide(site), result)
        assert result.images["path"].tolist() == [*map(str, files)]
        skipped = result.images["status"] == "skipped"
        assert result.skipped["path"].tolist() == [str(path) for path in files if path in more]
        assert skipped.tolist() == [path in more for path in files]
        assert all(result.images["reason"][skipped]) and all(result.skipped["reason"])
        assert result.images["score"].isna().tolist() == skipped.tolist()

    check()


@both_rules
def test_decision_ignores_the_scale_of_vectors(rule, fit, pool):
    scorer = fit(rule)

    @fewer
    @given(INDICES, st.integers(-12, 12))
    def check(indices, exponent):
        def louder(vectors):
            return (vectors * 10.0**exponent).astype(np.float32)

        library, site = scorer.library_, scorer.embed_site([pool[index] for index in indices])
        scaled = clone(scorer).fit(replace(library, vectors=louder(library.vectors)))
        embedded = replace(site.embedded, vectors=louder(site.embedded.vectors))
        before, after = scorer.decide(site), scaled.decide(replace(site, embedded=embedded))
        np.testing.assert_allclose(after.images["score"], before.images["score"], atol=2e-3)
        assert after.relevant == before.relevant or abs(before.probability - 0.5) < 0.01

    check()


@both_rules
def test_thresholds_are_monotonic(rule, fit, pool):
    scorer = fit(rule, criterion="share")

    @fewer
    @given(
        INDICES, st.lists(SHARES, min_size=2, max_size=4), st.lists(SHARES, min_size=2, max_size=4)
    )
    def check(indices, shares, similarities):
        result = scorer.decide([pool[index] for index in indices])
        by_share = [result.rethreshold(relevance_threshold=share) for share in sorted(shares)]
        relevant = [other.relevant for other in by_share]
        assert relevant == sorted(relevant, reverse=True)
        assert {other.share for other in by_share} == {result.share}
        if result.probability is not None:
            chances = [other.probability for other in by_share]
            assert chances == sorted(chances, reverse=True)
        by_image = [
            result.rethreshold(similarity_threshold=value) for value in sorted(similarities)
        ]
        matches = [other.n_matches for other in by_image]
        assert matches == sorted(matches, reverse=rule == "learned")
        same = result.rethreshold()
        pd.testing.assert_frame_equal(same.images, result.images)
        assert same.to_row() == result.to_row()

    check()


@both_rules
def test_decision_follows_from_its_evidence(rule, fit, pool):
    scorer = fit(rule)

    @fewer
    @given(INDICES, SHARES, st.floats(0.5, 1))
    def check(indices, share, certainty):
        result = scorer.decide([pool[index] for index in indices])
        settings = replace(result.settings, certainty=certainty, relevance_threshold=share)
        result = replace(result, settings=settings).rethreshold()
        low, high = result.interval
        assert 0 <= low <= result.share <= high <= 1
        images = result.images
        if rule == "learned":
            chance = result.probability
            assert 0 <= chance <= 1 and result.relevant == (chance >= 0.5)
            is_sure = result.evidence and max(chance, 1 - chance) >= certainty
            assert (result.decision == "unsure") == (not is_sure) == bool(result.reason)
            assert (chance == result.offered) == (result.criterion == "offered")
            assert images["probability"].between(0, 1).all()
            expected = images["probability"] >= result.settings.similarity_threshold
        else:
            assert result.probability is None and result.share == images["is_match"].mean()
            assert result.relevant == (result.share >= share)
            expected = images["distance"] <= result.settings.similarity_threshold
        assert images["is_match"].tolist() == expected.tolist()
        if result.decision != "unsure":
            assert result.relevant == (result.decision == "relevant")

    check()


@both_rules
def test_loaded_scorer_decides_alike(rule, fit, pool, embedder, tmp_path):
    @fewer
    @given(
        INDICES,
        st.fixed_dictionaries(
            {
                "rule__similarity_threshold": st.floats(0.1, 0.9),
                "criterion": st.just("share"),
                "relevance_threshold": SHARES,
                "seed": st.integers(0, 2**31),
                **OF_RULE[rule],
            }
        ),
    )
    def check(indices, parameters):
        scorer = fit(rule, **parameters)
        scorer.save(tmp_path / "scorer")
        loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=embedder)
        assert loaded.get_params(deep=False).keys() == scorer.get_params(deep=False).keys()
        site = [pool[index] for index in indices]
        before, after = scorer.decide(site), loaded.decide(site)
        pd.testing.assert_frame_equal(before.images, after.images)
        assert before.to_row() == after.to_row() and before.settings == after.settings

    check()
