"""The learned rule from files to a decision, on vectors that the tests wrote themselves."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer
from similarity_lab.errors import InputError, SiteError
from similarity_lab.relevance import LearnedRule
from similarity_lab.relevance.decision import SCORE_COLUMNS, SharePosterior
from similarity_lab.relevance.tables import DECISION_COLUMNS


@pytest.fixture
def fitted(shelf, embedder):
    return RelevanceScorer("almonds", embedder=embedder, progress=False).fit(shelf)


@pytest.fixture
def shop(written):
    """20 images, 8 of them almonds; what else it shows is not in the library."""
    almonds = written("shop", "almonds", 8, seed=1)
    return almonds + [p for name in ("soap", "lamps", "rice") for p in written("shop", name, 4)]


@pytest.fixture
def elsewhere(written):
    return [p for name in ("soap", "lamps", "rice") for p in written("elsewhere", name, 7)]


def test_decide_gives_probabilities(fitted, shop, elsewhere):
    result = fitted.decide(shop)
    assert (result.decision, result.relevant, result.settings.rule) == ("relevant", True, "learned")
    assert result.probability > 0.9 and result.interval[0] < 0.4 < result.interval[1]
    assert result.share == pytest.approx(0.4, abs=0.1)
    images = result.images
    assert list(images.columns) == SCORE_COLUMNS and images["path"].tolist() == shop
    assert images["is_match"].tolist() == [True] * 8 + [False] * 12
    assert images["score"].notna().all() and images["probability"].between(0, 1).all()
    assert (images["score"].rank() == images["probability"].rank()).all()
    assert images["influence"][:8].min() > 0 > images["influence"][8:].median()
    assert set(images["confusable"]) <= {"dates", "figs", "hazelnuts", "oats", "plums", "raisins"}
    other = fitted.decide(elsewhere)
    assert (other.decision, other.relevant) == ("irrelevant", False)
    assert other.probability < 0.1 and other.share < 0.05
    assert other.to_row()["probability"] == other.probability


def test_decision_follows_from_the_table_of_images(fitted, shop):
    """Oracle: the posterior by hand from the column of scores."""
    result = fitted.decide(shop)
    posterior = SharePosterior.of(result.images["score"])
    assert result.probability == pytest.approx(posterior.at_least(0.25), abs=1e-9)
    assert result.share == posterior.share and result.interval == posterior.interval()


def test_decision_on_few_images_is_unsure(fitted, written):
    three = written("three", "almonds", 1, seed=5) + written("three", "soap", 2)
    result = fitted.decide(three)
    assert result.decision == "unsure" and result.relevant == (result.probability >= 0.5)
    assert result.interval[1] - result.interval[0] > 0.5


def test_decision_ignores_order_names_and_repeats(fitted, shop, tmp_path):
    result = fitted.decide(shop)
    copies = [
        shutil.copy(path, tmp_path / f"{number}.bin")
        for number, path in enumerate([*shop[::-1], *shop[3:7], shop[3]])
    ]
    again = fitted.decide(copies)
    # vectors are float32: a matrix product rounds a row by where in the matrix it lies
    assert again.probability == pytest.approx(result.probability, abs=1e-6)
    assert again.decision == result.decision
    assert again.share == pytest.approx(result.share, abs=0.0011)
    assert (again.images["status"] == "repeated").sum() == 5 and again.n_scored == 20
    assert again.to_row()["n_repeated"] == 5
    assert again.images["score"].notna().all()


@pytest.mark.parametrize("index", [0, 9])
def test_score_depends_on_the_image_alone(fitted, shop, index):
    expected = fitted.decide(shop).images["score"][index]
    score = fitted.decide([shop[index]]).images["score"][0]
    assert score == pytest.approx(expected, abs=1e-4)


def test_score_ignores_the_scale_of_vectors(shelf, shop, embedder, fitted):
    class Louder(type(embedder)):
        def vector(self, image):
            return 7 * super().vector(image)

    louder = RelevanceScorer("almonds", embedder=Louder(), progress=False).fit(shelf)
    np.testing.assert_allclose(
        louder.decide(shop).images["score"], fitted.decide(shop).images["score"], atol=1e-3
    )


def test_rethreshold_embeds_nothing(fitted, shop, embedder):
    result = fitted.decide(shop)
    embedder.embed = None
    assert result.rethreshold(relevance_threshold=0.9).decision == "irrelevant"
    chances = [
        result.rethreshold(relevance_threshold=share).probability for share in (0.1, 0.4, 0.7)
    ]
    assert chances == sorted(chances, reverse=True)
    strict = result.rethreshold(similarity_threshold=1.0)
    assert strict.n_matches == 0 and strict.probability == result.probability


def test_deciding_has_the_largest_influences(fitted, shop):
    result = fitted.decide(shop)
    deciding = result.deciding(3)
    assert deciding["influence"].abs().min() >= result.images["influence"].abs().nlargest(3).min()


def test_decide_many_embeds_once_for_all_targets(fitted, shop, elsewhere, embedder, tmp_path):
    (tmp_path / "empty").mkdir()
    calls = []
    embed = type(embedder).embed
    embedder.embed = lambda images, **more: (
        calls.append(len(images)) or embed(embedder, images, **more)
    )
    targets = ["almonds", "figs", "oats"]
    table = fitted.decide_many([shop, elsewhere, tmp_path / "empty"], targets)
    assert list(table.columns) == DECISION_COLUMNS and len(table) == 9
    assert table["target"].tolist() == targets * 3
    assert calls == [20, 21], "each site's images are embedded once however many targets"
    alone = fitted.for_target("figs").decide(shop)
    row = table[(table["target"] == "figs")].iloc[0]
    assert row["probability"] == alone.probability and row["decision"] == "irrelevant"
    assert table["reason"][6:].str.contains("no files").all()
    pd.testing.assert_frame_equal(
        fitted.decide_many([shop]), table.iloc[[0]], check_dtype=False, check_exact=False
    )


def test_embedded_site_serves_several_scorers(fitted, shop, shelf, stub):
    images = fitted.embed_site(shop)
    assert fitted.decide(images).probability == fitted.decide(shop).probability
    again = RelevanceScorer("figs", embedder=fitted.embedder, progress=False).fit(fitted.library_)
    assert again.decide(images).target == "figs"
    both = again.decide_many([images], targets=["figs", "almonds"])
    assert both["probability"][1] == fitted.decide(shop).probability
    other = RelevanceScorer("almonds", embedder=stub, progress=False).fit(shelf)
    with pytest.raises(ValueError, match="Cannot compare vectors of 'written vectors'"):
        other.decide(images)
    with pytest.raises(ValueError, match="embed the images with the scorer's embedder"):
        RelevanceScorer("almonds", embedder=stub).fit(fitted.library_)


def test_leave_out_removes_clutter_from_the_count(fitted, shelf, embedder, written, make_image):
    shop = written("shop", "almonds", 3, seed=1) + written("shop", "soap", 3)
    for path in shop[4:]:  # icons
        end = path.read_bytes()[-192:]
        make_image((9, 9, 9), size=(30, 20)).save(path)
        path.write_bytes(path.read_bytes() + end)
    strict = RelevanceScorer("almonds", embedder=embedder, leave_out=["icons"], progress=False).fit(
        shelf
    )
    everything, rest = fitted.decide(shop), strict.decide(shop)
    assert everything.n_scored >= rest.n_scored
    statuses = rest.images["status"].tolist()
    assert statuses.count("left out") == rest.to_row()["n_left_out"] > 0
    assert rest.images["score"].notna().all()
    with pytest.raises(SiteError, match=r"left out as icons; pass leave_out=\(\)"):
        strict.decide(shop[4:])


def test_image_whose_icon_is_left_out_still_counts(shelf, embedder, written, make_image):
    """The icon is the same image; the larger one is scored, whichever digest is smaller."""
    strict = RelevanceScorer("almonds", embedder=embedder, leave_out=["icons"], progress=False).fit(
        shelf
    )
    for seed in range(6):
        (large,) = written(f"shop {seed}", "almonds", 1, seed=seed)
        icon = large.with_name("icon.png")
        with Image.open(large) as image:
            image.resize((40, 35)).save(icon)
        icon.write_bytes(icon.read_bytes() + large.read_bytes()[-192:])
        images = strict.decide([large, icon]).images
        assert images["status"].tolist() == ["scored", "left out"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rule": LearnedRule(similarity_threshold=3)}, "minimum probability of a match"),
        ({"rule": LearnedRule("from-library")}, "minimum probability of a match"),
        ({"rule": LearnedRule(prior_share=0)}, "prior_share"),
        ({"certainty": 0.2}, "certainty is a probability"),
        ({"quality": "bets", "embedder": None}, "Unknown quality 'bets'. Did you mean 'best'"),
        ({"quality": "best"}, "not both"),
        ({"leave_out": "icons"}, r"pass \['icons'\]"),
        ({"leave_out": ["people"]}, "icons, banners, graphics"),
    ],
)
def test_fit_refuses_invalid_parameters(shelf, embedder, parameters, message):
    scorer = RelevanceScorer("almonds", **{"embedder": embedder, **parameters})
    with pytest.raises(InputError, match=message):
        scorer.fit(shelf)


def test_single_reference_warns_and_decides(shelf, embedder, shop):
    scorer = RelevanceScorer("almonds", embedder=embedder, progress=False)
    with pytest.warns(UserWarning, match="cannot be held out"):
        scorer.fit({**shelf, "almonds": shelf["almonds"][:1]})
    result = scorer.decide(shop)
    assert np.isfinite(result.probability) and result.images["score"].notna().all()


def test_mislabelled_references_do_little_harm(shelf, embedder, shop, elsewhere, written):
    mixed = shelf["almonds"][:9] + written("wrong", "chairs", 3)
    scorer = RelevanceScorer("almonds", embedder=embedder, progress=False)
    scorer.fit({**shelf, "almonds": mixed})
    assert scorer.decide(shop).relevant and not scorer.decide(elsewhere).relevant
