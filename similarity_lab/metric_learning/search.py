"""Look photos up, learn how near is near enough, and name what is near."""

from typing import Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from similarity_lab.datasets import ImageDataset, load_dataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.embedders import Embedder, embed_all
from similarity_lab.embedders.base import Images, Vectors
from similarity_lab.errors import InputError
from similarity_lab.files import skipped_table
from similarity_lab.metric_learning.calibration import (
    Calibration,
    Strategy,
    calibrate,
    precision_recall_curve,
)
from similarity_lab.metric_learning.index import PhotoIndex

UNKNOWN = "unknown"
MATCH_COLUMNS = ["query", "label", "distance", "nearest", "path", "reason"]


class PhotoSearch(BaseEstimator):
    """What `MetricLearner` does once it has an embedder; nothing here needs TensorFlow."""

    embedder_: Embedder
    index_: PhotoIndex
    calibration_: Calibration
    skipped_: pd.DataFrame

    def __init__(self, *, progress: bool = True) -> None:
        self.progress = progress

    def index(self, dataset: DatasetSource) -> Self:
        """Take photos in to look among; they replace an earlier index and its calibration.

        Parameters
        ----------
        dataset : folder, zip, mapping or ImageDataset
            Any labelled photos; their classes need not be those trained on.

        Raises
        ------
        ValueError
            Without photos, or when a class is called "unknown", which is what `match` answers.
        """
        check_is_fitted(self)
        photos = self._load(dataset)
        if UNKNOWN in photos.classes:
            raise InputError(
                f"a class is called {UNKNOWN!r}, which is what match answers; rename it"
            )
        photos, vectors = self._read(self.embedder_, photos)
        if not len(photos):
            raise InputError("no photos to index; an empty index finds nothing")
        self.index_ = PhotoIndex.of(photos, vectors, self.embedder_.name)
        self.__dict__.pop("calibration_", None)
        return self

    def lookup(self, images: Images, k: int = 5) -> pd.DataFrame:
        """Return the `k` nearest indexed photos of each image.

        Parameters
        ----------
        images : sequence of paths, bytes, PIL images or arrays; or one 4-D array
        k : int
            At most the size of the index.

        Returns
        -------
        DataFrame
            ``query`` (position in `images`), ``rank`` (from 1), ``label``, ``distance`` (cosine,
            0…2, smaller = more alike), ``path`` and ``position`` of the neighbour in the index.

        Raises
        ------
        ImageError
            At the first image that cannot be read; `match` goes on instead.
        NotFittedError
            Before `fit`, and as long as the index is empty.
        ValueError
            When k is larger than the index, or the index was made by another model.
        """
        index = self._usable_index()
        return index.lookup(embed_all(self.embedder_, images, progress=self.progress), k)

    def calibrate(
        self,
        dataset: DatasetSource,
        strategy: Strategy = "recall-at-precision",
        *,
        precision: float = 0.95,
        recall: float = 0.95,
    ) -> Calibration:
        """Choose the distance up to which a nearest photo's label is believed.

        Parameters
        ----------
        dataset : folder, zip, mapping or ImageDataset
            Photos that are neither in the index nor trained on. Those of classes that the index
            does not have are welcome: they should be called unknown.
        strategy, precision, recall
            See `similarity_lab.metric_learning.calibrate`.

        Returns
        -------
        Calibration
            Also kept as ``calibration_``; with its curve.

        Raises
        ------
        ValueError
            When a photo is in the index: it would find itself.

        Warns
        -----
        PromiseWarning
            When the promise cannot be met on these photos; `match` then refuses.
        """
        index = self._usable_index()
        photos, vectors = self._read(self.embedder_, self._load(dataset))
        asked = PhotoIndex.of(photos, vectors, index.embedder)
        itself = len(set(asked.digests) & set(index.digests))
        if itself:
            raise InputError(
                f"{itself} of {len(asked)} photos are in the index and would find themselves at "
                "distance 0; calibrate on other photos, e.g. of library.split(0.3, seed=0)"
            )
        nearest = index.lookup(vectors, k=1)
        known = np.isin(asked.names, index.names)
        right = nearest["label"].to_numpy() == asked.names
        curve = precision_recall_curve(nearest["distance"], right, int(known.sum()))
        self.calibration_ = calibrate(curve, strategy, precision=precision, recall=recall)
        return self.calibration_

    def match(self, images: Images) -> pd.DataFrame:
        """Name each image by its nearest indexed photo, or call it unknown.

        Parameters
        ----------
        images : sequence of paths, bytes, PIL images or arrays; or one 4-D array

        Returns
        -------
        DataFrame
            One row per image, in order: ``query`` (position in `images`), ``label`` ("unknown"
            when the nearest photo is farther than the calibrated threshold; missing for an image
            that cannot be read), ``distance`` (cosine, to that photo), ``nearest`` (its label),
            its ``path``, and ``reason`` (why an image could not be read).

        Raises
        ------
        NotFittedError
            Before `calibrate`.
        ValueError
            When the calibration's promise could not be met.
        """
        index = self._usable_index()
        check_is_fitted(self, "calibration_", msg="call calibrate(photos) before match")
        if self.calibration_.threshold is None:
            raise InputError(
                f"not calibrated: {self.calibration_.statement}; ask for less, or train better"
            )
        embedded = self.embedder_.embed(images, progress=self.progress)
        found = index.lookup(embedded.vectors, 1, embedded.kept)
        found = found.rename(columns={"label": "nearest"}).assign(reason="")
        near = found["distance"] <= self.calibration_.threshold
        found["label"] = found["nearest"].where(near, UNKNOWN)
        n_images = len(embedded.kept) + len(embedded.skipped)
        skipped = np.setdiff1d(np.arange(n_images), embedded.kept)
        unread = pd.DataFrame({"query": skipped, "reason": embedded.skipped["reason"]})
        rows = pd.concat([found, unread]) if len(unread) else found
        return rows.sort_values("query", ignore_index=True)[MATCH_COLUMNS]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "embedder_")

    def _usable_index(self) -> PhotoIndex:
        check_is_fitted(self)
        if not hasattr(self, "index_"):
            raise NotFittedError("the index is empty; call index(photos) first")
        if self.index_.embedder != self.embedder_.name:
            raise InputError(
                f"the index holds vectors of another model, {self.index_.embedder!r}; this one is "
                f"{self.embedder_.name!r}; index the photos again"
            )
        return self.index_

    def _load(self, dataset: DatasetSource) -> ImageDataset:
        photos = load_dataset(dataset, progress=self.progress)
        self._note_skipped(photos.skipped)
        return photos

    def _read(self, embedder: Embedder, photos: ImageDataset) -> tuple[ImageDataset, Vectors]:
        """Return the photos that can be read, and their vectors."""
        embedded = embedder.embed(photos.sources, progress=self.progress)
        self._note_skipped(embedded.skipped)
        return photos.subset(embedded.kept), embedded.vectors

    def _note_skipped(self, skipped: pd.DataFrame) -> None:
        known = getattr(self, "skipped_", skipped_table([]))
        self.skipped_ = pd.concat([known, skipped], ignore_index=True).drop_duplicates()
