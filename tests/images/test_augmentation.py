from dataclasses import fields

import numpy as np
import pytest

from similarity_lab.images import Augmentation

NONE = {each.name: 0.0 for each in fields(Augmentation)}


def images(channels=3, count=6):
    return np.random.default_rng(0).integers(0, 256, (count, 9, 7, channels), np.uint8)


def augment(pixels, seed=0, **options):
    return Augmentation(**options)(pixels, np.random.default_rng(seed))


@pytest.mark.parametrize("channels", [1, 3])
def test_shape_range_and_seed(channels):
    pixels = images(channels)
    before = pixels.copy()
    one, again, other = (augment(pixels, seed) for seed in (1, 1, 2))
    assert one.shape == pixels.shape and one.dtype == np.float32
    assert one.min() >= 0 and one.max() <= 1
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    np.testing.assert_array_equal(pixels, before)


def test_augmentation_of_zeros_is_the_identity():
    np.testing.assert_allclose(augment(images(), **NONE), images() / 255, atol=1e-6)


@pytest.mark.parametrize("name", sorted(NONE))
def test_every_parameter_changes_each_image_independently(name):
    same = np.repeat(images(count=1), 8, axis=0)
    result = augment(same, **{**NONE, name: 0.5 if name != "rotation" else 90})
    assert len(np.unique(result.reshape(8, -1), axis=0)) > 1
    if name == "color":  # nothing for grayscale
        np.testing.assert_allclose(
            augment(same[..., :1], **{**NONE, name: 0.5}), same[..., :1] / 255, atol=1e-6
        )


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_changes_equal_their_definition(channels):
    parts = {"contrast": 0.5, "brightness": 0.3, "color": 0.4}
    rng = np.random.default_rng(5)
    Augmentation(**NONE).matrices(6, (9, 7), rng)  # the geometry is drawn first
    contrast, brightness = (rng.uniform(-most, most, (6, 1, 1, 1)) for most in (0.5, 0.3))
    values = images(channels) / 255
    mean = values.mean((1, 2, 3), keepdims=True)
    values = mean + (values - mean) * (1 + contrast) + brightness
    if channels == 3:
        gray = values.mean(3, keepdims=True)
        values = gray + (values - gray) * (1 + rng.uniform(-0.4, 0.4, (6, 1, 1, 1)))
        values = values * (1 + rng.uniform(-0.4, 0.4, (6, 1, 1, 3)))
    result = augment(images(channels), seed=5, **{**NONE, **parts})
    np.testing.assert_allclose(result, values.clip(0, 1), atol=1e-5)


def test_flip_is_exact():
    result = augment(images(), **{**NONE, "flip": 1})
    np.testing.assert_allclose(result, images()[:, :, ::-1] / 255, atol=1e-6)


def test_matrices_cover_the_ranges_of_their_parameters():
    parts = {"rotation": 30, "zoom": 0.2, "shift": 0.1, "flip": 0.25}
    moves = Augmentation(**parts).matrices(4000, (9, 7), np.random.default_rng(0))
    turns, height, width = moves[:, :, :2], 9, 7
    middle = np.array([(width - 1) / 2, (height - 1) / 2])  # of pixels 0, 1, … as (x, y)
    shifts = (turns @ middle + moves[:, :, 2] - middle) / [width, height]
    determinants = np.linalg.det(turns)
    zooms = np.sqrt(np.abs(determinants))
    squares = turns.transpose(0, 2, 1) @ turns  # no shear: lengths and right angles are kept
    np.testing.assert_allclose(squares, zooms[:, None, None] ** 2 * np.eye(2), atol=1e-12)
    angles = np.rad2deg(np.arctan2(-turns[:, 0, 1], turns[:, 1, 1]))  # how far "down" turns
    for values, most in [(angles, 30), (zooms - 1, 0.2), *zip(shifts.T, [0.1, 0.1], strict=True)]:
        assert -most <= values.min() < -0.99 * most and 0.99 * most < values.max() <= most
        assert abs(values.mean()) < 5 * most / np.sqrt(3 * 4000)
    mirrored = determinants < 0
    assert abs(mirrored.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4000)
    together = np.corrcoef([angles, zooms, *shifts.T, mirrored])  # each is drawn on its own
    assert np.abs(together - np.eye(5)).max() < 5 / np.sqrt(4000)


def test_uncovered_corners_are_reflected():
    white = np.full((20, 16, 16, 3), 255, np.uint8)
    moved = augment(white, **{**NONE, "rotation": 45, "shift": 0.3, "zoom": 0.3})
    assert moved.min() == 1


@pytest.mark.parametrize(
    ("name", "value", "most"),
    [
        ("flip", 1.1, 1), ("brightness", 1.1, 1), ("rotation", 181, 180),
        ("zoom", 1, 0.99), ("contrast", -0.1, 0.99),
    ],
)  # fmt: skip
def test_value_out_of_range_is_refused(name, value, most):
    with pytest.raises(ValueError, match=rf"{name} must be between 0 and {most}, got {value}"):
        Augmentation(**{name: value})
    assert getattr(Augmentation(**{name: most}), name) == most
