"""Vectors of several views of each image: the whole image and centre crops, from one decode."""

from collections.abc import Callable, Sequence
from itertools import islice
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from similarity_lab.embedders.base import (
    Embedder,
    NetworkEmbedder,
    StreamingEmbedder,
    Vectors,
    embed_all,
)
from similarity_lab.errors import EmbedderError
from similarity_lab.images import Pixels
from similarity_lab.images.sources import Source
from similarity_lab.images.views import View, decode_size, read_views
from similarity_lab.store import unit

__all__ = ["ViewsEmbedder", "add_crops", "join"]


class _Part(NamedTuple):
    """A network, and the crops that it sees beside the whole image."""

    embedder: NetworkEmbedder
    crops: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        return self.embedder.name + "".join(f" crop{100 * crop:g}" for crop in self.crops)

    @property
    def views(self) -> list[View]:
        size, scaled, resizes = (
            self.embedder.input_size,
            self.embedder.scaled,
            self.embedder.resizes,
        )
        return [View(size, share, scaled, not resizes) for share in (1.0, *self.crops)]

    def vectors(self, views: list[npt.NDArray[Any]]) -> Vectors:
        """Return the average of the unit vectors of the views, scaled to unit length."""
        return unit(np.sum([unit(self.embedder.forward(view)) for view in views], axis=0))


class ViewsEmbedder(StreamingEmbedder):
    """Embeds several views of each image with one or more networks, decoding the image once.

    The vector of one network is the unit-length average of the unit vectors of its views. Those
    of several networks are concatenated with equal weight, so that a cosine of joint vectors is the
    mean of the networks' cosines.

    Made by `load_embedder` with ``crops`` and by `join_embedders`.

    Parameters
    ----------
    parts : sequence of _Part
        The networks with their crops.

    Attributes
    ----------
    input_size : (height, width)
        What an image needs so that no view of it is enlarged.
    """

    def __init__(self, parts: Sequence[_Part]) -> None:
        self.parts = tuple(parts)
        colors = {part.embedder.color for part in parts}
        if len(colors) > 1:
            raise EmbedderError(
                "cannot decode once for embedders of different colour: "
                + ", ".join(f"{part.name!r} ({part.embedder.color})" for part in parts)
            )
        dimension = sum(part.embedder.dimension for part in parts)
        super().__init__("", dimension, decode_size(self._views()), colors.pop())
        self._configure()

    @property
    def name(self) -> str:
        """Names of the networks with their crops in per cent, joined by plus signs."""
        return " + ".join(part.name for part in self.parts)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the networks have
        # only embedders with a text tower have these, and ``hasattr`` tells whether one does
        if name == "embed_text" and all(hasattr(part.embedder, name) for part in self._networks()):
            return self._embed_text
        if name in ("logit_scale", "logit_bias") and len(self._networks()) == 1:
            return getattr(self.parts[0].embedder, name)
        if name == "is_multilingual":
            return all(getattr(part.embedder, name, False) for part in self._networks())
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _networks(self) -> tuple[_Part, ...]:
        return self.__dict__.get("parts", ())

    def _embed_text(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, to compare with those of images, ``(m, dimension)``."""
        networks: list[Any] = [part.embedder for part in self.parts]
        vectors = [unit(network.embed_text(texts)) for network in networks]
        return np.concatenate(vectors, axis=1) / np.float32(np.sqrt(len(vectors)))

    def start(self) -> None:
        """Start the networks."""
        for part in self.parts:
            part.embedder.start()
        self._configure()

    def read(self, source: Source) -> list[npt.NDArray[Any]]:
        """Decode one image to its views, prepared for the networks."""
        views = read_views(source, self._views(), color=self.color)
        networks = [part.embedder for part in self.parts for _ in part.views]
        return [network.prepare(view) for network, view in zip(networks, views, strict=True)]

    def embed_batch(self, images: list[list[npt.NDArray[Any]]]) -> Vectors:
        """Return the vectors of a batch of images; every network call is of one view."""
        views = (np.stack(view) for view in zip(*images, strict=True))
        vectors = [part.vectors(list(islice(views, len(part.views)))) for part in self.parts]
        return np.concatenate(vectors, axis=1) / np.float32(np.sqrt(len(vectors)))

    def _views(self) -> list[View]:
        return [view for part in self.parts for view in part.views]

    def _configure(self) -> None:
        """Set what depends on the networks, which may fall back to another runtime."""
        threads = [part.embedder.threads for part in self.parts]
        self.threads = None if None in threads else min(filter(None, threads))
        self.batch_size = min(part.embedder.batch_size for part in self.parts)


class _EmbedderNetwork(NetworkEmbedder):
    """Any embedder as a network: its images are decoded and resized here, and passed as arrays."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__("", embedder.dimension, embedder.input_size, "rgb")
        self._embedder = embedder

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def embed_text(self) -> Callable[[Sequence[str]], Vectors]:
        return self._embedder.embed_text  # type: ignore[attr-defined]

    def forward(self, pixels: Pixels) -> Vectors:
        return embed_all(self._embedder, pixels, progress=False)


def add_crops(embedder: Embedder, crops: Sequence[float]) -> Embedder:
    """Return an embedder of the whole image and of centred squares; unchanged without crops.

    Parameters
    ----------
    embedder : Embedder
    crops : sequence of float
        Sides of the squares, as shares of the image's shorter side.

    Raises
    ------
    EmbedderError
        The crops are not different shares between 0 and 1, or the embedder has views already.
    """
    shares = _checked(crops)
    if not shares:
        return embedder
    if isinstance(embedder, ViewsEmbedder):
        raise EmbedderError(f"{embedder.name!r} already has views; pass all crops at once")
    return ViewsEmbedder([part._replace(crops=shares) for part in _parts(embedder)])


def join(embedders: Sequence[Embedder]) -> ViewsEmbedder:
    """Return an embedder whose vectors are those of several embedders, concatenated."""
    return ViewsEmbedder([part for embedder in embedders for part in _parts(embedder)])


def _parts(embedder: Embedder) -> tuple[_Part, ...]:
    """Return the networks of an embedder with their crops."""
    if isinstance(embedder, ViewsEmbedder):
        return embedder.parts
    if isinstance(embedder, NetworkEmbedder):
        return (_Part(embedder),)
    return (_Part(_EmbedderNetwork(embedder)),)


def _checked(crops: Sequence[float]) -> tuple[float, ...]:
    """Return shares in descending order, so that equal crops have equal names."""
    try:
        shares = {float(crop) for crop in crops if isinstance(crop, Real)}
        if len(shares) == len(crops) and all(0 < share < 1 for share in shares):
            return tuple(sorted(shares, reverse=True))
    except TypeError:  # not a sequence
        pass
    raise EmbedderError(
        f"expected crops as different shares between 0 and 1, such as crops=(0.5,); got {crops!r}"
    )
