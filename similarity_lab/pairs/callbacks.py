"""A Keras callback that mines negatives as training goes on."""

from typing import Any

import numpy as np

from similarity_lab.backend import keras
from similarity_lab.errors import InputTypeError
from similarity_lab.pairs.base import checked_count
from similarity_lab.pairs.mining import Embed
from similarity_lab.pairs.streams import PairStream


class MineNegatives(keras.callbacks.Callback):
    """Give a stream semi-hard negatives at the beginning of epochs, by the network as it is.

    See `PairStream.mine`. Epochs without mining have random negatives.

    Parameters
    ----------
    stream : PairStream
        The one that is trained on.
    embed : keras.Model or callable
        The tower that is being trained, which takes the stream's photos, float32 in 0…1; or a
        function as `PairStream.mine` takes it.
    start : int
        The first epoch with mining, counted from 0: before the network knows anything, its nearest
        negatives are arbitrary.
    every : int
        Mine in every so many epochs from there; 1 is each.
    margin, pool
        As in `PairStream.mine`.

    Attributes
    ----------
    shares_ : list of dict
        For each epoch that was begun, how its negatives were chosen, as shares of them, 0…1. The
        same shares are in the history that ``fit`` returns, as ``"negatives semi-hard"``,
        ``"negatives hardest farther"`` and ``"negatives random"``.

    Raises
    ------
    ValueError
        While training, if the network gives vectors that are not finite.

    Examples
    --------
    >>> tower = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    >>> photos = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), np.uint8)
    >>> from similarity_lab.datasets import ImageDataset
    >>> data = ImageDataset.from_arrays(photos, [0] * 4 + [1] * 4, ["almonds", "dates"])
    >>> stream = PairStream(data, batch_size=8, seed=0)
    >>> mining = MineNegatives(stream, tower, start=1)  # model.fit(stream, callbacks=[mining])
    >>> mining.on_epoch_begin(0)
    >>> mining.shares_
    [{'semi-hard': 0.0, 'hardest farther': 0.0, 'random': 1.0}]
    """

    def __init__(
        self,
        stream: PairStream,
        embed: keras.Model | Embed,
        *,
        start: int = 1,
        every: int = 1,
        margin: float = 0.2,
        pool: int = 2048,
    ) -> None:
        super().__init__()
        if not isinstance(stream, PairStream):
            raise InputTypeError(
                f"expected the PairStream to mine for, got {type(stream).__name__}"
            )
        if not callable(embed):
            raise InputTypeError(
                "expected a Keras model or a function from pixels to vectors, "
                f"got {type(embed).__name__}"
            )
        self.stream = stream
        self.embed = _scaled(embed) if isinstance(embed, keras.Model) else embed
        self.start = start
        self.every = checked_count("every", every, 1)
        self.margin = margin
        self.pool = pool
        self.shares_: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Mine, if it is this epoch's turn, and note the shares."""
        if epoch >= self.start and (epoch - self.start) % self.every == 0:
            self.stream.mine(self.embed, margin=self.margin, pool=self.pool)
        self.shares_.append(self.stream.mined_)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put the shares into the logs, where the history and loggers after this one find them."""
        if logs is not None:
            logs.update({f"negatives {kind}": share for kind, share in self.shares_[-1].items()})


def _scaled(tower: keras.Model) -> Embed:
    """Return a tower that takes 0…1 as a function of uint8 pixels."""
    return lambda pixels: tower.predict_on_batch(pixels.astype(np.float32) / np.float32(255))
