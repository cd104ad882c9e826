import numpy as np
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer, Site, load_embedder
from similarity_lab.relevance.rules.background import (
    KINDS,
    PER_KIND,
    background_labels,
    background_photos,
    background_vectors,
    counter_examples,
)
from similarity_lab.relevance.rules.learned import QUALITIES
from similarity_lab.relevance.rules.prototypes import unit
from similarity_lab.samples import draw


def test_packaged_vectors_are_those_of_the_photos():
    """Some of them; tools/make_background.py makes all."""
    embedder = load_embedder("efficientnet-lite0", runtime="openvino")
    vectors, labels = background_vectors(embedder), background_labels()
    assert vectors.shape == (len(KINDS) * PER_KIND, 1280) == (len(labels), 1280)
    some = [0, 57]
    photos = [
        draw(KINDS[at // PER_KIND], seed=2**30 + at % PER_KIND, size=(300, 300)) for at in some
    ]
    expected = embedder.embed(photos, progress=False)
    np.testing.assert_allclose(vectors[some], expected, rtol=2e-3, atol=2e-3)
    rounded = load_embedder("efficientnet-lite0", runtime="openvino-int8")
    np.testing.assert_array_equal(background_vectors(rounded), vectors)
    near = unit(rounded.embed(photos, progress=False))
    assert (near * unit(vectors[some])).sum(1).min() > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("quality", QUALITIES)
def test_all_packaged_vectors_are_those_of_the_photos(quality):
    name, size = QUALITIES[quality]
    embedder = load_embedder(name, input_size=size, runtime="openvino")
    expected = embedder.embed(background_photos(), progress=False)
    np.testing.assert_allclose(background_vectors(embedder), expected, rtol=2e-3, atol=2e-3)


def test_what_looks_like_the_target_is_no_counter_example():
    rng = np.random.default_rng(0)
    kinds = rng.normal(0, 1, (len(KINDS), 16))
    vectors = unit(kinds[background_labels()] + rng.normal(0, 0.1, (len(KINDS) * PER_KIND, 16)))
    references = unit(kinds[KINDS.index("almonds")] + rng.normal(0, 0.1, (6, 16)))
    kept, labels, names = counter_examples(references, vectors)
    assert "almonds" not in names and len(names) >= 10
    assert len(kept) == len(labels) == PER_KIND * len(names)
    alike = unit(kinds[0] + rng.normal(0, 0.1, vectors.shape))  # nothing is unlike the target
    _, _, few = counter_examples(unit(kinds[0] + rng.normal(0, 2, (6, 16))), alike)
    assert len(few) >= 5


def test_references_alone_will_do(tmp_path):
    """With the real network: drawn almonds against drawn clothing, no other product known."""
    for number in range(6):
        Image.fromarray(draw("almonds", seed=number)).save(tmp_path / f"{number}.png")
    scorer = RelevanceScorer("almonds", progress=False)
    scorer.fit({"almonds": sorted(tmp_path.iterdir())})
    assert all(name.startswith("generated ") for name in scorer.rule_.others)
    shown, other = draw("almonds", seed=99), draw("clothing", seed=99)
    images = scorer.decide(Site.from_paths([shown, other], name="shop")).images
    assert images["score"][0] > images["score"][1]
