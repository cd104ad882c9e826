"""Foundation models as embedders of images and, if they have a text tower, of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from similarity_lab.embedders.base import NetworkEmbedder, Vectors
from similarity_lab.embedders.foundation.hub import Snapshot
from similarity_lab.embedders.foundation.networks import (
    Network,
    is_multilingual,
    load_network,
    scalar,
)
from similarity_lab.embedders.foundation.processors import Prepared, Processor
from similarity_lab.embedders.foundation.runtimes import OpenVinoTower
from similarity_lab.embedders.torch_runtime import TorchRuntime
from similarity_lab.errors import InputError
from similarity_lab.images import Color, Pixels

__all__ = ["FoundationEmbedder", "ImageTextEmbedder"]

Rebuild = tuple[Callable[..., "FoundationEmbedder"], tuple[object, ...]]
"""How to make the same embedder in another process."""


class FoundationEmbedder(NetworkEmbedder):
    """A pretrained model with its own preprocessing; vectors have unit length.

    Made by `load_embedder` with the name or folder of a model.

    Attributes
    ----------
    snapshot : Snapshot
        The model's files.
    tower : TorchRuntime or OpenVinoTower
        What computes its vectors.
    """

    resizes = True

    def __init__(
        self,
        snapshot: Snapshot,
        processor: Processor,
        tower: TorchRuntime | OpenVinoTower,
        color: Color,
        rebuild: Rebuild,
    ) -> None:
        height, width = processor.input_size
        super().__init__(
            f"{snapshot.name} {color} {height}x{width} {processor.identity} {tower.runtime} "
            f"{tower.precision}",
            tower.dimension,
            processor.input_size,
            color,
        )
        self.snapshot, self.tower = snapshot, tower
        self.threads, self.batch_size = tower.threads, tower.batch_size
        self._processor, self._rebuild = processor, rebuild

    def __reduce__(self) -> Rebuild:
        return self._rebuild  # neither a compiled network nor one on a device can be pickled

    def start(self) -> None:
        """Compile the network, or measure its batch size on an accelerator."""
        self.tower.start()
        self.batch_size = self.tower.batch_size

    def prepare(self, pixels: Pixels) -> Prepared:
        """Return a decoded image as the model's own processor prepares it."""
        return self._processor(pixels)

    def forward(self, pixels: npt.NDArray[np.float32]) -> Vectors:
        """Return the vectors of a batch of prepared images, ``(b, 3, h, w)`` → ``(b, d)``."""
        return self.tower(pixels)


class ImageTextEmbedder(FoundationEmbedder):
    """A model that also embeds texts; a text and an image of what it names have a high cosine.

    Attributes
    ----------
    logit_scale : float
        Factor of a cosine in the model's logits.
    logit_bias : float or None
        Constant of its logits, if it was trained with a sigmoid.
    is_multilingual : bool
        Its text tower was trained on many languages.
    """

    _network: Network | None = None

    @property
    def logit_scale(self) -> float:
        """Factor of a cosine in the model's logits."""
        value = scalar(self.snapshot, "logit_scale")
        return float(np.exp(value)) if value is not None else 1.0

    @property
    def logit_bias(self) -> float | None:
        """Constant of the model's logits, if it was trained with a sigmoid."""
        return scalar(self.snapshot, "logit_bias")

    @property
    def is_multilingual(self) -> bool:
        """Whether the text tower was trained on many languages."""
        return is_multilingual(self.snapshot)

    def embed_text(self, texts: Sequence[str], *, batch_size: int = 64) -> Vectors:
        """Return one vector per text.

        Parameters
        ----------
        texts : sequence of str
            Longer ones than the model takes are cut. The text tower runs in PyTorch.
        batch_size : int

        Returns
        -------
        ndarray of float32, shape (m, dimension)
            Of unit length.

        Raises
        ------
        InputError
            `texts` is a single text, or one of them is not a string.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise InputError(f"expected a list of texts, got {texts!r:.80}; pass [text]")
        if self._network is None:
            self._network = load_network(self.snapshot)
        vectors = [
            self._network.text_vectors(texts[start : start + batch_size])
            for start in range(0, len(texts), batch_size)
        ]
        return np.concatenate([np.empty((0, self.dimension), np.float32), *vectors])
