"""The estimator: train an embedding, index photos, look up, calibrate, match."""

from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from similarity_lab.datasets import ImageDataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.embedders import Embedder
from similarity_lab.embedders.loading import EmbedderSource
from similarity_lab.errors import InputError
from similarity_lab.metric_learning import saving
from similarity_lab.metric_learning.embedder import HeadEmbedder
from similarity_lab.metric_learning.losses import Loss, make_loss
from similarity_lab.metric_learning.search import PhotoSearch
from similarity_lab.metric_learning.towers import Tower, TowerName
from similarity_lab.metric_learning.training import Schedule, best_epoch, own_validation, train_head


class MetricLearner(PhotoSearch):
    """Learns a distance from labelled photos, and what to believe about the nearest of them.

    Training is TensorFlow Similarity's (losses, embedding layer, sampler); search, calibration and
    decision are this package's, on cosine distances, 0…2 with 0 = same direction. TensorFlow
    Similarity calls that range 0…1, searches approximately, and its majority-vote matcher judges a
    label by the mean distance of *all* neighbours, also those with other labels. Here the nearest
    photo's label and the distance to that very photo decide.

    Parameters
    ----------
    progress : bool
        Show bars.

    Attributes
    ----------
    embedder_ : Embedder
        Photo → float32 vector of length 1; its name holds a digest of the weights.
    history_ : DataFrame
        ``epoch`` (0 = before training), ``loss``, ``val_recall@1``, ``val_map``.
    best_epoch_ : int
        Its weights were kept.
    skipped_ : DataFrame with columns path, reason
        Photos that could not be read when fitting, indexing or calibrating.
    index_ : PhotoIndex
    calibration_ : Calibration

    Examples
    --------
    >>> import numpy as np
    >>> from similarity_lab.samples import load_image
    >>> photos = np.stack([load_image(name, n, size=(64, 64))
    ...                    for name in ("almonds", "dates") for n in range(6)])
    >>> data = ImageDataset.from_arrays(photos, [0] * 6 + [1] * 6, ["almonds", "dates"])
    >>> learner = MetricLearner(progress=False)
    >>> learner = learner.fit(data, tower="small", size=(16, 16), epochs=1).index(data)
    >>> learner.lookup([load_image("almonds", 9)], k=2)[["query", "rank"]]
       query  rank
    0      0     1
    1      0     2
    """

    history_: pd.DataFrame
    tower_: Tower
    embedder_: HeadEmbedder

    def fit(
        self,
        dataset: DatasetSource,
        *,
        validation: DatasetSource | None = None,
        tower: TowerName = "features",
        loss: Loss = "multisimilarity",
        epochs: int = 20,
        seed: int = 0,
        embedder: EmbedderSource = "efficientnet-lite0",
        loss_settings: dict[str, Any] | None = None,
        learning_rate: float | None = None,
        patience: int = 5,
        classes_per_batch: int = 16,
        photos_per_class: int = 4,
        steps: int | None = None,
        blend: float | None = None,
        **settings: Any,  # noqa: ANN401
    ) -> "MetricLearner":
        """Train on labelled photos. An earlier index and calibration are dropped.

        Parameters
        ----------
        dataset : folder, zip, mapping or ImageDataset
            As `load_dataset` takes it; two classes or more, two photos of each or more.
        validation : the same, optional
            Photos to choose the best epoch by (Recall@1 among them), other than those to train
            on, with at least one class of two photos; its classes may be others. Default: a fifth
            of each class of `dataset`, which is then not trained on.
        tower : {"features", "small", "efficientnet-lite0"}
            ``"features"``: a head on the vectors of a frozen `embedder`. ``"small"``: the original
            demo's network, on pixels. ``"efficientnet-lite0"``: its last blocks learn as well.
        loss : {"multisimilarity", "circle", "triplet", "soft-nearest-neighbour"}
            See `similarity_lab.metric_learning.losses.make_loss`; `loss_settings` go there.
        epochs, patience : int
            At most so many; fewer when validation has not improved for `patience` epochs.
        seed : int
            Of first weights, batches, dropout and the default validation.
        embedder : embedder, name or Keras model
            Only with ``"features"``.
        learning_rate : float, optional
            Of Adam; default 0.001, with ``"efficientnet-lite0"`` 0.0001.
        classes_per_batch, photos_per_class, steps : int
            See `similarity_lab.metric_learning.training.Schedule`.
        blend : float, optional
            The weights that are kept go this far from the start (0) to the trained ones (1).
            Default 0.5, which pays on classes that were not trained on; ``"small"``, which starts
            from nothing, 1.
        **settings
            Of the tower. ``"features"``: dimension=512 (or the
            embedder's, if that is less), dropout=0.3, head="projection" (or
            "residual", "beside"); ``"small"``: dimension=64, size=(28, 28), color="rgb";
            ``"efficientnet-lite0"``: dimension=512, blocks=5 (of 16, how many learn).

        Raises
        ------
        ValueError
            For fewer than two classes or two photos in a class, and for settings that do not fit.
        """
        plan = Tower.of(tower, settings)
        schedule = Schedule(
            epochs=epochs,
            patience=patience,
            learning_rate=plan.learning_rate if learning_rate is None else learning_rate,
            classes_per_batch=classes_per_batch,
            photos_per_class=photos_per_class,
            steps=steps,
            blend=plan.blend if blend is None else blend,
            seed=seed,
        )
        judge = make_loss(loss, **(loss_settings or {}))
        for name in ("embedder_", "index_", "calibration_", "skipped_"):
            self.__dict__.pop(name, None)
        photos = self._load(dataset)
        _check_examples(photos)
        if validation is None:
            photos, chosen_by = own_validation(photos, seed)
        else:
            chosen_by = self._load(validation)
        base = plan.base(embedder)
        photos, vectors = self._read(base, photos)
        _check_examples(photos)
        chosen_by, judged = self._read(base, chosen_by)
        head = plan.head(base, seed)
        plan.start(head, vectors)
        self.history_ = train_head(
            head,
            judge,
            (vectors, photos.labels),
            (judged, chosen_by.labels),
            schedule,
            progress=self.progress,
        )
        self.tower_ = plan
        self.embedder_ = HeadEmbedder(base, head)
        return self

    @property
    def comparator(self) -> EmbeddingComparator:
        """The learned distance as `compare` and `RelevanceScorer` take it."""
        check_is_fitted(self)
        return EmbeddingComparator(self.embedder_, "cosine")

    @property
    def best_epoch_(self) -> int:
        """The epoch whose weights were kept; 0 = training brought nothing."""
        check_is_fitted(self)
        return best_epoch(self.history_)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write model, index and calibration into a folder; no pickle.

        Parameters
        ----------
        folder : path
            Made if it is not there.
        """
        check_is_fitted(self)
        saving.save(self, Path(folder))

    @classmethod
    def load(
        cls,
        folder: str | PathLike[str],
        *,
        embedder: Embedder | None = None,
        progress: bool = True,
    ) -> "MetricLearner":
        """Read what `save` wrote, after checking that it is that.

        Parameters
        ----------
        folder : path
        embedder : Embedder, optional
            Needed when `fit` was given an embedder that has no name `load_embedder` knows.
        progress : bool

        Raises
        ------
        SavedFolderError
            For files that were changed, are missing, or belong to another model or embedder.
        """
        learner = cls(progress=progress)
        saving.load_into(learner, Path(folder), embedder)
        return learner


def _check_examples(photos: ImageDataset) -> None:
    """Refuse what no loss can learn from: it needs a positive and negatives for each photo."""
    counts = photos.counts[photos.counts > 0]
    if len(counts) < 2:
        raise InputError(
            f"metric learning needs two classes or more with photos, got {len(counts)}"
        )
    single = [str(name) for name in counts.index[counts < 2]]
    if single:
        raise InputError(
            f"fewer than two photos to train on in {', '.join(single)}: each photo needs another "
            "of its class; add photos, or leave these classes out"
        )
