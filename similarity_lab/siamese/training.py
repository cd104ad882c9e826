"""Train a Siamese network. One call; early stopping on verification AUC; resumable."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from similarity_lab._progress import tqdm
from similarity_lab._version import versions
from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset, load_dataset
from similarity_lab.datasets.dataset import Labels
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.embedders import embed_all
from similarity_lab.errors import InputError, SavedFolderError
from similarity_lab.evaluation import pair_distances
from similarity_lab.images import Augmentation, Color, Pixels
from similarity_lab.pairs import ClassBalancedStream, MineNegatives, PairStream
from similarity_lab.pairs.streams import DecodedImages
from similarity_lab.siamese.comparator import SiameseComparator
from similarity_lab.siamese.heads import Head, build
from similarity_lab.siamese.losses import FITTING_HEADS, make_loss
from similarity_lab.siamese.run import CONFIGURATION, RunState, TrainingRun, describe_run

Loss = Literal["binary-crossentropy", "contrastive", "triplet"]

IMAGES_PER_CLASS = 4  # in a batch for triplets
SAMPLE_SIZE = 1_000  # images on which an epoch is evaluated: half a million pairs
STATE = "state"  # the folder inside a run's folder from which it resumes
_DRAWS_PER_EPOCH = 1_000_000  # more than there are batches


def train(
    tower: keras.Model,
    dataset: DatasetSource,
    validation: DatasetSource,
    *,
    loss: Loss | keras.Loss = "binary-crossentropy",
    head: Head | None = None,
    margin: float | None = None,
    epochs: int = 100,
    patience: int = 10,
    keep: Literal["best", "last"] = "best",
    batch_size: int = 64,
    steps: int | None = None,
    learning_rate: float = 1e-3,
    augment: bool | Augmentation = False,
    balanced: bool = True,
    target: str | None = None,
    pairs: type[PairStream] = PairStream,
    mine_from: int | None = None,
    seed: int = 0,
    folder: str | PathLike[str] | None = None,
    progress: bool = True,
) -> TrainingRun:
    """Train a tower on labelled images.

    After each epoch the tower's distances are evaluated on `validation` (verification AUC: are
    images of one class closer than images of different classes?). Early stopping: training ends
    when the AUC has not risen for `patience` epochs, and the weights of the best epoch are
    restored.

    Parameters
    ----------
    tower : keras.Model
        From `architecture_1`, `architecture_2`, `strong_tower`, or any model that turns one image
        in 0…1 into one vector. It is trained in place. A one-channel tower is fed gray.
    dataset, validation : ImageDataset, or what `load_dataset` takes
        Two classes or more each, decoded at the tower's size. No image may be in both: see
        `find_leaks`.
    loss : {"binary-crossentropy", "contrastive", "triplet"} or keras.Loss
        On pairs with a sigmoid head, on pairs with their distance, on batches of classes. A loss
        of your own is applied to pairs with the head you name.
    head : {"sigmoid", "batchnorm-sigmoid", "distance"}, optional
        Default: ``"sigmoid"`` or ``"distance"``, as the loss needs; none with ``"triplet"``.
    margin : float, optional
        Of the losses that have one.
    epochs : int
        At most this many.
    patience : int
        Epochs without a higher validation AUC before early stopping.
    keep : {"best", "last"}
        Which epoch's weights the network has in the end. A finished run in `folder` can be called
        again for the other.
    batch_size : int
        Pairs, an even number; with ``"triplet"`` images, four of a class.
    steps : int, optional
        Batches in an epoch; default: one anchor per image (with ``"triplet"``, each image once).
    learning_rate : float
        Of Adam.
    augment : bool or Augmentation
        Augment training images.
    balanced : bool
        Every class contributes equally many anchors (always with ``"triplet"``).
    target : str, optional
        Anchors are images of this class only. With pairs only.
    pairs : type
        A subclass of `PairStream` that draws pairs in another way.
    mine_from : int, optional
        From this epoch on (0 = from the first), negatives are semi-hard ones, as the current
        network sees them. With pairs only.
    seed : int
        Of pairs, augmentation and samples; the initial weights come with the tower, and its own
        seed.
    folder : path, optional
        Save the run here, and its state after each epoch. The same call resumes an interrupted
        run, and returns at once if it had finished.
    progress : bool
        Show a progress bar.

    Returns
    -------
    TrainingRun
        With the network, the history as a table, the configuration and the comparator.

    Raises
    ------
    InputError
        For a loss that does not fit the head, settings that differ from those in `folder`, one
        class only, or a loss that is no longer finite (with what to try).

    Examples
    --------
    >>> from similarity_lab.siamese import architecture_1
    >>> images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 1), np.uint8)
    >>> data = ImageDataset.from_arrays(images, [0, 1] * 4, ["almonds", "dates"])
    >>> run = train(architecture_1((16, 16, 1)), data, data, epochs=1, batch_size=4, progress=False)
    >>> run.history.columns.tolist()
    ['epoch', 'loss', 'accuracy', 'train_auc', 'val_auc', 'seconds']
    """
    if keep not in ("best", "last"):
        raise InputError(f'keep must be "best" or "last", got {keep!r}')
    if isinstance(loss, str) and head is None and loss in FITTING_HEADS:
        head = FITTING_HEADS[loss][0]
    loss_function = make_loss(loss, head=head, margin=margin) if isinstance(loss, str) else loss
    if loss == "triplet" and not (mine_from is None and target is None and pairs is PairStream):
        raise InputError(
            "the triplet loss works on batches of classes and finds its own negatives; leave "
            "target, pairs and mine_from out"
        )
    dataset = load_dataset(dataset, progress=progress)
    validation = load_dataset(validation, progress=progress)
    settings: dict[str, Any] = {
        "loss": loss_function.name, "head": head, "margin": margin, "batch_size": batch_size,
        "steps": steps, "learning_rate": learning_rate, "augment": augment, "balanced": balanced,
        "target": target, "pairs": pairs.__name__, "mine_from": mine_from, "seed": seed,
    }  # fmt: skip
    configuration = describe_run(tower, dataset, validation, settings)
    network = tower if head is None else build(tower, head)
    metrics = [keras.metrics.BinaryAccuracy(name="accuracy")] if _has_probability(head) else None
    network.compile(keras.optimizers.Adam(learning_rate), loss=loss_function, metrics=metrics)
    network.optimizer.build(network.trainable_variables)
    stream = _stream(tower, dataset, settings, None if loss == "triplet" else pairs)
    with _state_folder(folder) as state_folder:
        state = RunState(state_folder, configuration)
        stopping = EarlyStopping(
            network,
            Sample.of(dataset, tower, seed),
            Sample.of(validation, tower, seed),
            state,
            patience,
        )
        n_done = len(stopping.rows)
        callbacks = [stopping, Progress(epochs, len(stream), n_done, show=progress)]
        if mine_from is not None:  # before the others, which record what it logs
            callbacks.insert(0, MineNegatives(stream, tower, start=mine_from))
        if n_done < epochs and not stopping.is_exhausted:
            stream.start_epoch(n_done)
            network.fit(
                stream, epochs=epochs, initial_epoch=n_done, callbacks=callbacks, verbose=0,
                shuffle=False,
            )  # fmt: skip
        if keep == "best":
            state.restore_best(network)
        else:
            state.restore_last(network, len(stopping.rows))
    run = TrainingRun(network, pd.DataFrame(stopping.rows), configuration, versions())
    if folder is not None:
        run.save(folder)
    return run


@dataclass(frozen=True, eq=False)
class Sample:
    """Images on which a network is evaluated, decoded once."""

    pixels: Pixels
    labels: Labels

    @classmethod
    def of(cls, dataset: ImageDataset, tower: keras.Model, seed: int) -> Sample:
        """Return at most `SAMPLE_SIZE` images at the tower's size."""
        height, width, channels = tower.input_shape[1:]
        positions = np.sort(np.random.default_rng(seed).permutation(len(dataset))[:SAMPLE_SIZE])
        color: Color = "gray" if channels == 1 else "rgb"
        images = DecodedImages(dataset, (height, width), color, cache=False, cache_limit=0)
        return cls(images.pixels(positions), dataset.labels[positions])

    @property
    def has_pairs(self) -> bool:
        """Whether there are two images of one class and images of two, as verification needs."""
        _, counts = np.unique(self.labels, return_counts=True)
        return len(counts) > 1 and bool(counts.max() > 1)

    def auc(self, network: keras.Model) -> float:
        """Return the verification AUC of the network as it is; NaN without pairs."""
        if not self.has_pairs:
            return float("nan")
        comparator = SiameseComparator(network)
        vectors = embed_all(comparator.embedder, self.pixels, batch_size=64, progress=False)
        return pair_distances(vectors, self.labels, comparator.between).auc


class EarlyStopping(keras.callbacks.Callback):
    """Evaluates and saves each epoch, and stops when validation no longer improves.

    Parameters
    ----------
    network : keras.Model
    train, validation : Sample
    state : RunState
    patience : int
        Epochs without a higher validation AUC before it stops.
    """

    def __init__(
        self,
        network: keras.Model,
        train: Sample,
        validation: Sample,
        state: RunState,
        patience: int,
    ) -> None:
        super().__init__()
        if not validation.has_pairs:
            raise InputError(
                "validation images must be of two classes or more, and at least two of one class: "
                "the best epoch is the one that tells them apart best"
            )
        self._samples = {"train_auc": train, "val_auc": validation}
        self._state, self._patience = state, patience
        self.rows = state.history()
        if self.rows:
            state.restore_last(network, len(self.rows))
        self._start = 0.0

    @property
    def is_exhausted(self) -> bool:
        """Whether the validation AUC has not risen for `patience` epochs."""
        aucs = [row["val_auc"] for row in self.rows]
        return bool(aucs) and len(aucs) - 1 - int(np.argmax(aucs)) >= self._patience

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock, and the epoch's own draws of dropout."""
        self._start = time.perf_counter()
        for state in _dropout_states(self.model):
            state.assign([int(state[0]), epoch * _DRAWS_PER_EPOCH])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate and save the epoch."""
        logs = {} if logs is None else logs
        if not np.isfinite(logs["loss"]):
            raise InputError(
                f"the loss is {logs['loss']} in epoch {epoch + 1}: training has diverged; "
                "a lower learning_rate may help"
            )
        seconds = time.perf_counter() - self._start
        negatives = {name: share for name, share in logs.items() if name.startswith("negatives")}
        row = {"epoch": epoch + 1, "loss": logs["loss"]}
        row |= {"accuracy": logs["accuracy"]} if "accuracy" in logs else {}
        row |= {name: sample.auc(self.model) for name, sample in self._samples.items()}
        row |= negatives | {"seconds": round(seconds, 2)}
        logs.update(row)
        is_best = all(row["val_auc"] > earlier["val_auc"] for earlier in self.rows)
        self.rows.append(row)
        self._state.write(self.model, pd.DataFrame(self.rows), is_best=is_best)
        self.model.stop_training = self.is_exhausted


class Progress(keras.callbacks.Callback):
    """One progress bar for the whole training, with the figures of the last epoch."""

    def __init__(self, epochs: int, steps: int, n_done: int, *, show: bool) -> None:
        super().__init__()
        self._total, self._initial, self._show = epochs * steps, n_done * steps, show

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open the bar."""
        self._bar = tqdm(
            desc="training",
            unit="batch",
            total=self._total,
            initial=self._initial,
            disable=not self._show,
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Advance the bar."""
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the epoch's figures."""
        figures = {name: (logs or {})[name] for name in ("loss", "train_auc", "val_auc")}
        self._bar.set_postfix({"epoch": epoch + 1, **figures})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close the bar."""
        self._bar.close()


def _has_probability(head: Head | None) -> bool:
    return head in FITTING_HEADS["binary-crossentropy"]


def _dropout_states(network: keras.Model) -> list[keras.Variable]:
    """Return the states of dropout, which Keras saves in no file: (seed, number of draws)."""
    return [v for v in network.non_trainable_variables if v.path.endswith("seed_generator_state")]


def _stream(
    tower: keras.Model,
    dataset: ImageDataset,
    settings: dict[str, Any],
    pairs: type[PairStream] | None,
) -> PairStream | ClassBalancedStream:
    """Return the training batches at the tower's size: pairs, or (None) batches of classes."""
    height, width, channels = tower.input_shape[1:]
    common = {name: settings[name] for name in ("steps", "augment", "seed")}
    common |= {"size": (height, width), "color": "gray" if channels == 1 else "rgb"}
    size = settings["batch_size"]
    if pairs is not None:
        own = {name: settings[name] for name in ("balanced", "target")}
        return pairs(dataset, batch_size=size, **own, **common)
    classes = min(size // IMAGES_PER_CLASS, len(np.unique(dataset.labels)))
    return ClassBalancedStream(
        dataset, classes_per_batch=classes, images_per_class=IMAGES_PER_CLASS, **common
    )


@contextmanager
def _state_folder(folder: str | PathLike[str] | None) -> Iterator[Path]:
    """Yield the folder of the run's state, or a temporary one: the best epoch is written to it."""
    if folder is not None:
        if (Path(folder) / CONFIGURATION).is_file():
            raise SavedFolderError(
                f"{folder} holds a training run of version 1 of similarity_lab, which this version "
                "does not resume; train again in another folder"
            )
        yield Path(folder) / STATE
        return
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)
