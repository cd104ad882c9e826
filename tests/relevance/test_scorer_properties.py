"""What must not change a decision, whatever the site: order, names, repeats, scale, bad files."""

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

few = settings(max_examples=settings().max_examples // 3)  # a site takes its time
METHODS = ["learned", "mean-distance"]
both = pytest.mark.parametrize("method", METHODS)
OF_RULE = {
    "learned": {"rule__prior_share": st.floats(0.01, 0.99), "certainty": st.floats(0.5, 1)},
    "mean-distance": {"rule__n_references": st.integers(1, 20)},
}
CHOICES = st.lists(st.integers(0, 23), min_size=1, max_size=10, unique=True)
SHARES = st.floats(0, 1)
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=9)
JUNK = [b"", b"<html>", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0 half"]


@pytest.fixture
def pool(written):
    """Pictures of all sorts: surely the target, surely not, and hard to tell."""
    return (
        written("pool", "almonds", 6, seed=1)
        + written("pool", "almonds", 6, seed=2, noise=1.6)
        + written("pool", "soap", 6)
        + written("pool", "dates", 6, noise=1.6)
    )


@pytest.fixture
def fit(shelf, embedder):
    """Fit a scorer by either method; where no threshold is asked for, half the images match."""

    def fit(rule, **parameters):
        if rule == "mean-distance":
            rule = MeanDistanceRule(0.6)
        scorer = RelevanceScorer("almonds", rule=rule, embedder=embedder, progress=False)
        scorer.set_params(**parameters).fit(known.get("library", shelf))
        known["library"] = scorer.library_  # whose photos are embedded once
        return scorer

    known = {}
    return fit


def assert_same(before, after):
    """Assert that two results say the same of a site.

    Vectors are float32: where in a matrix a row lies decides how its products are rounded.
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


@both
def test_decision_ignores_order_and_names(method, fit, pool, tmp_path):
    scorer = fit(method)

    @few
    @given(CHOICES.flatmap(st.permutations), st.lists(NAMES, min_size=10, max_size=10))
    def check(order, names):
        folder = tmp_path / "renamed"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        copies = [
            shutil.copy(pool[at], folder / f"{number} {name}")
            for number, (at, name) in enumerate(zip(order, names, strict=False))
        ]
        before, after = scorer.decide([pool[at] for at in sorted(order)]), scorer.decide(copies)
        assert_same(before, after)
        scores = dict(zip(sorted(order), before.images["score"], strict=True))
        again = [scores[at] for at in order]
        np.testing.assert_allclose(after.images["score"], again, atol=1e-4)
        assert after.images["path"].tolist() == copies

    check()


def test_decision_ignores_repeats(fit, pool):
    scorer = fit("learned")

    @few
    @given(CHOICES, st.data())
    def check(chosen, data):
        site = [pool[at] for at in chosen]
        more = data.draw(st.lists(st.sampled_from(site), max_size=6))
        result = scorer.decide(data.draw(st.permutations(site + more)))
        assert_same(scorer.decide(site), result)
        assert result.to_row()["n_repeated"] == len(more)

    check()


def test_decision_ignores_what_is_left_out(fit, pool, tmp_path):
    """An icon of a picture, maybe with the smaller digest, neither counts nor takes its place."""
    scorer = fit("learned", leave_out=["icons"])
    icons = []
    for path in pool:
        icons.append(tmp_path / path.name)
        with Image.open(path) as picture:
            picture.resize((40, 35)).save(icons[-1])
        icons[-1].write_bytes(icons[-1].read_bytes() + path.read_bytes()[-192:])

    @few
    @given(CHOICES, st.lists(st.sampled_from(icons), max_size=6))
    def check(chosen, more):
        site = [pool[at] for at in chosen]
        result = scorer.decide(more + site)
        assert_same(scorer.decide(site), result)
        assert result.to_row()["n_left_out"] == len(more)

    check()


@both
def test_decision_ignores_unreadable_files(method, fit, pool, tmp_path):
    scorer = fit(method)
    bad = [tmp_path / f"{number}.jpg" for number in range(len(JUNK))]
    for path, data in zip(bad, JUNK, strict=True):
        path.write_bytes(data)

    @few
    @given(
        CHOICES, st.lists(st.sampled_from([*bad, tmp_path / "absent.jpg"]), max_size=5), st.data()
    )
    def check(chosen, more, data):
        site = [pool[at] for at in chosen]
        files = data.draw(st.permutations(site + more))
        result = scorer.decide(files)
        assert_same(scorer.decide(site), result)
        assert result.images["path"].tolist() == files
        skipped = result.images["status"] == "skipped"
        assert result.skipped["path"].tolist() == [str(path) for path in files if path in more]
        assert skipped.tolist() == [path in more for path in files]
        assert all(result.images["reason"][skipped]) and all(result.skipped["reason"])
        assert result.images["score"].isna().tolist() == skipped.tolist()

    check()


@both
def test_decision_ignores_the_scale_of_vectors(method, fit, pool):
    scorer = fit(method)

    @few
    @given(CHOICES, st.integers(-12, 12))
    def check(chosen, exponent):
        def louder(vectors):
            return (vectors * 10.0**exponent).astype(np.float32)

        library, site = scorer.library_, scorer.embed_site([pool[at] for at in chosen])
        scaled = clone(scorer).fit(replace(library, vectors=louder(library.vectors)))
        found = replace(site.embedded, vectors=louder(site.embedded.vectors))
        before, after = scorer.decide(site), scaled.decide(replace(site, embedded=found))
        np.testing.assert_allclose(after.images["score"], before.images["score"], atol=2e-3)
        assert after.relevant == before.relevant or abs(before.probability - 0.5) < 0.01

    check()


@both
def test_thresholds_are_monotonic(method, fit, pool):
    scorer = fit(method)

    @few
    @given(
        CHOICES, st.lists(SHARES, min_size=2, max_size=4), st.lists(SHARES, min_size=2, max_size=4)
    )
    def check(chosen, shares, similarities):
        result = scorer.decide([pool[at] for at in chosen])
        by_share = [result.rethreshold(relevance_threshold=share) for share in sorted(shares)]
        relevant = [one.relevant for one in by_share]
        assert relevant == sorted(relevant, reverse=True)
        assert {one.share for one in by_share} == {result.share}
        if result.probability is not None:
            chances = [one.probability for one in by_share]
            assert chances == sorted(chances, reverse=True)
        by_image = [result.rethreshold(similarity_threshold=one) for one in sorted(similarities)]
        matches = [one.n_matches for one in by_image]
        assert matches == sorted(matches, reverse=method == "learned")
        same = result.rethreshold()
        pd.testing.assert_frame_equal(same.images, result.images)
        assert same.to_row() == result.to_row()

    check()


@both
def test_decision_follows_from_its_evidence(method, fit, pool):
    scorer = fit(method)

    @few
    @given(CHOICES, SHARES, st.floats(0.5, 1))
    def check(chosen, share, certainty):
        result = scorer.decide([pool[at] for at in chosen])
        settings = replace(result.settings, certainty=certainty)
        result = replace(result, settings=settings).rethreshold(relevance_threshold=share)
        low, high = result.interval
        assert 0 <= low <= result.share <= high <= 1
        images = result.images
        if method == "learned":
            chance = result.probability
            assert 0 <= chance <= 1 and result.relevant == (chance >= 0.5)
            assert (result.decision == "unsure") == (max(chance, 1 - chance) < certainty)
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


@both
def test_loaded_scorer_decides_alike(method, fit, pool, embedder, tmp_path):
    @few
    @given(
        CHOICES,
        st.fixed_dictionaries(
            {
                "rule__similarity_threshold": st.floats(0.1, 0.9),
                "relevance_threshold": SHARES,
                "seed": st.integers(0, 2**31),
                **OF_RULE[method],
            }
        ),
    )
    def check(chosen, parameters):
        scorer = fit(method, **parameters)
        scorer.save(tmp_path / "scorer")
        loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=embedder)
        assert loaded.get_params(deep=False).keys() == scorer.get_params(deep=False).keys()
        site = [pool[at] for at in chosen]
        before, after = scorer.decide(site), loaded.decide(site)
        pd.testing.assert_frame_equal(before.images, after.images)
        assert before.to_row() == after.to_row() and before.settings == after.settings

    check()
