import numpy as np
from PIL import Image

from similarity_lab.relevance.repeats import repeated
from similarity_lab.samples import draw
from similarity_lab.sources import content_digest


def test_saved_again_is_the_same_picture(tmp_path):
    photo = Image.fromarray(draw("almonds", seed=1))
    sources = [tmp_path / f"{n}.jpg" for n in range(4)]
    photo.save(sources[0], quality=95)
    photo.save(sources[1], quality=70)
    photo.resize((photo.width // 2, photo.height // 2)).save(sources[2])
    Image.fromarray(draw("almonds", seed=2)).save(sources[3])
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
