"""Simulated vectors of embedders with very different geometry, alone and beside a text tower.

An image is a mean direction (the cone), plus a direction of its product, plus what differs between
images of one product; a text is another mean (the modality gap), plus the direction of its product
as far as the text tower knows it, plus its own noise. Both are scaled to unit length.

Constants may be chosen on `SPACES` and `JOINT`. `HELD_OUT` and `JOINT_HELD_OUT` are spaces of other
kinds, written down before the rule had decided in any of them; `random_spaces` draws all parameters
at random.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from similarity_lab.store import Vectors, unit

N_PRODUCTS = 1000
_WHITENED_ON = 6  # images per product, for each whitened dimension to be measured well


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
    tail : float
        Degrees of freedom of how far an image is from the centre of its product: few = heavy tails,
        infinite = normal.
    uneven : float
        Standard deviation of the logarithm of the spread of products: some vary far more.
    strength : float
        Standard deviation of the logarithm of the length of a product's direction: short ones are
        near the centre, and so near to everything (hubs).
    modes : int
        Appearances of a product, such as raw and packed.
    outliers : float
        Part of the images that resemble nothing that is known, references as well, 0…1.
    rogue : int
        Dimensions of very large and varied values, whatever an image shows.
    is_positive : bool
        Negative values are set to 0, as rectified units do.
    is_whitened : bool
        All directions have equal variance over images of all products.
    is_rotated : bool
        No axis means anything.
    text : float
        Correlation between the direction of a product and that of its name, 0…1.
    text_cone : float
        Cosine between unrelated texts.
    text_uneven : float
        How much `text` differs between products, up or down, 0…1.
    wrong : float
        Part of the products whose name is that of another one, 0…1.
    is_wrong, is_ambiguous : bool
        The name of the target is that of another product, or of that one as well; one in three of
        the sites that do not sell the target sells the other.
    """

    name: str = "isotropic"
    dimension: int = 512
    cone: float = 0.0
    within: float = 1.5
    decay: float = 0.5
    nuisance: int = 10
    groups: int = 12
    alike: float = 0.4
    tail: float = np.inf
    uneven: float = 0.0
    strength: float = 0.0
    modes: int = 1
    outliers: float = 0.0
    rogue: int = 0
    is_positive: bool = False
    is_whitened: bool = False
    is_rotated: bool = False
    text: float = 0.5
    text_cone: float = 0.7
    text_uneven: float = 0.0
    wrong: float = 0.0
    is_wrong: bool = False
    is_ambiguous: bool = False


@dataclass(eq=False)
class World:
    """Products of a simulated space, from which images and texts are drawn."""

    space: Space
    rng: np.random.Generator
    n_products: int = N_PRODUCTS
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
        knows, named = np.full((self.n_products, 1), space.text), self.products
        if space.text_uneven:
            varied = rng.uniform(-space.text_uneven, space.text_uneven, knows.shape)
            knows = np.clip(knows + varied, 0, 1)
        if space.wrong:
            is_wrong = rng.random(self.n_products) < space.wrong
            named = named.copy()
            named[is_wrong] = named[rng.permutation(np.flatnonzero(is_wrong))]
        own_text = self._draw(self.n_products)
        self.names = knows * named + np.sqrt(1 - knows**2) * own_text
        self._draw_kinds()

    def _draw_kinds(self) -> None:
        """Draw what only spaces of other kinds have; the others stay as they were."""
        space, rng, d = self.space, self.rng, self.space.dimension
        if space.strength:
            length = np.exp(space.strength * rng.standard_normal((self.n_products, 1)))
            self.products = self.products * length / np.sqrt((length**2).mean())
        self._spread = np.ones(self.n_products)
        if space.uneven:
            self._spread = np.exp(space.uneven * rng.standard_normal(self.n_products))
            self._spread /= np.sqrt((self._spread**2).mean())
        self._modes = np.zeros((self.n_products, 1, 1))
        if space.modes > 1:
            drawn = self._draw(self.n_products * space.modes)
            self._modes = drawn.reshape(self.n_products, space.modes, d)
        self._rogue = rng.choice(d, space.rogue, replace=False)
        rotation = np.linalg.qr(rng.standard_normal((d, d)))[0] if space.is_rotated else None
        self._rotation, self._whitening = rotation, None
        if space.is_whitened:
            shown = np.repeat(np.arange(self.n_products), _WHITENED_ON)
            drawn = self.images(shown)
            values, vectors = np.linalg.eigh(np.cov(drawn.T))
            self._whitening = drawn.mean(0), vectors / np.sqrt(np.maximum(values, 1e-12))

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
        centres = self.products[products]
        if space.outliers:
            is_outlier = rng.random(n) < space.outliers
            centres[is_outlier] = self._draw(int(is_outlier.sum()))
        if space.modes > 1:
            centres = (
                centres + self._modes[products, rng.integers(space.modes, size=n)]
            ) / np.sqrt(2)
        spread = space.within * self._spread[products][:, None]
        if np.isfinite(space.tail):
            spread = spread * np.sqrt(space.tail / rng.chisquare(space.tail, (n, 1)))
        varied = (centres + spread * noise) / np.sqrt(1 + space.within**2)
        return self._mapped(varied, self.image_mean, space.cone)

    def texts(self, products: np.ndarray, noise: float = 0.3) -> Vectors:
        """Return unit vectors of names of these products, one prompt each."""
        return self._named(self.names[products], noise)

    def text_of_both(self, first: int, second: int, noise: float = 0.3) -> Vectors:
        """Return the unit vector of a name that two products share, shape (1, d)."""
        return self._named((self.names[[first]] + self.names[[second]]) / np.sqrt(2), noise)

    def _named(self, names: np.ndarray, noise: float) -> Vectors:
        varied = names + noise * self._draw(len(names))
        return self._mapped(varied, self.text_mean, self.space.text_cone)

    def _mapped(self, vectors: np.ndarray, mean: np.ndarray, cosine: float) -> Vectors:
        """Return unit vectors in the cone around a mean, as the space has them."""
        space = self.space
        vectors = np.sqrt(1 - cosine) * vectors + np.sqrt(cosine) * mean
        if space.is_positive:
            vectors = np.maximum(vectors, 0)
        if space.rogue:
            size = 1 + 0.3 * self.rng.standard_normal((len(vectors), space.rogue))
            vectors[:, self._rogue] += size / np.sqrt(space.rogue)
        vectors = unit(vectors.astype(np.float32))
        if self._whitening is not None:
            centre, axes = self._whitening
            vectors = unit(((vectors - centre) @ axes).astype(np.float32))
        if self._rotation is not None:
            vectors = unit((vectors @ self._rotation).astype(np.float32))
        return vectors


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

HELD_OUT = (
    replace(BASE, name="dimension 128", dimension=128, within=1.2, decay=0.3, nuisance=6),
    replace(BASE, name="dimension 1024, steep", dimension=1024, decay=0.9, nuisance=4, groups=30),
    replace(BASE, name="dimension 16", dimension=16, within=0.8, decay=0.2, nuisance=2),
    replace(BASE, name="heavy tails", tail=3.0, cone=0.4),
    replace(BASE, name="spread differs by product", uneven=0.6, cone=0.2),
    replace(BASE, name="hubs", strength=0.7, dimension=384),
    replace(BASE, name="three appearances", modes=3, within=1.0),
    replace(BASE, name="outliers", outliers=0.1, cone=0.5),
    replace(BASE, name="rogue dimensions", rogue=3, dimension=768, cone=0.3),
    replace(BASE, name="positive", is_positive=True, decay=0.3),
    replace(BASE, name="rotated cone", is_rotated=True, cone=0.6, dimension=384),
    replace(BASE, name="whitened", is_whitened=True, dimension=256),
    replace(BASE, name="whitened, few dimensions", is_whitened=True, dimension=64, within=1.0),
    replace(BASE, name="whitened, tight products", is_whitened=True, dimension=256, within=0.6),
    replace(BASE, name="close groups", alike=0.75, groups=30, cone=0.3),
    replace(BASE, name="tight and heavy-tailed", within=0.6, tail=3.0, uneven=0.4, dimension=768),
)
"""Spaces of other kinds, on which nothing may be chosen."""

_CLIP = replace(BASE, cone=0.55)
JOINT = (
    replace(_CLIP, name="names known well", text=0.7),
    replace(_CLIP, name="names known", text=0.5),
    replace(_CLIP, name="names hardly known", text=0.25),
    replace(_CLIP, name="names not known", text=0.0),
    replace(BASE, name="narrow cones", cone=0.8, text_cone=0.9, text=0.5),
)
JOINT_HELD_OUT = (
    replace(_CLIP, name="some names known well, some not", text_uneven=0.5, dimension=768),
    replace(_CLIP, name="one in three names wrong", wrong=0.33, text=0.6),
    replace(_CLIP, name="the target's name is wrong", is_wrong=True, text=0.6),
    replace(_CLIP, name="the target's name is ambiguous", is_ambiguous=True, text=0.6),
    replace(_CLIP, name="heavy tails", tail=3.0, uneven=0.4, text=0.6),
    replace(_CLIP, name="hubs and outliers", strength=0.6, outliers=0.1, text=0.6),
    replace(_CLIP, name="rogue dimensions", rogue=3, dimension=768, text=0.5),
    replace(_CLIP, name="whitened", is_whitened=True, dimension=256, text=0.6),
    replace(_CLIP, name="dimension 64", dimension=64, within=1.0, text=0.6, nuisance=3),
    replace(_CLIP, name="close groups", alike=0.75, groups=30, text=0.6),
)
"""Joint spaces of other kinds, on which nothing may be chosen."""


def random_spaces(count: int, seed: int) -> Iterator[Space]:
    """Yield spaces whose parameters are all drawn at random, from wide ranges.

    Parameters
    ----------
    count, seed : int
    """
    rng = np.random.default_rng(seed)

    def sometimes(value: float, otherwise: float) -> float:
        return value if rng.random() < 0.3 else otherwise

    for number in range(count):
        dimension = int(2 ** rng.uniform(5, 10))
        yield Space(
            name=f"random {seed}-{number}",
            dimension=dimension,
            cone=float(rng.uniform(0, 0.9)),
            within=float(np.exp(rng.uniform(np.log(0.5), np.log(2.5)))),
            decay=float(rng.uniform(0, 1.2)),
            nuisance=int(rng.integers(1, max(2, dimension // 10))),
            groups=int(rng.integers(5, 60)),
            alike=float(rng.uniform(0.1, 0.75)),
            tail=sometimes(float(rng.uniform(2.5, 8)), np.inf),
            uneven=sometimes(float(rng.uniform(0.2, 0.8)), 0.0),
            strength=sometimes(float(rng.uniform(0.2, 0.8)), 0.0),
            modes=int(sometimes(int(rng.integers(2, 5)), 1)),
            outliers=sometimes(float(rng.uniform(0.02, 0.15)), 0.0),
            rogue=int(sometimes(int(rng.integers(1, 5)), 0)),
            is_positive=rng.random() < 0.2,
            is_whitened=rng.random() < 0.2,
            text=float(rng.uniform(0.1, 0.9)),
            text_cone=float(rng.uniform(0.3, 0.9)),
            text_uneven=sometimes(float(rng.uniform(0.2, 0.5)), 0.0),
            wrong=sometimes(float(rng.uniform(0.1, 0.4)), 0.0),
        )
