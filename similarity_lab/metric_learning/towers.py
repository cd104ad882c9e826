"""The three towers: what a photo becomes before training, and the network that learns on it."""

from dataclasses import dataclass
from typing import Any, Literal

from similarity_lab.embedders import Embedder, load_embedder
from similarity_lab.embedders.base import Vectors
from similarity_lab.embedders.loading import EmbedderSource
from similarity_lab.errors import InputError
from similarity_lab.images import image_size
from similarity_lab.metric_learning import heads
from similarity_lab.metric_learning.embedder import PixelEmbedder
from similarity_lab.metric_learning.libraries import tf_keras
from similarity_lab.metric_learning.trunk import FrontEmbedder, start_projection

TowerName = Literal["small", "features", "efficientnet-lite0"]
TOWERS = ("small", "features", "efficientnet-lite0")
_OWN_SETTINGS: dict[str, dict[str, Any]] = {
    "small": {"dimension": 64, "size": (28, 28), "color": "rgb"},
    "features": {"dimension": None, "head": "projection", "dropout": 0.3},
    "efficientnet-lite0": {"dimension": None, "blocks": 5},
}


@dataclass(frozen=True)
class Tower:
    """Which tower, and its settings; plain values, so that a saved model can be built again."""

    name: str
    settings: dict[str, Any]

    @classmethod
    def of(cls, name: str, given: dict[str, Any]) -> "Tower":
        """Return a tower's settings, defaults filled in.

        Raises
        ------
        ValueError
            For another tower, or a setting that belongs to another one.
        """
        if name not in TOWERS:
            raise InputError(f"tower must be one of {', '.join(TOWERS)}, got {name!r}")
        own = _OWN_SETTINGS[name]
        strange = sorted(given.keys() - own.keys())
        if strange:
            raise InputError(
                f"tower {name!r} has no setting {', '.join(strange)}; it has {', '.join(own)}"
            )
        return cls(name, own | given)

    def base(self, embedder: EmbedderSource = "efficientnet-lite0") -> Embedder:
        """Return what makes a photo into the vector that the head learns on."""
        if self.name == "features":
            return load_embedder(embedder)
        if self.name == "small":
            return PixelEmbedder(image_size(self.settings["size"]), self.settings["color"])
        return FrontEmbedder(self.settings["blocks"])

    def head(self, base: Embedder, seed: int) -> tf_keras.Model:
        """Return the network that learns, with its first weights."""
        chosen = dict(self.settings)
        if isinstance(base, PixelEmbedder):
            return heads.small(base.shape, dimension=chosen["dimension"], seed=seed)
        if isinstance(base, FrontEmbedder):
            return base.back(chosen["dimension"], seed)
        return heads.on_features(chosen.pop("head"), base.dimension, seed=seed, **chosen)

    @property
    def blend(self) -> float:
        """How far from the start the weights that are kept go; from random ones, all the way."""
        return 1.0 if self.name == "small" else 0.5

    @property
    def learning_rate(self) -> float:
        """Of Adam: slower where a network that was trained already learns on."""
        return 1e-4 if self.name == "efficientnet-lite0" else 1e-3

    def start(self, head: tf_keras.Model, vectors: Vectors) -> None:
        """Let the head start from the photos to train on, where it can."""
        if self.name == "features":
            heads.start_from(head, vectors)
        elif self.name == "efficientnet-lite0":
            start_projection(head, vectors)
