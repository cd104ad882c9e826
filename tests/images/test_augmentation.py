from dataclasses import fields

import numpy as np
import pytest

from similarity_lab.images import Augmentation

NONE = {parameter.name: 0.0 for parameter in fields(Augmentation)}


def images(channels=3, count=6):
    return np.random.default_rng(0).integers(0, 256, (count, 9, 7, channels), np.uint8)


def augment(pixels, seed=0, **options):
    return Augmentation(**options)(pixels, np.random.default_rng(seed))


@pytest.mark.parametrize("channels", [1, 3])
def test_augmentation_shape_range_and_seed(channels):
    pixels = images(channels)
    result = augment(pixels, seed=1)
    assert result.shape == pixels.shape and result.dtype == np.float32
    assert result.min() >= 0 and result.max() <= 1
    np.testing.assert_array_equal(result, augment(pixels, seed=1))
    assert (result != augment(pixels, seed=2)).any()
    np.testing.assert_array_equal(pixels, images(channels))  # unchanged


def test_augmentation_of_zeros_is_the_identity():
    np.testing.assert_allclose(augment(images(), **NONE), images() / 255, atol=1e-6)


@pytest.mark.parametrize("name", sorted(NONE))
def test_augmentation_changes_each_image_independently(name):
    pixels = np.repeat(images(count=1), 8, axis=0)
    result = augment(pixels, **{**NONE, name: 0.5 if name != "rotation" else 90})
    assert len(np.unique(result.reshape(8, -1), axis=0)) > 1
    if name == "color":  # nothing for grayscale
        np.testing.assert_allclose(
            augment(pixels[..., :1], **{**NONE, name: 0.5}), pixels[..., :1] / 255, atol=1e-6
        )


@pytest.mark.parametrize("channels", [1, 3])
def test_augmentation_of_colours_equals_the_definition(channels):
    parts = {"contrast": 0.5, "brightness": 0.3, "color": 0.4}
    rng = np.random.default_rng(5)
    Augmentation(**NONE).matrices(6, (9, 7), rng)  # the geometry is drawn first
    contrast = rng.uniform(-0.5, 0.5, (6, 1, 1, 1))
    brightness = rng.uniform(-0.3, 0.3, (6, 1, 1, 1))
    values = images(channels) / 255
    mean = values.mean((1, 2, 3), keepdims=True)
    values = mean + (values - mean) * (1 + contrast) + brightness
    if channels == 3:
        gray = values.mean(3, keepdims=True)
        values = gray + (values - gray) * (1 + rng.uniform(-0.4, 0.4, (6, 1, 1, 1)))
        values = values * (1 + rng.uniform(-0.4, 0.4, (6, 1, 1, 3)))
    result = augment(images(channels), seed=5, **{**NONE, **parts})
    np.testing.assert_allclose(result, values.clip(0, 1), atol=1e-5)


def test_augmentation_flip_is_exact():
    result = augment(images(), **{**NONE, "flip": 1})
    np.testing.assert_allclose(result, images()[:, :, ::-1] / 255, atol=1e-6)


def test_matrices_cover_the_ranges_of_their_parameters():
    parts = {"rotation": 30, "zoom": 0.2, "shift": 0.1, "flip": 0.25}
    matrices = Augmentation(**parts).matrices(4000, (9, 7), np.random.default_rng(0))
    linear, height, width = matrices[:, :, :2], 9, 7
    centre = np.array([(width - 1) / 2, (height - 1) / 2])  # of pixels 0, 1, … as (x, y)
    shifts = (linear @ centre + matrices[:, :, 2] - centre) / [width, height]
    determinants = np.linalg.det(linear)
    zooms = np.sqrt(np.abs(determinants))
    squares = linear.transpose(0, 2, 1) @ linear  # no shear: angles are preserved
    np.testing.assert_allclose(squares, zooms[:, None, None] ** 2 * np.eye(2), atol=1e-12)
    angles = np.rad2deg(np.arctan2(-linear[:, 0, 1], linear[:, 1, 1]))  # of the vertical axis
    ranges = [(angles, 30), (zooms - 1, 0.2), *zip(shifts.T, [0.1, 0.1], strict=True)]
    for values, limit in ranges:
        tolerance = 1e-12 * limit
        assert -limit - tolerance <= values.min() < -0.99 * limit
        assert 0.99 * limit < values.max() <= limit + tolerance
        assert abs(values.mean()) < 5 * limit / np.sqrt(3 * 4000)
    is_flipped = determinants < 0
    assert abs(is_flipped.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4000)
    correlations = np.corrcoef([angles, zooms, *shifts.T, is_flipped])
    assert np.abs(correlations - np.eye(5)).max() < 5 / np.sqrt(4000)  # independent


def test_augmentation_fills_uncovered_corners():
    white = np.full((20, 16, 16, 3), 255, np.uint8)
    result = augment(white, **{**NONE, "rotation": 45, "shift": 0.3, "zoom": 0.3})
    assert result.min() == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "value", "maximum"),
    [
        ("flip", 1.1, 1), ("brightness", 1.1, 1), ("rotation", 181, 180),
        ("zoom", 1, 0.99), ("contrast", -0.1, 0.99),
    ],
)  # fmt: skip
def test_augmentation_parameter_out_of_range(name, value, maximum):
    with pytest.raises(ValueError, match=rf"{name} must be between 0 and {maximum}, got {value}"):
        Augmentation(**{name: value})
    assert getattr(Augmentation(**{name: maximum}), name) == maximum
