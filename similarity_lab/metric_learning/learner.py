"""The estimator: fit an embedding on labelled images, index, look up, calibrate, match."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from similarity_lab._version import versions
from similarity_lab.datasets import ImageDataset, load_dataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.embedders import Embedder, embed_all, load_embedder, vector_space
from similarity_lab.embedders.base import Images, Vectors
from similarity_lab.embedders.loading import NAMES
from similarity_lab.errors import InputError, SavedFolderError, did_you_mean
from similarity_lab.files import skipped_table
from similarity_lab.files.saved import Saved, load_folder, save_folder
from similarity_lab.metric_learning.calibration import (
    CURVE_COLUMNS,
    Calibration,
    Strategy,
    calibrate,
    precision_recall_curve,
)
from similarity_lab.metric_learning.index import ImageIndex
from similarity_lab.metric_learning.losses import Loss, make_loss
from similarity_lab.metric_learning.towers import (
    TOWERS,
    FeatureTower,
    HeadEmbedder,
    Tower,
    TowerName,
    as_tower,
)
from similarity_lab.metric_learning.training import (
    Schedule,
    best_epoch,
    split_validation,
    train_head,
)

KIND = "metric learner"
UNKNOWN = "unknown"
MATCH_COLUMNS = ["query", "label", "distance", "nearest", "path", "reason"]

_METRIC = "cosine"
_HEAD, _HISTORY, _INDEX, _CURVE = "head.npz", "history.csv", "index.npz", "calibration.npz"
_INDEX_TEXT = ("classes", "paths", "digests", "embedder")
_CALIBRATION = ("threshold", "strategy", "minimum", "statement")
_COMPARED_VERSIONS = ("similarity_lab", "tensorflow", "keras", "numpy")


class MetricLearner(TransformerMixin, BaseEstimator):
    """Learns a distance from labelled images, and names images by their nearest neighbour.

    Training uses TensorFlow Similarity (losses, embedding layer, sampler); search, calibration and
    decision are this package's, on cosine distances, 0…2 with 0 = same direction. TensorFlow
    Similarity documents that range as 0…1, searches approximately, and its majority-vote matcher
    judges a label by the mean distance of *all* neighbours, also those with other labels. Here the
    nearest image decides, by its label and its distance.

    Parameters
    ----------
    tower : {"features", "small", "efficientnet-lite0"}, or a tower object
        ``"features"``: a head on the vectors of a frozen embedder (`FeatureTower`). ``"small"``:
        the network of the original demo, on pixels (`SmallTower`). ``"efficientnet-lite0"``: its
        last blocks are trained as well (`EfficientNetTower`). Pass an object to set the parameters
        of a tower.
    loss : {"multisimilarity", "circle", "triplet", "soft-nearest-neighbour"}
        See `make_loss`.
    loss_settings : mapping, optional
        Parameters of the loss, such as ``{"margin": 0.2}``.
    epochs, patience : int
        At most `epochs`; early stopping when validation has not improved for `patience` epochs.
    learning_rate : float, optional
        Of Adam; default 0.001, for ``"efficientnet-lite0"`` 0.0001.
    classes_per_batch, images_per_class : int
        In a batch; fewer classes if there are not that many.
    steps : int, optional
        Batches in an epoch; default: as many as it takes to draw as many images as there are.
    blend : float, optional
        Where the final weights lie between the initial (0) and the trained ones (1). Default 0.5,
        which is better for classes that were not trained on; 1 for ``"small"``, which starts from
        random weights.
    seed : int
        Of initial weights, batches, dropout and the default validation.
    progress : bool
        Show progress bars.

    Attributes
    ----------
    embedder_ : HeadEmbedder
        Image → float32 vector of length 1; its name contains a digest of the weights.
    tower_ : FeatureTower, SmallTower or EfficientNetTower
    history_ : DataFrame
        ``epoch`` (0 = before training), ``loss``, ``val_recall@1``, ``val_map``.
    best_epoch_ : int
        The epoch whose weights were restored; 0: training did not help.
    skipped_ : DataFrame with columns path, reason
        Images that could not be read by `fit`, `index` or `calibrate`.
    index_ : ImageIndex
        Set by `index`.
    calibration_ : Calibration
        Set by `calibrate`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> images = rng.integers(0, 256, (12, 16, 16, 3), np.uint8)
    >>> data = ImageDataset.from_arrays(images, [0] * 6 + [1] * 6, ["almonds", "dates"])
    >>> learner = MetricLearner("small", epochs=1, progress=False).fit(data).index(data)
    >>> learner.lookup(images[:1], k=2)[["query", "rank"]]
       query  rank
    0      0     1
    1      0     2
    """

    embedder_: HeadEmbedder
    tower_: Tower
    history_: pd.DataFrame
    skipped_: pd.DataFrame
    index_: ImageIndex
    calibration_: Calibration

    def __init__(
        self,
        tower: TowerName | Tower = "features",
        *,
        loss: Loss = "multisimilarity",
        loss_settings: Mapping[str, Any] | None = None,
        epochs: int = 20,
        patience: int = 5,
        learning_rate: float | None = None,
        classes_per_batch: int = 16,
        images_per_class: int = 4,
        steps: int | None = None,
        blend: float | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        self.tower = tower
        self.loss = loss
        self.loss_settings = loss_settings
        self.epochs = epochs
        self.patience = patience
        self.learning_rate = learning_rate
        self.classes_per_batch = classes_per_batch
        self.images_per_class = images_per_class
        self.steps = steps
        self.blend = blend
        self.seed = seed
        self.progress = progress

    def fit(
        self,
        dataset: DatasetSource | Images,
        y: npt.ArrayLike | None = None,
        validation: DatasetSource | None = None,
    ) -> Self:
        """Train on labelled images. An earlier index and calibration are dropped.

        Parameters
        ----------
        dataset : folder, zip, mapping or ImageDataset; with `y` paths or an array of images
            As `load_dataset` takes it; two classes or more, two images of each or more.
        y : array of labels, shape (n,), optional
            The class of each image, if `dataset` is a sequence of paths or an array
            ``(n, h, w, c)`` of uint8: what scikit-learn passes.
        validation : as `dataset`, optional
            Images on which the best epoch is chosen (Recall@1 among them), other than the training
            images, with at least two images of one class; its classes may be others. Default: a
            fifth of each class of `dataset`, which is then not trained on.

        Returns
        -------
        MetricLearner

        Raises
        ------
        InputError
            For an invalid parameter, fewer than two classes, or fewer than two images in a class.
        """
        tower = clone(as_tower(self.tower))
        schedule = self._schedule(tower)
        loss = make_loss(self.loss, **dict(self.loss_settings or {}))
        for name in ("embedder_", "index_", "calibration_", "skipped_"):
            self.__dict__.pop(name, None)
        training = self._load(dataset if y is None else _with_labels(dataset, y))
        _check_examples(training)
        if validation is None:
            training, held_out = split_validation(training, self.seed)
        else:
            held_out = self._load(validation)
        base = tower.base()
        training, vectors = self._embed(base, training)
        _check_examples(training)
        held_out, held_out_vectors = self._embed(base, held_out)
        network = tower.build(base, self.seed)
        tower.initialise(network, vectors)
        self.history_ = train_head(
            network,
            loss,
            (vectors, training.labels),
            (held_out_vectors, held_out.labels),
            schedule,
            progress=self.progress,
        )
        self.tower_ = tower
        self.embedder_ = HeadEmbedder(base, network)
        return self

    def transform(self, images: Images) -> Vectors:
        """Return the embedding of each image, float32 ``(n, dimension)``, of length 1.

        Raises
        ------
        ImageError
            For the first image that cannot be read.
        NotFittedError
        """
        check_is_fitted(self)
        return embed_all(self.embedder_, images, progress=self.progress)

    @property
    def comparator(self) -> EmbeddingComparator:
        """The learned distance, for `compare` and `RelevanceScorer`."""
        check_is_fitted(self)
        return EmbeddingComparator(self.embedder_, _METRIC)

    @property
    def best_epoch_(self) -> int:
        """The epoch whose weights were restored; 0: training did not help."""
        check_is_fitted(self)
        return best_epoch(self.history_)

    def index(self, dataset: DatasetSource) -> Self:
        """Index the images to search; this replaces an earlier index and its calibration.

        Parameters
        ----------
        dataset : folder, zip, mapping or ImageDataset
            Any labelled images; their classes need not be those trained on.

        Raises
        ------
        InputError
            Without images, or if a class is called "unknown", which is an answer of `match`.
        NotFittedError
        """
        check_is_fitted(self)
        images = self._load(dataset)
        if UNKNOWN in images.classes:
            raise InputError(
                f"a class is called {UNKNOWN!r}, which is an answer of match; rename it"
            )
        images, vectors = self._embed(self.embedder_, images)
        if not len(images):
            raise InputError("no images to index; an empty index finds nothing")
        self.index_ = ImageIndex.of(images, vectors, self.embedder_.name)
        self.__dict__.pop("calibration_", None)
        return self

    def lookup(self, images: Images, k: int = 5) -> pd.DataFrame:
        """Return the `k` nearest indexed images of each image.

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
            For the first image that cannot be read; `match` lists it instead.
        NotFittedError
            Before `fit`, and while the index is empty.
        InputError
            If k is larger than the index, or the index belongs to another model.
        """
        index = self._usable_index()
        return index.lookup(self.transform(images), k)

    def calibrate(
        self,
        dataset: DatasetSource,
        strategy: Strategy = "recall-at-precision",
        *,
        precision: float = 0.95,
        recall: float = 0.95,
    ) -> Calibration:
        """Choose the distance up to which the label of the nearest image is accepted.

        Parameters
        ----------
        dataset : folder, zip, mapping or ImageDataset
            Images that are neither in the index nor trained on. Images of classes that the index
            does not have are useful: they should be called unknown.
        strategy, precision, recall
            See `similarity_lab.metric_learning.calibrate`.

        Returns
        -------
        Calibration
            With its curve; also in ``calibration_``.

        Raises
        ------
        InputError
            If an image is in the index: it would find itself.

        Warns
        -----
        PromiseWarning
            If no threshold keeps the promise on these images; `match` then raises.
        """
        index = self._usable_index()
        images, vectors = self._embed(self.embedder_, self._load(dataset))
        queries = ImageIndex.of(images, vectors, index.embedder)
        n_indexed = len(set(queries.digests) & set(index.digests))
        if n_indexed:
            raise InputError(
                f"{n_indexed} of {len(queries)} images are in the index and would find themselves "
                "at distance 0; calibrate on other images, e.g. of library.split(0.3, seed=0)"
            )
        nearest = index.lookup(vectors, k=1)
        is_known = np.isin(queries.names, index.names)
        is_correct = nearest["label"].to_numpy() == queries.names
        curve = precision_recall_curve(nearest["distance"], is_correct, int(is_known.sum()))
        self.calibration_ = calibrate(curve, strategy, precision=precision, recall=recall)
        return self.calibration_

    def match(self, images: Images) -> pd.DataFrame:
        """Name each image by its nearest indexed image, or call it unknown.

        Parameters
        ----------
        images : sequence of paths, bytes, PIL images or arrays; or one 4-D array

        Returns
        -------
        DataFrame
            One row per image, in order: ``query`` (position in `images`), ``label`` ("unknown" if
            the nearest image is farther than the calibrated threshold; missing for an image that
            cannot be read), ``distance`` (cosine, to that image), ``nearest`` (its label), its
            ``path``, and ``reason`` (why an image could not be read).

        Raises
        ------
        NotFittedError
            Before `calibrate`.
        InputError
            If no threshold kept the calibration's promise.
        """
        index = self._usable_index()
        check_is_fitted(self, "calibration_", msg="call calibrate(images) before match")
        if self.calibration_.threshold is None:
            raise InputError(
                f"not calibrated: {self.calibration_.statement}; ask for less, or train longer"
            )
        embedded = self.embedder_.embed(images, progress=self.progress)
        rows = index.lookup(embedded.vectors, 1, embedded.kept)
        rows = rows.rename(columns={"label": "nearest"}).assign(reason="")
        is_near = rows["distance"] <= self.calibration_.threshold
        rows["label"] = rows["nearest"].where(is_near, UNKNOWN)
        if len(embedded.skipped):
            n_images = len(embedded.kept) + len(embedded.skipped)
            numbers = np.setdiff1d(np.arange(n_images), embedded.kept)
            skipped = pd.DataFrame({"query": numbers, "reason": embedded.skipped["reason"]})
            rows = pd.concat([rows, skipped])
        return rows.sort_values("query", ignore_index=True)[MATCH_COLUMNS]

    def save(self, folder: str | PathLike[str]) -> None:
        """Write model, index and calibration into a folder; no pickle.

        The images are not copied. TensorFlow Similarity's own index is written as object arrays,
        which NumPy reads back with ``allow_pickle=True``: whoever can change that file can run
        code.

        Parameters
        ----------
        folder : path
            Created if missing.
        """
        check_is_fitted(self)
        params = self.get_params(deep=False)
        del params["tower"], params["progress"]
        tower = self.tower_.get_params(deep=False)
        tower.pop("embedder", None)
        content = {
            "params": params | {"loss_settings": dict(self.loss_settings or {}) or None},
            "tower": {"name": self.tower_.name, "params": tower},
            "metric": _METRIC,
            "base": self.embedder_.base.name,
            "embedder": self.embedder_.name,
            "skipped": self.skipped_.astype(str).to_numpy().tolist(),
        }
        weights = self.embedder_.head.get_weights()
        files: dict[str, Mapping[str, npt.NDArray[Any]] | Callable[..., object]] = {
            _HEAD: {f"{number:03d}": weight for number, weight in enumerate(weights)},
            _HISTORY: lambda part: self.history_.to_csv(part, index=False),
        }
        if hasattr(self, "index_"):
            files[_INDEX] = _index_arrays(self.index_)
        if hasattr(self, "calibration_"):
            curve = self.calibration_.curve
            files[_CURVE] = {name: curve[name].to_numpy() for name in CURVE_COLUMNS}
            content["calibration"] = {n: getattr(self.calibration_, n) for n in _CALIBRATION}
        save_folder(folder, KIND, content, files)

    @classmethod
    def load(
        cls,
        folder: str | PathLike[str],
        *,
        embedder: Embedder | None = None,
        progress: bool = True,
    ) -> MetricLearner:
        """Read what `save` wrote, after checking that nothing was changed.

        Parameters
        ----------
        folder : path
        embedder : Embedder, optional
            Needed if the learner was fitted on an embedder that `load_embedder` does not know by
            name.
        progress : bool

        Raises
        ------
        PathNotFoundError
            No saved learner in this folder.
        SavedFolderError
            For files that were changed or are missing, or belong to another model or embedder.

        Warns
        -----
        UserWarning
            If it was saved with other major versions of libraries.
        """
        saved = load_folder(folder, KIND)
        _warn_of_other_versions(saved)
        content = saved.content
        try:
            params, tower_name = content["params"], content["tower"]["name"]
            tower_params, metric = content["tower"]["params"], content["metric"]
            base_name, embedder_name = content["base"], content["embedder"]
        except (KeyError, TypeError) as error:
            raise SavedFolderError(f"{folder}: incomplete manifest ({error!r})") from None
        if metric != _METRIC:
            raise SavedFolderError(
                f"{folder}: the saved learner compares by {metric!r}, this version by {_METRIC!r}"
            )
        if tower_name not in TOWERS:
            raise SavedFolderError(f"{folder}: unknown tower {tower_name!r}")
        tower = TOWERS[tower_name](**tower_params)
        base = _saved_base(tower, base_name, embedder)
        if isinstance(tower, FeatureTower):
            tower.embedder = base
        learner = cls(tower, **params, progress=progress)
        learner.tower_ = tower
        head = tower.build(base, seed=0)
        weights = saved.arrays(_HEAD)
        head.set_weights([weights[name] for name in sorted(weights)])
        learner.embedder_ = HeadEmbedder(base, head)
        if learner.embedder_.name != embedder_name:
            raise SavedFolderError(
                f"{folder}: the weights are those of {learner.embedder_.name!r}, the manifest says "
                f"{embedder_name!r}"
            )
        learner.history_ = pd.read_csv(saved.path(_HISTORY))
        learner.skipped_ = skipped_table([(path, reason) for path, reason in content["skipped"]])
        if _INDEX in saved.files:
            learner.index_ = _index_of(saved.arrays(_INDEX))
        if _CURVE in saved.files:
            columns = saved.arrays(_CURVE)
            curve = pd.DataFrame({name: columns[name] for name in CURVE_COLUMNS})
            learner.calibration_ = Calibration(curve=curve, **content["calibration"])
        return learner

    def set_params(self, **params: Any) -> Self:  # noqa: ANN401
        """Set parameters; ``tower__dimension`` and the like set those of a tower object.

        Raises
        ------
        InputError
            For an unknown name.
        """
        valid = self.get_params()
        for name in params:
            if name not in valid:
                raise InputError(
                    f"Unknown parameter {name!r}.{did_you_mean(name, valid)} "
                    f"Expected some of {', '.join(sorted(valid))}"
                )
        return super().set_params(**params)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "embedder_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # images, not a table of features
        tags.target_tags.required = False
        tags.no_validation = True
        return tags

    def _schedule(self, tower: Tower) -> Schedule:
        return Schedule(
            epochs=self.epochs,
            patience=self.patience,
            learning_rate=(
                tower.learning_rate if self.learning_rate is None else self.learning_rate
            ),
            classes_per_batch=self.classes_per_batch,
            images_per_class=self.images_per_class,
            steps=self.steps,
            blend=tower.blend if self.blend is None else self.blend,
            seed=self.seed,
        )

    def _usable_index(self) -> ImageIndex:
        check_is_fitted(self)
        if not hasattr(self, "index_"):
            raise NotFittedError("the index is empty; call index(images) first")
        if self.index_.embedder != self.embedder_.name:
            raise InputError(
                f"the index holds vectors of another model, {self.index_.embedder!r}; this one is "
                f"{self.embedder_.name!r}; index the images again"
            )
        return self.index_

    def _load(self, dataset: DatasetSource | Images) -> ImageDataset:
        images = load_dataset(dataset, progress=self.progress)  # type: ignore[arg-type]
        self._add_skipped(images.skipped)
        return images

    def _embed(self, embedder: Embedder, dataset: ImageDataset) -> tuple[ImageDataset, Vectors]:
        """Return the images that can be read, and their vectors."""
        embedded = embedder.embed(dataset.sources, progress=self.progress)
        self._add_skipped(embedded.skipped)
        return dataset.subset(embedded.kept), embedded.vectors

    def _add_skipped(self, skipped: pd.DataFrame) -> None:
        earlier = getattr(self, "skipped_", skipped_table([]))
        self.skipped_ = pd.concat([earlier, skipped], ignore_index=True).drop_duplicates()


def _with_labels(images: DatasetSource | Images, y: npt.ArrayLike) -> DatasetSource:
    """Return images and their labels as one dataset."""
    labels = np.asarray(y)
    if isinstance(images, np.ndarray) and images.ndim == 4:
        classes, codes = np.unique(labels, return_inverse=True)
        return ImageDataset.from_arrays(images, codes, [str(name) for name in classes])
    if isinstance(images, (str, PathLike, Mapping, ImageDataset)) or len(images) != len(labels):
        raise InputError(
            "with y, expected one path per label or an array (n, h, w, c), "
            f"got {type(images).__name__} and {labels.shape}; a dataset has its own labels"
        )
    paths: dict[str, list[Any]] = {}
    for path, label in zip(images, labels.tolist(), strict=True):
        paths.setdefault(str(label), []).append(path)
    return paths


def _check_examples(dataset: ImageDataset) -> None:
    """Raise unless each image has a positive and negatives, which every loss needs."""
    counts = dataset.counts[dataset.counts > 0]
    if len(counts) < 2:
        raise InputError(
            f"metric learning needs two classes or more with images, got {len(counts)}"
        )
    single = [str(name) for name in counts.index[counts < 2]]
    if single:
        raise InputError(
            f"fewer than two training images in {', '.join(single)}: each image needs another of "
            "its class; add images, or leave these classes out"
        )


def _saved_base(tower: Tower, name: str, embedder: Embedder | None) -> Embedder:
    """Return the base embedder of a saved learner, which must be the one it was trained on."""
    packaged = name.partition(" ")[0]
    if not isinstance(tower, FeatureTower):
        base: Embedder | None = tower.base()
    elif embedder is None and packaged in NAMES:
        base = load_embedder(packaged, color="gray" if " gray " in name else "rgb")
    else:
        base = embedder
    if base is None:
        raise SavedFolderError(
            f"the learner was trained on the vectors of {name!r}, which cannot be loaded by name; "
            "pass the embedder: MetricLearner.load(folder, embedder=…)"
        )
    if vector_space(base.name) != vector_space(name):
        raise SavedFolderError(
            f"the learner was trained on the vectors of {name!r}, not on those of {base.name!r}; "
            "weights, preprocessing, views or precision differ; pass the embedder: "
            "MetricLearner.load(folder, embedder=…)"
        )
    return base


def _warn_of_other_versions(saved: Saved) -> None:
    current = versions()
    changes = [
        f"{name} {saved.versions[name]} then, {current[name]} now"
        for name in _COMPARED_VERSIONS
        if name in saved.versions
        and saved.versions[name].split(".")[0] != current[name].split(".")[0]
    ]
    if changes:
        warnings.warn(
            f"{saved.folder}: saved with other versions ({'; '.join(changes)}); vectors may differ "
            "slightly from those in its index. Index and calibrate again to be sure",
            stacklevel=3,
        )


def _index_arrays(index: ImageIndex) -> dict[str, npt.NDArray[Any]]:
    text: dict[str, npt.NDArray[Any]] = {
        name: np.array(getattr(index, name), np.str_) for name in _INDEX_TEXT
    }
    return {"vectors": index.vectors, "labels": index.labels, **text}


def _index_of(arrays: Mapping[str, npt.NDArray[Any]]) -> ImageIndex:
    text: dict[str, Any] = {name: arrays[name].tolist() for name in _INDEX_TEXT}
    text |= {name: tuple(value) for name, value in text.items() if isinstance(value, list)}
    return ImageIndex(arrays["vectors"], arrays["labels"], **text)
