import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from similarity_lab import read_image
from similarity_lab.images import content_digest
from similarity_lab.images.hashing import hash_thumbnail, perceptual_hash
from similarity_lab.relevance.repeats import close_pairs, find_repeats
from similarity_lab.samples import load_image


def hash_of(sources):
    """Return the hash of each source by position."""
    return lambda index: perceptual_hash(hash_thumbnail(read_image(sources[index], size=64)))


def test_find_repeats_resaved_image(tmp_path):
    photo = Image.fromarray(load_image("almonds", 1))
    sources = [tmp_path / f"{n}.jpg" for n in range(4)]
    photo.save(sources[0], quality=95)
    photo.save(sources[1], quality=70)
    photo.resize((photo.width // 2, photo.height // 2)).save(sources[2])
    Image.fromarray(load_image("almonds", 2)).save(sources[3])
    vectors = np.tile(np.ones(4, np.float32), (4, 1))  # an embedder that separates nothing
    digests = [content_digest(path) for path in sources]
    is_repeat = find_repeats(vectors, digests, hash_of(sources))
    assert is_repeat.sum() == 2 and not is_repeat[3], "hashes decide, not the vectors alone"
    assert not is_repeat[int(np.argmin([int(d, 16) for d in digests[:3]]))], "smallest digest"
    order = [3, 1, 0, 2]
    reordered = find_repeats(
        vectors, [digests[i] for i in order], hash_of([sources[i] for i in order])
    )
    np.testing.assert_array_equal(reordered, is_repeat[order])


def test_find_repeats_equal_content(make_image):
    sources = [make_image((9, 9, 9), seed) for seed in (0, 1, 0)]
    digests = [content_digest(source) for source in sources]
    vectors = np.eye(3, dtype=np.float32)
    assert find_repeats(vectors, digests, hash_of(sources)).tolist() == [False, False, True]
    assert find_repeats(vectors[:1], digests[:1], hash_of(sources)).tolist() == [False]


def originals_by_brute_force(angles, hashes, digests):
    """Join every close pair; return the first image of the smallest digest in each group."""
    count = len(angles)
    groups = list(range(count))
    for a in range(count):
        for b in range(count):
            near = 1 - np.cos(angles[a] - angles[b]) <= 1e-3
            same = near and (hashes[a] ^ hashes[b]).bit_count() <= 6
            if same or digests[a] == digests[b]:
                groups = [groups[a] if group == groups[b] else group for group in groups]
    return {
        min((digests[at], at) for at in range(count) if groups[at] == group)[1] for group in groups
    }


@st.composite
def look_alikes(draw):
    """Contents with an angle and a hash each; some are shown more than once."""
    hashes = [0, 0b111111, 0b1111111, 0b111111 << 30, 2**64 - 1]
    content = st.tuples(st.integers(0, 8).map(lambda n: n * 0.04), st.sampled_from(hashes))
    contents = draw(st.lists(content, min_size=1, max_size=9))
    shown = draw(st.lists(st.integers(0, len(contents) - 1), min_size=1, max_size=14))
    names = draw(st.permutations([f"{at:x}" for at in range(len(contents))]))
    return [(*contents[at], names[at]) for at in shown]


@given(images=look_alikes(), block=st.integers(1, 20))
def test_find_repeats_equals_double_loop(images, block):
    angles, hashes, digests = map(list, zip(*images, strict=True))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    is_repeat = find_repeats(vectors, digests, lambda index: np.uint64(hashes[index]), block=block)
    assert set(np.flatnonzero(~is_repeat)) == originals_by_brute_force(angles, hashes, digests)


@pytest.mark.parametrize("block", [3, 50])
def test_close_pairs_equals_double_loop(block):
    angles = np.random.default_rng(0).integers(0, 30, 40) * 0.04
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    pairs = [pair for pairs in close_pairs(vectors, block) for pair in zip(*pairs, strict=True)]
    expected = [
        (a, b)
        for a in range(40)
        for b in range(a + 1, 40)
        if 1 - np.cos(angles[a] - angles[b]) <= 1e-3
    ]
    assert sorted(pairs) == expected


@pytest.mark.parametrize(("bits", "n_originals"), [(0, 1), (6, 1), (7, 2), (64, 2)])
def test_find_repeats_hash_distance(bits, n_originals):
    hashes = np.array([0, 2**bits - 1], np.uint64)
    is_repeat = find_repeats(np.ones((2, 4), np.float32), ["a", "b"], lambda index: hashes[index])
    assert (~is_repeat).sum() == n_originals


def test_find_repeats_memory_with_thousands_of_copies():
    """One image with 2,000 contents: each of two million pairs is close."""
    digests = [f"{number:05x}" for number in range(2000)]
    tracemalloc.start()
    is_repeat = find_repeats(np.ones((2000, 4), np.float32), digests, lambda _: np.uint64(7))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.flatnonzero(~is_repeat).tolist() == [0]
    assert peak < 60 * 2**20
