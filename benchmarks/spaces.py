"""Simulated vectors of embedders with very different geometry, alone and beside a text tower.

An image is a mean direction (the cone), plus a direction of its product, plus what differs between
images of one product; a text is another mean (the modality gap), plus the direction of its product
as far as the text tower knows it, plus its own noise. Both are scaled to unit length.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from similarity_lab.store import Vectors, unit


@dataclass(frozen=True)
class Space:
    """Parameters of a simulated embedder.

    Attributes
    ----------
    name : str
    dimension : int
    cone : float
        Cosine between images of unrelated products, 0 = isotropic.
    within : float
        Spread of the images of one product, relative to that of the products.
    decay : float
        Exponent with which the variance of directions falls: 0 = all alike, 1 = few count.
    nuisance : int
        Directions in which images differ most whatever they show (light, background).
    groups : int
        Groups of products that look alike.
    alike : float
        Part of a product's variance that its group shares, 0…1.
    text : float
        Correlation between the direction of a product and that of its name, 0…1.
    text_cone : float
        Cosine between unrelated texts.
    """

    name: str = "isotropic"
    dimension: int = 512
    cone: float = 0.0
    within: float = 1.5
    decay: float = 0.5
    nuisance: int = 10
    groups: int = 12
    alike: float = 0.4
    text: float = 0.5
    text_cone: float = 0.7


@dataclass(eq=False)
class World:
    """Products of a simulated space, from which images and texts are drawn."""

    space: Space
    rng: np.random.Generator
    n_products: int = 1000
    products: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        space, rng, d = self.space, self.rng, self.space.dimension
        self._scale = (1 + np.arange(d)) ** (-space.decay / 2)
        self._scale /= np.linalg.norm(self._scale)
        groups = self._draw(space.groups)
        own = self._draw(self.n_products)
        self.group = rng.integers(space.groups, size=self.n_products)
        self.products = np.sqrt(space.alike) * groups[self.group] + np.sqrt(1 - space.alike) * own
        means = unit(rng.standard_normal((2, d)))
        self.image_mean, self.text_mean = means
        self._nuisance = np.linalg.qr(rng.standard_normal((d, max(1, space.nuisance))))[0].T
        knows = space.text
        own_text = self._draw(self.n_products)
        self.names = knows * self.products + np.sqrt(1 - knows**2) * own_text

    def _draw(self, count: int) -> np.ndarray:
        """Return directions of expected length 1 with the spectrum of the space."""
        return self.rng.standard_normal((count, self.space.dimension)) * self._scale

    def images(self, products: np.ndarray) -> Vectors:
        """Return unit vectors of images of these products, one each."""
        space, rng, n = self.space, self.rng, len(products)
        noise = self._draw(n) * np.sqrt(0.6)
        if space.nuisance:
            noise += (
                rng.standard_normal((n, space.nuisance))
                @ self._nuisance
                * np.sqrt(0.4 / space.nuisance)
            )
        varied = self.products[products] + space.within * noise
        length = np.sqrt(1 + space.within**2)
        return self._in_cone(varied / length, self.image_mean, space.cone)

    def texts(self, products: np.ndarray, noise: float = 0.3) -> Vectors:
        """Return unit vectors of names of these products, one prompt each."""
        varied = self.names[products] + noise * self._draw(len(products))
        return self._in_cone(varied, self.text_mean, self.space.text_cone)

    @staticmethod
    def _in_cone(vectors: np.ndarray, mean: np.ndarray, cosine: float) -> Vectors:
        return unit((np.sqrt(1 - cosine) * vectors + np.sqrt(cosine) * mean).astype(np.float32))


BASE = Space()
SPACES = (
    BASE,
    replace(BASE, name="narrow cone 0.7", cone=0.7, dimension=768),
    replace(BASE, name="narrow cone 0.9", cone=0.9, dimension=768),
    replace(BASE, name="DINO-like", dimension=384, cone=0.05, within=1.0, decay=0.2, nuisance=30),
    replace(BASE, name="low dimension 32", dimension=32, within=1.0, decay=0.0, nuisance=3),
    replace(BASE, name="low dimension 8", dimension=8, within=0.6, decay=0.0, nuisance=1),
    replace(BASE, name="high dimension 2048", dimension=2048),
    replace(BASE, name="few directions", decay=1.5),
    replace(BASE, name="tight products", within=0.6),
    replace(BASE, name="wide products", within=3.0),
    replace(BASE, name="strong nuisance", within=2.5, nuisance=3),
)
