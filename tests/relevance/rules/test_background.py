import numpy as np
from PIL import Image

from similarity_lab import RelevanceScorer, Site
from similarity_lab.relevance.rules.background import (
    KINDS,
    background_labels,
    background_vectors,
    counter_examples,
)
from similarity_lab.relevance.rules.prototypes import unit
from similarity_lab.samples import IMAGES_PER_KIND, background_images, load_image, load_images


def test_background_is_embedded_in_the_order_of_its_labels(stub):
    vectors = background_vectors(stub)
    assert vectors.shape == (len(KINDS) * IMAGES_PER_KIND, 3)
    np.testing.assert_allclose(vectors[:2], [i.mean((0, 1)) for i in background_images()[:2]])


def test_counter_examples_exclude_kinds_similar_to_the_target():
    rng = np.random.default_rng(0)
    kinds = rng.normal(0, 1, (len(KINDS), 16))
    labels = background_labels()
    vectors = unit(kinds[labels] + rng.normal(0, 0.1, (len(labels), 16)))
    references = unit(kinds[KINDS.index("almonds")] + rng.normal(0, 0.1, (6, 16)))
    remaining, labels, names = counter_examples(references, vectors)
    assert "almonds" not in names and len(names) >= 10
    assert len(remaining) == len(labels) == IMAGES_PER_KIND * len(names)
    alike = unit(kinds[0] + rng.normal(0, 0.1, vectors.shape))  # nothing is unlike the target
    _, _, few = counter_examples(unit(kinds[0] + rng.normal(0, 2, (6, 16))), alike)
    assert len(few) >= 5


def test_scorer_fits_on_references_alone(tmp_path):
    """With the real network: almonds against clothing, no other product known."""
    for number, image in enumerate(load_images("almonds", 6)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    scorer = RelevanceScorer("almonds", progress=False)
    scorer.fit({"almonds": sorted(tmp_path.iterdir())})
    assert all(name.startswith("generated ") for name in scorer.rule_.others)
    almonds, clothing = load_image("almonds", 9), load_image("clothing", 9)
    images = scorer.decide(Site.from_paths([almonds, clothing], name="shop")).images
    assert images["score"][0] > images["score"][1]
