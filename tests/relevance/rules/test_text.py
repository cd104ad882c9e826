"""Names as references, on a simulated joint space with the geometry of CLIP and SigLIP."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logsumexp

from similarity_lab.relevance.rules.calibration import Calibration
from similarity_lab.relevance.rules.text import (
    MARGIN_SPREAD,
    SPREAD,
    TextPart,
    TextPrototypes,
    TextReferences,
    text_held_out,
)
from similarity_lab.relevance.words import TargetWords
from similarity_lab.relevance.words.prompts import BuiltInNames
from similarity_lab.store import unit

from ..joint_space import IMAGE_MEAN, JointSpace, direction

PRODUCTS = (
    "walnuts", "raisins", "oats", "dates", "rice", "hazelnuts", "peanuts", "cashews", "lentils"
)  # fmt: skip


def images_of(product, count, seed=0, within=1.2):
    rng = np.random.default_rng([seed, len(product), ord(product[0])])
    noise = within * rng.normal(0, 1, (count, 256)) / 16
    varied = (direction(product) + noise) / np.sqrt(1 + within**2)
    return unit((np.sqrt(0.45) * varied + np.sqrt(0.55) * IMAGE_MEAN).astype(np.float32))


@pytest.fixture(scope="module")
def builtin():
    return BuiltInNames.of(JointSpace())


def references(builtin, target="almonds", given=None, classes=()):
    return TextReferences.of(JointSpace(), TargetWords.of(target), given, builtin, classes)


@pytest.fixture(scope="module")
def shelf():
    vectors = np.concatenate([images_of(name, 8) for name in PRODUCTS])
    return vectors, np.repeat(np.arange(len(PRODUCTS)), 8)


def test_compare_is_a_softmax_over_names_without_what_names_share_with_all_images(builtin, shelf):
    """By hand: each name's similarity to the mean image is taken off."""
    text = references(builtin)
    prototypes = TextPrototypes.fit(text, *shelf)
    images = images_of("almonds", 3, seed=5)
    mean = np.mean([shelf[0][shelf[1] == code].mean(0) for code in range(len(PRODUCTS))], axis=0)
    target = prototypes.scale * (images @ text.target - mean @ text.target)
    others = prototypes.scale * (images @ text.others.T - mean @ text.others.T)
    found = prototypes.compare(images)
    np.testing.assert_allclose(found.scores, target - logsumexp(others, axis=1), atol=1e-3)
    np.testing.assert_allclose(found.margins, target - others.max(1), atol=1e-3)
    assert found.nearest.tolist() == others.argmax(1).tolist()


def test_modality_gap_does_not_change_the_comparison(builtin, shelf):
    """Images moved as a whole, as the gap does, are compared alike; the gap is measured."""
    text, (vectors, labels) = references(builtin), shelf
    images = images_of("almonds", 3, seed=5)
    rng = np.random.default_rng(0)
    shift = unit(rng.normal(size=(1, 256)))[0]
    near, far = (
        TextPrototypes.fit(text, (vectors + move * shift).astype(np.float32), labels)
        for move in (0.0, 3.0)
    )
    np.testing.assert_allclose(
        near.compare(images).scores,
        far.compare((images + 3 * shift).astype(np.float32)).scores,
        atol=1e-2,
    )
    assert 0.8 < near.gap < 1.2 and far.gap > 2.5


def test_names_that_are_close_to_all_images_are_no_evidence(builtin, shelf):
    """A hub: a name that shares the direction of the cone of images."""
    text = references(builtin)
    hub = replace(text, target=unit((text.target + 2 * IMAGE_MEAN)[None].astype(np.float32))[0])
    raw = images_of("rice", 4, seed=3) @ hub.target
    assert (raw > (images_of("rice", 4, seed=3) @ text.others.T).max(1)).all()  # by cosine it wins
    prototypes = TextPrototypes.fit(hub, *shelf)
    assert (prototypes.compare(images_of("rice", 4, seed=3)).margins < 0).all()
    assert prototypes.compare(images_of("almonds", 20, seed=3)).scores.mean() > -5


def test_scores_are_brought_to_the_usual_spread(builtin, shelf):
    text = references(builtin)
    part = TextPart.alone(text, images_of("almonds", 6), *shelf, PRODUCTS)
    held_out = text_held_out(text, part.prototypes, shelf[0][:0], *shelf, PRODUCTS)
    assert held_out.spread(held_out.others) == pytest.approx(SPREAD)
    assert held_out.spread(held_out.margins) == pytest.approx(MARGIN_SPREAD)


def test_part_with_references_is_measured_on_them(builtin, shelf):
    part = TextPart.alone(references(builtin), images_of("almonds", 6), *shelf, PRODUCTS)
    assert part.measured_on == "references" and part.weight == 1
    assert part.calibration.separability > 0.95 and part.calibration.n_references == 6


def test_part_without_references_is_measured_on_other_products_by_their_names(builtin, shelf):
    text = references(builtin, classes=PRODUCTS)
    part = TextPart.alone(text, shelf[0][:0], *shelf, PRODUCTS)
    assert part.measured_on == "other products"
    assert part.calibration.n_references == len(shelf[0])
    assert part.calibration.separability > 0.9
    unknown = replace(text, by_class={})
    part = TextPart.alone(unknown, shelf[0][:0], *shelf, PRODUCTS)
    assert (part.measured_on, part.calibration.separability) == ("", None)
    assert part.calibration.is_learned and part.calibration.n_references == 0


def test_names_that_the_tower_does_not_know_are_not_learned(builtin, shelf):
    rng = np.random.default_rng(1)
    text = references(builtin)
    text = replace(text, target=unit(rng.normal(size=(1, 256)).astype(np.float32))[0])
    part = TextPart.alone(text, images_of("almonds", 30), *shelf, PRODUCTS)
    assert part.calibration.separability < 0.75 and not part.calibration.is_learned


def test_photos_and_names_together_separate_better(builtin, shelf):
    from similarity_lab.relevance.rules.calibration import cross_fit

    photos = images_of("almonds", 10, within=4.0)
    noisy = np.concatenate([images_of(name, 8, within=4.0) for name in PRODUCTS])
    held_out = cross_fit(photos, noisy, shelf[1], 0)
    alone = Calibration.of(held_out)
    text = references(builtin)
    part, joint = TextPart.beside_photos(text, held_out, alone, photos, noisy, shelf[1])
    assert 0 < part.weight < 1 and part.photo_calibration == alone
    assert joint.separability >= max(alone.separability, part.calibration.separability) - 0.02
    assert joint.n_references == 10


def test_rival_margins_are_margins_of_the_other_names(builtin, shelf):
    """By hand: each of the hundred most similar names as the target, against all the rest."""
    text = references(builtin)
    prototypes = TextPrototypes.fit(text, *shelf)
    images = np.concatenate([images_of("walnuts", 2, seed=9), images_of("tea", 2, seed=9)])
    names = np.vstack([text.others, text.target])
    logits = prototypes.scale * (images - prototypes.image_mean) @ names.T
    expected = [
        (logits[:, k] - np.delete(logits, k, axis=1).max(1)).max() for k in range(len(text.others))
    ]
    rivals = prototypes.rival_margins(images)
    assert len(rivals) == 100
    np.testing.assert_allclose(rivals, np.array(expected)[prototypes._rivals], atol=1e-3)
    walnuts = list(text.other_names).index("walnuts")
    assert expected[walnuts] == max(expected)


def test_part_survives_saving(builtin, shelf):
    import json

    from similarity_lab.relevance.rules.calibration import cross_fit

    text, photos = references(builtin), images_of("almonds", 6)
    held_out = cross_fit(photos, *shelf, 0)
    joint, _ = TextPart.beside_photos(text, held_out, Calibration.of(held_out), photos, *shelf)
    for part in (joint, TextPart.alone(text, photos[:0], *shelf, PRODUCTS)):
        content, arrays = part.to_saved()
        again = TextPart.from_saved(json.loads(json.dumps(content, allow_nan=False)), arrays)
        images = images_of("almonds", 4, seed=2)
        np.testing.assert_array_equal(
            again.prototypes.compare(images).scores, part.prototypes.compare(images).scores
        )
        assert again.calibration == part.calibration and again.weight == part.weight
        assert again.photo_calibration == part.photo_calibration


def test_classes_count_if_their_names_are_words(builtin):
    classes = ("garden_hose", "sku-17", "Mandeln", "x1", "ab", "Kiefernzapfen")
    text = references(builtin, "oats", classes=classes)
    assert set(text.by_class) == {"garden_hose", "Mandeln", "Kiefernzapfen"}
    assert text.by_class["Mandeln"].names[0] == "almonds"
    assert text.by_class["garden_hose"].names == ("garden hose",)
