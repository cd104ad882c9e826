"""The tool that drew the sample: it reproduces the shipped images and their table."""

import importlib
import io

import numpy as np
import pytest
from PIL import Image

from similarity_lab.samples import OTHERS, PRODUCTS, image_bytes, images_table

pytest.importorskip("cv2", reason="OpenCV, which draws the images, is not installed")
from tools.draw_samples import draw
from tools.draw_samples.plan import RECIPES, plan_library, plan_site

SMALL = (96, 128)


@pytest.mark.parametrize("subject", [*PRODUCTS, *OTHERS])
def test_draw_follows_its_seed(subject):
    image = draw(subject, seed=3, size=SMALL)
    assert image.shape == (*SMALL, 3)
    assert image.dtype == np.uint8
    assert image.std() > 8  # not flat
    np.testing.assert_array_equal(image, draw(subject, seed=3, size=SMALL))
    assert np.abs(image.astype(int) - draw(subject, seed=4, size=SMALL)).mean() > 5


@pytest.mark.parametrize("subject", PRODUCTS)
def test_draw_in_every_arrangement(subject):
    for seed in range(13):
        assert draw(subject, seed=seed, size=(40, 32)).shape == (40, 32, 3)


def test_draw_refuses_an_unknown_subject():
    with pytest.raises(ValueError, match=r"'walnuts'.*almonds.*sunflower oil.*scene"):
        draw("walnuts", seed=0)


@pytest.mark.parametrize("wrong", [{"size": (320, 8)}, {"seed": -1}])
def test_draw_refuses_a_bad_size_or_seed(wrong):
    with pytest.raises(ValueError, match="at least 32 pixels"):
        draw("almonds", **{"seed": 0, **wrong})


@pytest.fixture(scope="module")
def shots():
    return [*plan_library(), *(shot for recipe in RECIPES for shot in plan_site(recipe))]


def test_plan_is_the_shipped_table(shots):
    table = images_table()
    for column in ("path", "subject", "role", "product", "title"):
        assert table[column].tolist() == [getattr(shot, column) for shot in shots]
    assert table["readable"].tolist() == [not shot.truncated for shot in shots]


def test_shipped_images_can_be_drawn_again(shots):
    """Approximately: processors and versions of OpenCV round differently."""
    encode = importlib.import_module("tools.draw_samples.__main__").encode
    some = [shot for shot in shots if not shot.truncated][::60]
    for shot, data in zip(some, image_bytes([shot.path for shot in some]), strict=True):
        shipped, reproduced = (
            np.asarray(Image.open(file).convert("RGB"), int)
            for file in (io.BytesIO(data), io.BytesIO(encode(shot)))
        )
        assert np.abs(shipped - reproduced).mean() < 8
