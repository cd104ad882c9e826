import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from similarity_lab.images.sources import content_digest
from similarity_lab.relevance import repeats
from similarity_lab.relevance.repeats import close_pairs, repeated
from similarity_lab.samples import load_image


def test_saved_again_is_the_same_picture(tmp_path):
    photo = Image.fromarray(load_image("almonds", 1))
    sources = [tmp_path / f"{n}.jpg" for n in range(4)]
    photo.save(sources[0], quality=95)
    photo.save(sources[1], quality=70)
    photo.resize((photo.width // 2, photo.height // 2)).save(sources[2])
    Image.fromarray(load_image("almonds", 2)).save(sources[3])
    vectors = np.tile(np.ones(4, np.float32), (4, 1))  # an embedder that tells nothing apart
    digests = [content_digest(path) for path in sources]
    again = repeated(vectors, digests, sources)
    assert again.sum() == 2 and not again[3], "hashes decide, not the vectors alone"
    assert not again[int(np.argmin([int(d, 16) for d in digests[:3]]))], "smallest digest counts"
    order = [3, 1, 0, 2]
    moved = repeated(vectors, [digests[i] for i in order], [sources[i] for i in order])
    np.testing.assert_array_equal(moved, again[order])


def test_equal_content_is_the_same_whatever_the_vectors(make_photo):
    sources = [make_photo((9, 9, 9), seed) for seed in (0, 1, 0)]
    digests = [content_digest(source) for source in sources]
    vectors = np.eye(3, dtype=np.float32)
    assert repeated(vectors, digests, sources).tolist() == [False, False, True]
    assert repeated(vectors[:1], digests[:1], sources[:1]).tolist() == [False]


def kept_by_brute_force(angles, hashes, digests):
    """Join every pair that is close; of each group the smallest digest, where it comes first."""
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
def test_groups_equal_the_double_loop(images, block):
    angles, hashes, digests = map(list, zip(*images, strict=True))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "_BLOCK", block)
        patch.setattr(repeats, "_hash", np.uint64)
        again = repeated(vectors, digests, hashes)
    assert set(np.flatnonzero(~again)) == kept_by_brute_force(angles, hashes, digests)


@pytest.mark.parametrize("block", [3, 50])
def test_each_close_pair_comes_once(monkeypatch, block):
    """Oracle: the double loop; of a photo and itself there is no pair."""
    monkeypatch.setattr(repeats, "_BLOCK", block)
    angles = np.random.default_rng(0).integers(0, 30, 40) * 0.04
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = [pair for block in close_pairs(vectors) for pair in zip(*block, strict=True)]
    near = [
        (a, b)
        for a in range(40)
        for b in range(a + 1, 40)
        if 1 - np.cos(angles[a] - angles[b]) <= 1e-3
    ]
    assert sorted(found) == near


@pytest.mark.parametrize(("bits", "kept"), [(0, 1), (6, 1), (7, 2), (64, 2)])
def test_hashes_that_differ_in_few_bits_are_of_one_picture(monkeypatch, bits, kept):
    monkeypatch.setattr(repeats, "_hash", np.uint64)
    again = repeated(np.ones((2, 4), np.float32), ["a", "b"], [0, 2**bits - 1])
    assert (~again).sum() == kept


def test_thousands_of_copies_fit_into_memory(monkeypatch):
    """One picture under as many contents: each of four million pairs is alike."""
    monkeypatch.setattr(repeats, "_hash", lambda _: np.uint64(7))
    digests = [f"{number:05x}" for number in range(2000)]
    tracemalloc.start()
    again = repeated(np.ones((2000, 4), np.float32), digests, digests)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.flatnonzero(~again).tolist() == [0]
    assert peak < 60 * 2**20
