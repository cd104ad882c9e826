"""Scorers whose references are names, photos, or both; on a simulated joint space."""

import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone

from similarity_lab import RelevanceScorer, Site
from similarity_lab.errors import InputError, UnknownClassError
from similarity_lab.relevance import LearnedRule, decisions_table, with_marks
from similarity_lab.sites import ORIGIN_COLUMNS

from .joint_space import JointSpace, PhotosOnly

PRODUCTS = (
    "walnuts", "raisins", "oats", "dates", "rice", "hazelnuts", "peanuts", "cashews", "lentils",
    "beans", "figs", "barley",
)  # fmt: skip
WORDS = ["raw almonds", "almond kernels"]


@pytest.fixture
def write(tmp_path):
    """A function that writes images which show a product in the simulated space."""

    def write(folder, product, count, seed=0):
        rng = np.random.default_rng([seed, *product.encode()])
        parent = tmp_path / folder
        parent.mkdir(parents=True, exist_ok=True)
        paths = []
        for number in range(count):
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (70, 80, 3), np.uint8)).save(file, "png")
            path = parent / f"{product}-{seed}-{number:02}.png"
            path.write_bytes(file.getvalue() + f"\n{product}|{rng.integers(1e9)}".encode())
            paths.append(path)
        return paths

    return write


@pytest.fixture
def embedder():
    return JointSpace()


@pytest.fixture
def shop(write):
    others = ("walnuts", "raisins", "tea", "bicycle", "gizmo", "sprocket", "widget")
    return write("shop", "almonds", 3, 1) + [
        p for name in others for p in write("shop", name, 3, 1)
    ]


@pytest.fixture
def elsewhere(write):
    others = ("walnuts", "hazelnuts", "pecans", "cashews", "pistachios", "dates", "gadget")
    return [p for name in others for p in write("elsewhere", name, 3, 2)]


@pytest.fixture
def shelf(write):
    return {name: write("library", name, 8) for name in PRODUCTS}


def named(embedder, *, target="almonds", words=WORDS, **params):
    rule = LearnedRule(text=True)
    return RelevanceScorer(
        target, rule=rule, words=words, embedder=embedder, progress=False, **params
    )


def test_names_alone_decide_without_a_photo(embedder, shop, elsewhere):
    scorer = named(embedder).fit(None)
    result, other = scorer.decide(shop), scorer.decide(elsewhere)
    assert (result.decision, result.n_matches) == ("relevant", 3)
    assert result.images["is_match"].tolist() == [True] * 3 + [False] * 21
    assert result.probability > 0.9 > 0.25 > other.probability
    assert other.decision == "unsure" and not other.relevant
    assert "how often they miss it was not measured; add reference images" in other.reason
    settings = result.settings
    assert settings.text.names == ("raw almonds", "almond kernels", "almonds")
    assert settings.text.n_other_names > 700 and settings.text.gap > 0.8
    assert (settings.text.measured_on, settings.text.separability) == ("", None)
    assert (settings.n_references, settings.text.weight, settings.other_products) == (0, 1, 0)
    images = result.images
    assert (images["score"] == images["text_score"]).all() and images["photo_score"].isna().all()
    assert images["nearest_reference"].isna().all()
    assert other.interval == (0, 1)  # of the share nothing is known


def test_names_alone_never_say_that_the_share_is_small_or_large(embedder, shop, elsewhere):
    scorer = named(embedder, criterion="share").fit(None)
    for site in (shop, elsewhere):
        result = scorer.decide(site)
        assert result.decision == "unsure" and "was not measured" in result.reason


def test_names_alone_do_not_exclude_even_with_a_small_prior(embedder, elsewhere):
    result = named(embedder, prior=0.02).fit(None).decide(elsewhere)
    assert result.probability < 0.1 and result.decision == "unsure"


def test_words_of_the_page_may_exclude_what_names_cannot(embedder, elsewhere):
    origins = {name: [""] * len(elsewhere) for name in ORIGIN_COLUMNS}
    origins["alt"] = ["Walnuts", "Hazelnuts", "Dates"] * (len(elsewhere) // 3)
    import pandas as pd

    from similarity_lab.sites import ORIGIN_NUMBERS

    table = pd.DataFrame(origins)
    table[list(ORIGIN_NUMBERS)] = np.nan
    table["path"] = [str(path) for path in elsewhere]
    site = Site("pages", tuple(elsewhere), origins=table.astype(ORIGIN_NUMBERS))
    scorer = named(embedder, prior=0.25).fit(None)
    result = scorer.decide(site)
    assert result.word_evidence < -1.5 and result.probability < 0.1
    assert result.decision == "irrelevant"
    assert result.without_words().decision == "unsure"


def test_a_site_that_shows_many_lookalikes_of_the_name_is_not_sure(embedder, write):
    """What other names reach on the same images caps the evidence."""
    scorer = named(embedder).fit(None)
    vectors = np.stack([embedder.vector(p) for p in write("x", "almonds", 1)]).astype(np.float32)
    known = scorer.rule_.site_calibration(vectors)
    assert len(known.look_alike_margins) == 100
    assert len(scorer.rule_.calibration.look_alike_margins) < 20
    best = scorer.rule_.columns(vectors, np.empty((1, 0)), [""])["margin"][0]
    assert best > max(known.look_alike_margins)


def test_library_of_other_products_measures_names(embedder, shelf, shop, elsewhere):
    scorer = named(embedder).fit(shelf)
    result = scorer.decide(shop)
    text = result.settings.text
    assert text.measured_on == "other products" and text.separability > 0.9
    assert result.decision == "relevant" and result.settings.n_references == 0
    assert scorer.decide(elsewhere).probability < 0.5 and scorer.skipped_.empty


def test_photos_and_names_together(embedder, shelf, write, shop, elsewhere):
    library = {**shelf, "almonds": write("library", "almonds", 6)}
    photos = RelevanceScorer("almonds", embedder=embedder, progress=False).fit(library)
    both = named(embedder).fit(library)
    result, alone = both.decide(shop), photos.decide(shop)
    assert result.decision == "relevant"
    text = result.settings.text
    assert text.measured_on == "references" and 0.3 < text.weight < 0.7
    images = result.images
    assert images[["photo_score", "text_score", "score"]].notna().all(axis=None)
    np.testing.assert_allclose(images["photo_score"], alone.images["score"])
    assert (images["score"][:3] > images["score"][3:].max()).all()
    assert set(images["confusable"]) <= set(shelf)
    assert not both.decide(elsewhere).relevant


def test_rule_without_text_is_not_changed_by_a_text_tower(embedder, shelf, write, shop):
    library = {**shelf, "almonds": write("library", "almonds", 6)}
    scorers = [
        RelevanceScorer("almonds", embedder=e, progress=False).fit(library)
        for e in (embedder, PhotosOnly())
    ]
    first, second = (scorer.decide(shop).images for scorer in scorers)
    np.testing.assert_array_equal(first["score"], second["score"])
    assert first["text_score"].isna().all() and (first["photo_score"] == first["score"]).all()
    assert embedder.n_texts == 0


def test_photos_without_other_products_measure_names(embedder, write, shop, elsewhere):
    scorer = named(embedder).fit({"almonds": write("library", "almonds", 6)})
    result = scorer.decide(shop)
    assert result.decision == "relevant" and result.settings.text.measured_on == "references"
    assert result.settings.n_references == 6
    assert result.images["nearest_reference"].notna().all()
    assert scorer.decide(elsewhere).decision == "irrelevant"


def test_a_single_photo_leaves_the_decision_to_names(embedder, shelf, write, shop):
    library = {**shelf, "almonds": write("library", "almonds", 1)}
    with pytest.warns(UserWarning, match="Only one image of 'almonds'"):
        scorer = named(embedder).fit(library)
    result = scorer.decide(shop)
    assert result.decision == "relevant" and result.settings.text.measured_on == "other products"


def test_names_that_find_nothing_are_said_not_to(shelf, write, shop):
    class Deaf(JointSpace):
        knows = -0.3

    with pytest.warns(UserWarning, match="'almonds' was not learned"):
        scorer = named(Deaf()).fit({"almonds": write("library", "almonds", 30)})
    result = scorer.decide(shop)
    assert result.decision == "unsure"
    assert "the embedder does not find it by its names; add reference images" in result.reason
    joint = named(Deaf()).fit({**shelf, "almonds": write("library", "almonds", 12)})
    assert joint.decide(shop).settings.text.weight < 0.2  # photos decide
    assert joint.decide(shop).decision == "relevant"


@pytest.mark.parametrize("target", ["almonds", "Mandeln", "almonds_images"])
def test_class_name_is_enough(embedder, shop, target):
    result = named(embedder, target=target, words=None).fit(None).decide(shop)
    assert result.relevant and result.n_matches == 3


def test_targets_of_one_scorer_share_the_built_in_names(embedder, shop, shelf):
    scorer = named(embedder).fit(None)
    n_texts = embedder.n_texts
    table = scorer.decide_many([shop], ["almonds", "walnuts", "barley"])
    assert table["relevant"].tolist() == [True, True, False]
    assert embedder.n_texts - n_texts < 100
    of_library = named(embedder).fit(shelf)
    assert of_library.for_target("walnuts").decide(shop).settings.n_references == 8
    with pytest.raises(UnknownClassError, match="Did you mean 'walnuts'"):
        of_library.check_target("walnut")
    of_library.check_target("pistachios")


def test_scorer_survives_saving_cloning_and_pickle(embedder, shelf, write, shop, tmp_path):
    library = {**shelf, "almonds": write("library", "almonds", 6)}
    for number, source in enumerate([None, shelf, library]):
        scorer = named(embedder).fit(source)
        expected = scorer.decide(shop)
        scorer.save(tmp_path / str(number))
        loaded = RelevanceScorer.load(tmp_path / str(number), embedder=embedder)
        again = loaded.decide(shop)
        assert again.to_dict()["images"] == expected.to_dict()["images"]
        assert (again.probability, again.settings) == (expected.probability, expected.settings)
        assert loaded.get_params()["rule__text"] is True
        assert loaded.get_params()["words"] == WORDS
        assert pickle.loads(pickle.dumps(scorer)).decide(shop).probability == expected.probability
        assert clone(scorer).fit(source).decide(shop).probability == expected.probability
        with pytest.raises(InputError, match="knows only its own target"):
            loaded.for_target("walnuts")
        json.dumps(expected.to_dict(), allow_nan=False)
        assert len(decisions_table([expected])) == 1
    with pytest.raises(InputError, match="was fitted on vectors of 'joint space'"):
        other = JointSpace()
        other.name = "another joint space"
        RelevanceScorer.load(tmp_path / "0", embedder=other)
    with pytest.raises(InputError, match="has no embed_text"):
        RelevanceScorer.load(tmp_path / "0", embedder=PhotosOnly())


def test_sites_of_another_embedder_are_refused(embedder, shop):
    other = JointSpace()
    other.name = "another joint space"
    site = named(other).fit(None).embed_site(shop)
    with pytest.raises(InputError, match="Cannot compare vectors of 'another joint space'"):
        named(embedder).fit(None).decide(site)


def test_one_clear_error_for_each_mistake(embedder, shelf, write):
    with pytest.raises(InputError, match=r"needs a library .* rule=LearnedRule\(text=True\)"):
        RelevanceScorer("almonds", embedder=embedder).fit(None)
    with pytest.raises(InputError, match="needs a library"):
        RelevanceScorer("almonds", rule="mean-distance", embedder=embedder).fit(None)
    with pytest.raises(InputError, match=r"words=\(\) leaves no name of 'almonds'"):
        named(embedder, words=()).fit(None)
    for target in ("", "???"):
        with pytest.raises(InputError, match="contains no word to go by; pass names"):
            named(embedder, target=target, words=None).fit(None)
    with pytest.raises(InputError, match="'photos only' has no embed_text"):
        named(PhotosOnly()).fit(None)
    with pytest.raises(InputError, match="has no embed_text"):
        RelevanceScorer("almonds", rule=LearnedRule(text=True)).fit(None)
    with pytest.raises(InputError, match="text of the learned rule is True or False"):
        RelevanceScorer("almonds", rule=LearnedRule(text=["raw"]), embedder=embedder).fit(None)
    with pytest.raises(UnknownClassError, match="Did you mean 'walnuts'"):
        named(embedder, target="walnut", words=None).fit(shelf)
    with pytest.raises(InputError, match="'oats' names the same product; pass target='oats'"):
        named(embedder, target="Haferflocken", words=None).fit(shelf)
    with pytest.raises(UnknownClassError):
        RelevanceScorer("almonds", embedder=embedder).fit(shelf)


def test_unreadable_photos_of_the_target_are_listed(embedder, shelf, write):
    empty = write("library", "almonds", 2)
    for path in empty:
        path.write_bytes(b"no image")
    scorer = named(embedder).fit({**shelf, "almonds": empty})
    assert set(map(str, empty)) <= set(scorer.skipped_["path"])
    assert scorer.rule_.text.measured_on == "other products"


def test_texts_are_embedded_once_for_a_store(embedder, shop, tmp_path):
    for _ in range(2):
        scorer = named(JointSpace(), store=tmp_path / "store").fit(None)
        probability = scorer.decide(shop).probability
    assert scorer.comparator_.embedder.embedder.n_texts == 0
    assert probability == named(embedder).fit(None).decide(shop).probability


def test_marks_decide_what_names_cannot(embedder, elsewhere):
    """A person who saw every image knows more than names do."""
    result = named(embedder).fit(None).decide(elsewhere)
    assert result.decision == "unsure"
    marked = with_marks(result, dict.fromkeys(range(len(elsewhere)), False))
    assert marked.decision == "irrelevant" and marked.probability < 0.05
    assert with_marks(result, {0: True}).decision == "relevant"


@pytest.mark.parametrize("is_multilingual", [False, True])
def test_class_name_in_another_language(embedder, shop, is_multilingual):
    embedder.is_multilingual = is_multilingual
    scorer = RelevanceScorer(
        "Mandeln", rule=LearnedRule(text=True), embedder=embedder, progress=False
    )
    names = scorer.fit(None).decide(shop).settings.text.names
    assert ("Mandeln" in names) == is_multilingual and "almonds" in names


def test_names_of_all_scripts_are_embedded_as_written(embedder, shop):
    words = ["миндаль", "杏仁", "اللوز", "बादाम", "fıstık ezmesi 🥜", "a photo of {}."]
    scorer = RelevanceScorer(
        "sku 17", rule=LearnedRule(text=True), words=words, embedder=embedder, progress=False
    )
    names = scorer.fit(None).decide(shop).settings.text.names
    assert names[: len(words)] == tuple(words)
