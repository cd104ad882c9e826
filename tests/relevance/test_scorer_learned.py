"""The learned rule from files to a decision, on vectors that the tests wrote themselves."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer
from similarity_lab.errors import InputError, SiteError
from similarity_lab.relevance import LearnedRule
from similarity_lab.relevance.offered import offered_evidence
from similarity_lab.relevance.share import SharePosterior
from similarity_lab.relevance.tables import DECISION_COLUMNS
from similarity_lab.relevance.verdict import SCORE_COLUMNS


@pytest.fixture
def fitted(shelf, embedder):
    return RelevanceScorer("almonds", embedder=embedder, progress=False).fit(shelf)


@pytest.fixture
def shop(written):
    """20 images, 8 of them almonds; what else it shows is not in the library."""
    almonds = written("shop", "almonds", 8, seed=1)
    return almonds + [p for name in ("tea", "phones", "bikes") for p in written("shop", name, 4)]


@pytest.fixture
def elsewhere(written):
    return [p for name in ("tea", "phones", "bikes") for p in written("elsewhere", name, 7)]


def test_decide_gives_probabilities(fitted, shop, elsewhere, shelf):
    result = fitted.decide(shop)
    assert (result.decision, result.relevant, result.settings.rule) == ("relevant", True, "learned")
    assert result.criterion == "offered" and result.probability == result.offered > 0.9
    assert result.interval[0] < 0.4 < result.interval[1]
    assert result.share == pytest.approx(0.45, abs=0.15)
    images = result.images
    assert list(images.columns) == SCORE_COLUMNS and images["path"].tolist() == [*map(str, shop)]
    assert images["is_match"].tolist() == [True] * 8 + [False] * 12
    assert images["score"].notna().all() and images["probability"].between(0, 1).all()
    assert (images["score"].rank() == images["probability"].rank()).all()
    assert images["margin"][:8].min() > 0 > images["margin"][8:].median()
    assert set(images["confusable"]) <= set(shelf) - {"almonds"}
    assert (images["words"] == "").all() and (images["word_kind"] == "").all()
    assert result.settings.words == () and result.word_evidence == 0  # no pages, no texts
    other = fitted.decide(elsewhere)
    assert (other.decision, other.relevant) == ("irrelevant", False)
    assert other.probability < 0.1 and other.share < 0.05
    assert other.to_row()["probability"] == other.probability


def test_decision_follows_from_the_table_of_images(fitted, shop):
    """Oracle: the evidence and the posterior by hand from the columns."""
    result, known = fitted.decide(shop), fitted.rule_.calibration
    evidence = offered_evidence(result.images["margin"], None, known)
    assert result.image_evidence == pytest.approx(evidence.images)
    assert result.probability == pytest.approx(evidence.probability(0.25), abs=1e-9)
    scores, alike = result.images["score"], known.look_alike_ratios
    posterior = SharePosterior.of(scores, alike, n_references=12)
    assert result.share == posterior.share and result.interval == posterior.interval()
    fitted.set_params(criterion="share", relevance_threshold=0.2)
    by_share = fitted.decide(shop)
    assert by_share.probability == pytest.approx(posterior.at_least(0.2), abs=1e-9)
    assert by_share.offered == result.offered


def test_decision_on_few_images_is_unsure(fitted, written):
    two = written("two", "almonds", 1, seed=5) + written("two", "tea", 1)
    fitted.set_params(criterion="share")
    result = fitted.decide(two)
    assert result.decision == "unsure" and result.relevant == (result.probability >= 0.5)
    assert result.interval[1] - result.interval[0] > 0.5


def test_site_of_a_logo_is_unsure(fitted, written):
    result = fitted.decide(written("logo", "tea", 1))
    assert (result.decision, result.reason) == ("unsure", "1 image seen")
    assert not result.evidence and result.probability == pytest.approx(0.25, abs=0.1)
    assert fitted.set_params(prior=0.6).decide(result.images["path"].tolist()).offered > 0.4


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
    result = fitted.set_params(criterion="share").decide(shop)
    embedder.embed = None
    assert result.rethreshold(relevance_threshold=0.9).decision == "irrelevant"
    chances = [
        result.rethreshold(relevance_threshold=share).probability for share in (0.1, 0.4, 0.7)
    ]
    assert chances == sorted(chances, reverse=True)
    strict = result.rethreshold(similarity_threshold=1.0)
    assert strict.n_matches == 0 and strict.probability == result.probability


def test_deciding_are_the_best_matches(fitted, shop):
    result = fitted.decide(shop)
    margins = result.images["margin"]
    assert result.deciding(3).index.tolist() == margins.nlargest(3).index.tolist()
    assert result.deciding(3)["is_match"].all()


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
    assert row["probability"] == alone.probability and not row["relevant"]
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
    shop = written("shop", "almonds", 3, seed=1) + written("shop", "tea", 3)
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
        ({"prior": 0}, "prior is a probability above 0"),
        ({"criterion": "ofered"}, "Unknown criterion 'ofered'. Did you mean 'offered'"),
        ({"relevance_threshold": 0.3}, 'relevance_threshold=0.3 has no effect.*criterion="share"'),
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
    assert result.decision == "unsure"
    assert result.reason.startswith("learned from only 1 reference image")


@pytest.mark.parametrize("n_products", [2, 4])
def test_few_other_products_make_images_unsure(shelf, embedder, shop, n_products):
    few = dict(list(shelf.items())[: 1 + n_products])
    scorer = RelevanceScorer("almonds", embedder=embedder, progress=False)
    result = scorer.fit(few).decide(shop)
    assert result.decision == "unsure" and "other product" in result.reason
    assert result.settings.n_references == 12


def test_target_that_was_not_learned_is_unsure(shelf, embedder, shop, elsewhere, written):
    names = [f"thing {number}" for number in range(12)]  # twelve things that have nothing in common
    mixed = [path for name in names for path in written("mixed", name, 1)]
    scorer = RelevanceScorer("spices", embedder=embedder, progress=False)
    with pytest.warns(UserWarning, match="'spices' was not learned"):
        scorer.fit({**shelf, "spices": mixed})
    for site in (shop, elsewhere, mixed):
        result = scorer.decide(site)
        assert result.decision == "unsure" and result.reason.startswith("not learned")


def test_several_looks_of_one_product_are_learned(shelf, embedder, written, shop, elsewhere):
    looks = shelf["almonds"] + written("looks", "almonds in shell", 12)
    scorer = RelevanceScorer("almonds", embedder=embedder, progress=False)
    scorer.fit({**shelf, "almonds": looks})
    packed = written("packed", "almonds in shell", 3, seed=4)
    assert scorer.decide(shop).relevant and scorer.decide(elsewhere + packed).relevant
    assert scorer.decide(elsewhere).decision == "irrelevant"


def test_mislabelled_references_do_little_harm(shelf, embedder, shop, elsewhere, written):
    mixed = shelf["almonds"][:9] + written("wrong", "cups", 3)
    scorer = RelevanceScorer("almonds", embedder=embedder, progress=False)
    scorer.fit({**shelf, "almonds": mixed})
    assert scorer.decide(shop).relevant and not scorer.decide(elsewhere).relevant
