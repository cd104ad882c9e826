"""A dataset's photos at one size, decoded when a batch needs them and kept where they fit."""

import numpy as np

from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import ImageError, InputError, InputTypeError
from similarity_lab.images import Color, Pixels, image_size, read_image
from similarity_lab.images.decoding import map_ahead
from similarity_lab.pairs.members import Indices


class Photos:
    """Photos by position, as uint8 pixels of one size.

    Parameters
    ----------
    dataset : ImageDataset
    size : int or (height, width), optional
    color : {"rgb", "gray"}, optional
        Default of both: the dataset's own.
    cache : bool
        Keep what was decoded: n · h · w · c bytes.
    cache_limit : int
        Bytes above which nothing is kept, and every batch is decoded anew.

    Attributes
    ----------
    shape : (height, width, channels)
    cached : bool
        Whether decoded photos are kept.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        size: int | tuple[int, int] | None,
        color: Color | None,
        *,
        cache: bool,
        cache_limit: int,
    ) -> None:
        if not isinstance(dataset, ImageDataset):
            raise InputTypeError(
                f"expected an ImageDataset, got {type(dataset).__name__}; "
                "make one with load_dataset(…) or ImageDataset.from_arrays(…)"
            )
        if color not in (None, "rgb", "gray"):
            raise InputError(f'color must be "rgb" or "gray", got {color!r}')
        wanted = dataset.size if size is None else size
        if wanted is None:
            raise InputError("a stream needs one size for all photos; pass size=128, for instance")
        self._dataset = dataset
        self._size = image_size(wanted)
        self._color: Color = color or dataset.color
        self.shape = (*self._size, 1 if self._color == "gray" else 3)
        self._kept: Pixels | None = None
        if dataset.arrays is not None and dataset.arrays.shape[1:] == self.shape:
            self._kept, self._known = dataset.arrays, np.ones(len(dataset), bool)
        elif cache and len(dataset) * int(np.prod(self.shape)) <= cache_limit:
            # The system hands out this memory page by page, as photos are written to it.
            self._kept = np.empty((len(dataset), *self.shape), np.uint8)
            self._known = np.zeros(len(dataset), bool)
        self.cached = self._kept is not None

    def pixels(self, positions: Indices) -> Pixels:
        """Return photos ``(b, h, w, c)``; `ImageError` for one that can no longer be read."""
        needed, where = np.unique(positions, return_inverse=True)
        if self._kept is None:
            return self._decoded(needed)[where]
        missing = needed[~self._known[needed]]
        if len(missing):  # two threads may both decode a photo; they write the same pixels
            self._kept[missing] = self._decoded(missing)
            self._known[missing] = True
        return self._kept[positions]

    def _decoded(self, positions: Indices) -> Pixels:
        data = self._dataset
        sources = [data.paths[i] if data.arrays is None else data.arrays[i] for i in positions]
        pixels = np.empty((len(sources), *self.shape), np.uint8)
        decoded = map_ahead(
            lambda source: read_image(source, size=self._size, color=self._color), sources
        )
        for row, photo in enumerate(decoded):
            if isinstance(photo, ImageError):  # it could be read when the dataset was loaded
                raise photo
            pixels[row] = photo
        return pixels
