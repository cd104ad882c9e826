import numpy as np
import pytest

from similarity_lab.errors import InputError
from similarity_lab.relevance.words import FoodNames, TargetWords
from similarity_lab.relevance.words.prompts import (
    TEMPLATES,
    BuiltInNames,
    embed_names,
    embed_texts,
    target_names,
    things,
)

from ..joint_space import JointSpace, PhotosOnly


def others_of(target, words=None):
    foods = tuple(FoodNames.builtin())
    builtin = BuiltInNames(
        "none", foods, things(), np.zeros((len(foods) + len(things()), 2), np.float32)
    )
    return set(builtin.others(TargetWords.of(target, words))[0])


@pytest.mark.parametrize(
    ("target", "words", "names"),
    [
        ("almonds", None, ("almonds", "almond", "almond kernel", "almond kernels")),
        ("Mandeln", None, ("almonds", "almond", "almond kernel", "almond kernels")),
        ("almonds", ["raw almonds"], ("raw almonds", "almonds")),
        ("almond oil", None, ("almond oil",)),
        ("office chairs", None, ("office chairs",)),
        ("sku-17", ["felt  slippers", "滑り止め"], ("felt slippers", "滑り止め")),
        ("garden_hose_images", None, ("garden hose",)),
    ],
)
def test_target_names(target, words, names):
    assert target_names(TargetWords.of(target, words), words) == names


@pytest.mark.parametrize(
    ("target", "words", "added"),
    [
        ("Mandeln", None, ("Mandeln",)),
        ("杏仁", None, ("杏仁",)),
        ("noix_de_cajou", None, ("noix de cajou",)),
        ("Cashewkerne_bio", None, ("Cashewkerne bio",)),
        ("almonds_raw", None, ()),
        ("Brown-Cap-Mushroom", None, ()),
        ("Bürostühle", None, ()),  # names no food: embedded as written anyway
        ("Mandeln", ["amandes"], ()),  # words are written by the user
    ],
)
def test_class_name_in_another_language_is_embedded_where_the_model_is_multilingual(
    target, words, added
):
    known = TargetWords.of(target, words)
    assert target_names(known, words, is_multilingual=True) == target_names(known, words) + added


@pytest.mark.parametrize(
    ("target", "words", "left_out", "kept"),
    [
        ("almonds", None, {"almonds", "nuts"}, {"walnuts", "almond flour", "chair"}),
        ("nuts", None, {"nuts", "almonds", "cashews"}, {"raisins", "rice"}),
        ("杏仁", None, {"almonds"}, {"walnuts"}),
        ("office chairs", None, {"chair"}, {"table", "almonds"}),
        ("shoes", ["sneakers"], {"shoes", "sneakers"}, {"boots"}),
        ("olive oil", None, {"olive oil"}, {"olives", "sunflower oil"}),
    ],
)
def test_other_names_are_those_of_other_things(target, words, left_out, kept):
    others = others_of(target, words)
    assert not left_out & others and kept <= others
    assert len(others) > 700


def test_every_food_is_told_from_the_others():
    """A target never competes with itself, and always with hundreds of others."""
    for food in list(FoodNames.builtin())[::20]:
        others = others_of(food)
        assert food not in others and len(others) > 700


def test_things_are_different_names_and_no_foods():
    names = things()
    assert len(names) == len(set(names)) > 400
    assert not set(names) & set(FoodNames.builtin())
    assert all(name == " ".join(name.split()) for name in names)


def test_embed_names_is_the_mean_of_the_prompts():
    embedder = JointSpace()
    names = ["almonds", "tea"]
    for name, found in zip(names, embed_names(embedder, names), strict=True):
        prompts = embedder.embed_text([template.format(name) for template in TEMPLATES])
        mean = prompts.mean(0)
        np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-6)


def test_embed_texts_refuses_what_is_no_text_tower():
    with pytest.raises(InputError, match="'photos only' embeds images only, no texts"):
        embed_texts(PhotosOnly(), ["almonds"])

    class Wrong(JointSpace):
        def embed_text(self, texts):
            return np.ones((len(texts), 3))

    with pytest.raises(InputError, match=r"returned \(1, 3\) for 1 texts"):
        embed_texts(Wrong(), ["almonds"])

    class NotFinite(JointSpace):
        def embed_text(self, texts):
            return np.full((len(texts), self.dimension), np.nan)

    with pytest.raises(InputError, match="expected finite vectors"):
        embed_texts(NotFinite(), ["almonds"])


def test_built_in_names_refuse_a_tower_that_tells_nothing_apart():
    class Constant(JointSpace):
        def embed_text(self, texts):
            noise = np.random.default_rng(0).normal(0, 1e-7, (len(texts), self.dimension))
            return np.ones((len(texts), self.dimension)) + noise

    with pytest.raises(InputError, match="nearly the same vector for every name"):
        BuiltInNames.of(Constant())
