import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from similarity_lab import ImageDataset, find_leaks, load_dataset
from similarity_lab.datasets.leaks import LEAK_COLUMNS


def scene(seed):
    """Draw blobs on white: similar composition, different details."""
    rng = np.random.default_rng(seed)
    canvas = np.full((160, 160, 3), 245.0)
    rows, columns = np.mgrid[:160, :160]
    for _ in range(40):
        y, x = rng.normal(80, 22, 2)
        radius = rng.uniform(5, 11)
        canvas[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = rng.uniform(40, 190, 3)
    return Image.fromarray(canvas.astype(np.uint8))


def copies(image):
    width, height = image.size
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=35)
    return {
        "same": image,
        "jpeg": Image.open(buffer),
        "half size": image.resize((width // 2, height // 2)),
        "brighter": ImageEnhance.Brightness(image).enhance(1.15),
        "cropped": image.crop((2, 2, width - 2, height - 2)),
    }


def dataset(images):
    pixels = np.stack([np.asarray(i.convert("RGB").resize((160, 160))) for i in images])
    return ImageDataset.from_arrays(pixels, [0] * len(images), ["nuts"])


@pytest.mark.parametrize("kind", ["same", "jpeg", "half size", "brighter", "cropped"])
def test_copy_is_found(kind):
    train = dataset([scene(seed) for seed in range(6)])
    test = dataset([scene(50), copies(scene(3))[kind], scene(51)])
    leaks = find_leaks(train, test, progress=False)
    assert list(leaks.columns) == LEAK_COLUMNS
    assert [(row.path_a, row.path_b) for row in leaks.itertuples()] == [("a[3]", "b[1]")]


def test_different_images_with_similar_hashes_are_not_leaks():
    train = dataset([scene(seed) for seed in range(12)])
    test = dataset([scene(seed) for seed in range(50, 62)])
    shortlist = find_leaks(train, test, min_correlation=-1, max_hash_distance=24, progress=False)
    assert len(shortlist) > 0
    assert find_leaks(train, test, max_hash_distance=24, progress=False).empty


def test_image_of_one_colour_is_never_a_leak():
    flat = dataset([Image.new("RGB", (160, 160), "white")])
    assert find_leaks(flat, flat, progress=False).empty


def test_leaks_have_paths_and_classes(library):
    data = load_dataset(library, progress=False)
    leaks = find_leaks(data, data.of_class("oats"), progress=False)
    assert set(leaks.class_a) == set(leaks.class_b) == {"oats"}
    assert (leaks.path_a == leaks.path_b).sum() == 6


def test_leaks_of_folders(library):
    folder = library / "almonds"
    table = find_leaks(folder, str(folder), progress=False)
    pd.testing.assert_frame_equal(
        table, find_leaks(load_dataset(folder), load_dataset(folder), progress=False)
    )
