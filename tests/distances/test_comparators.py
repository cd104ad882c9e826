import numpy as np
import pytest
from scipy.spatial.distance import cosine

from similarity_lab import compare
from similarity_lab.distances.comparators import Comparator, EmbeddingComparator, as_comparator
from similarity_lab.errors import ImageError


def test_comparator_distances_of_images(stub, make_image):
    images = [np.asarray(make_image(color)) for color in [(200, 10, 10), (10, 200, 10)]]
    comparator = EmbeddingComparator(stub)
    assert isinstance(comparator, Comparator)
    result = comparator.distances(images, images[:1])
    a, b = stub.embed(images).vectors
    np.testing.assert_allclose(result, [[0], [cosine(a, b)]], atol=1e-6)


def test_as_comparator(stub):
    assert as_comparator(stub).embedder is stub
    comparator = EmbeddingComparator(stub, "euclidean")
    assert as_comparator(comparator) is comparator


def test_compare(stub, make_image, tmp_path):
    red, green = np.asarray(make_image((200, 10, 10))), np.asarray(make_image((10, 200, 10)))
    assert compare(red, red, comparator=stub) == pytest.approx(0, abs=1e-6)
    assert compare(red, green, comparator=stub) > 0.5
    (tmp_path / "a.jpg").write_text("text")
    with pytest.raises(ImageError, match="looks like text"):
        compare(tmp_path / "a.jpg", red, comparator=stub)


def test_compare_with_the_default_network(make_image):
    image = np.asarray(make_image((200, 10, 10)))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    distance = compare(image, noise)
    assert compare(image, image) < 1e-6 < distance < 1
    assert distance == pytest.approx(compare(noise, image), abs=1e-6)
