import numpy as np
import pytest
from PIL import Image

from similarity_lab import read_image
from similarity_lab.errors import InputError
from similarity_lab.images.hashing import hash_distance, hash_thumbnail, perceptual_hash
from similarity_lab.samples import load_image


def image_hash(pixels):
    return perceptual_hash(hash_thumbnail(pixels))


@pytest.mark.parametrize("size", [32, 64, (90, 120), (301, 77)])
@pytest.mark.parametrize("name", ["almonds", "peanuts"])
def test_perceptual_hash_equals_imagehash(name, size):
    imagehash = pytest.importorskip("imagehash")
    for number in (1, 2):
        pixels = load_image(name, number, size=size)
        bits = np.packbits(imagehash.phash(Image.fromarray(pixels)).hash)
        assert image_hash(pixels) == np.uint64(int.from_bytes(bits.tobytes(), "big"))


def test_perceptual_hash_of_a_resized_copy_is_close():
    original, copy = (load_image("almonds", 1, size=size) for size in ((300, 400), (150, 200)))
    different = load_image("almonds", 2, size=(300, 400))
    assert hash_distance(image_hash(original), image_hash(copy)) <= 4
    assert hash_distance(image_hash(original), image_hash(different)) > 10


def test_perceptual_hash_of_rgb_and_gray_is_equal():
    rgb = load_image("almonds", 1, size=64)
    gray = read_image(rgb, color="gray")
    assert image_hash(rgb) == image_hash(gray)


def test_hash_distance_broadcasts():
    hashes = np.array([0, 1, 3], np.uint64)
    assert hash_distance(hashes[:, None], hashes[None]).tolist() == [
        [0, 1, 2],
        [1, 0, 1],
        [2, 1, 0],
    ]


def test_perceptual_hash_of_another_shape():
    with pytest.raises(InputError, match=r"expected shape \(32, 32\), got \(8, 8\)"):
        perceptual_hash(np.zeros((8, 8), np.uint8))
