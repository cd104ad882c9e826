"""A simulated embedder of images and texts, with the geometry of CLIP.

Images and texts lie in two narrow cones apart: the cosine between unrelated images is 0.55, between
unrelated texts 0.7, between an image and a text of the same product about 0.3, and of another one
0.15. CLIP ViT-B/32 gives 0.25 and 0.19 (https://github.com/openai/CLIP/issues/405).
"""

import re
from zlib import crc32

import numpy as np

from similarity_lab.images import check_image
from similarity_lab.images.sources import read_bytes
from similarity_lab.store import unit

from ..conftest import PerImage

DIMENSION = 256
SYNONYMS = {"almond": "almonds", "almond kernel": "almonds", "almond kernels": "almonds"}
SYNONYMS |= {"raw almonds": "almonds", "mandeln": "almonds", "walnut": "walnuts"}
_TEMPLATE = re.compile(r"^a (?:product )?photo of (.*)\.$")


def direction(product, space="product"):
    """Return the direction of a product, of expected length 1."""
    rng = np.random.default_rng(crc32(f"{space} {product}".encode()))
    return rng.normal(0, 1, DIMENSION) / np.sqrt(DIMENSION)


IMAGE_MEAN = unit(direction("images", "mean")[None])[0]
TEXT_MEAN = unit((0.3 * IMAGE_MEAN + 0.95 * unit(direction("texts", "mean")[None])[0])[None])[0]


class JointSpace(PerImage):
    """Reads what an image shows from the end of its file; images without it show something else."""

    name, dimension, input_size = "joint space", DIMENSION, (8, 8)
    knows = 0.7  # correlation between the directions of a product and of its name

    def __init__(self):
        self.n_texts = 0

    def vector(self, image):
        check_image(image)
        if isinstance(image, np.ndarray):  # the images of the sample
            shown, seed = "drawn", crc32(image.tobytes())
        else:
            shown, seed = read_bytes(image).rsplit(b"\n", 1)[1].decode().split("|")
        rng = np.random.default_rng(int(seed))
        noise = rng.normal(0, 1.2, DIMENSION) / np.sqrt(DIMENSION)
        varied = (direction(shown) + noise) / np.sqrt(1 + 1.2**2)
        return unit((np.sqrt(0.45) * varied + np.sqrt(0.55) * IMAGE_MEAN)[None])[0]

    def embed_text(self, texts):
        self.n_texts += len(texts)
        return unit(np.array([self._text(text) for text in texts]))

    def _text(self, text):
        found = _TEMPLATE.match(text)
        name = found[1] if found else text
        shown = SYNONYMS.get(name.lower(), name.lower())
        own = self.knows * direction(shown) + np.sqrt(1 - self.knows**2) * direction(shown, "name")
        noise = 0.3 * direction(text, "prompt")
        return np.sqrt(0.3) * (own + noise) + np.sqrt(0.7) * TEXT_MEAN


class PhotosOnly(JointSpace):
    """The same without texts."""

    name, embed_text = "photos only", None
