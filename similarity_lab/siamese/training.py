"""Train a Siamese network: one call, stopped by what it is for, resumable."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from similarity_lab._version import versions
from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import InputError
from similarity_lab.pairs import Augmentation, ClassBalancedStream, MineNegatives, PairStream
from similarity_lab.siamese.heads import Head, build
from similarity_lab.siamese.losses import FITS, make_loss
from similarity_lab.siamese.run import TrainingRun, configuration_of
from similarity_lab.siamese.run_folder import RunFolder
from similarity_lab.siamese.supervision import Progress, Sample, Supervision

Loss = Literal["binary-crossentropy", "contrastive", "triplet"]

PHOTOS_PER_CLASS = 4  # in a batch for triplets


def train(
    tower: keras.Model,
    photos: ImageDataset,
    validation: ImageDataset,
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
    """Train a tower on labelled photos.

    After each epoch the tower's distances are judged on `validation` (verification AUC: do photos
    of one class lie closer than others?). Training stops when that has not risen for `patience`
    epochs, and the weights of the best epoch are put back.

    Parameters
    ----------
    tower : keras.Model
        From `architecture_1`, `architecture_2`, `strong_tower`, or any that turns one image in 0…1
        into one vector. It is trained in place. A one-channel tower is fed gray.
    photos, validation : ImageDataset
        Two classes or more each, decoded at the tower's size. Validation photos must not be among
        the others: see `find_leaks`.
    loss : {"binary-crossentropy", "contrastive", "triplet"} or keras.Loss
        On pairs with a sigmoid head, on pairs with their distance, on batches of classes. A loss
        of your own judges pairs with the head you name.
    head : {"sigmoid", "batchnorm-sigmoid", "distance"}, optional
        Default: ``"sigmoid"`` or ``"distance"``, as the loss needs; none with ``"triplet"``.
    margin : float, optional
        Of the losses that have one.
    epochs : int
        At most so many.
    patience : int
    keep : {"best", "last"}
        The weights of which epoch the network has in the end. A finished run in `folder` can be
        called again for the other.
    batch_size : int
        Pairs, an even number; with ``"triplet"`` photos, four of a class.
    steps : int, optional
        Batches in an epoch; default: one anchor per photo (with ``"triplet"``, one photo each).
    learning_rate : float
        Of Adam.
    augment : bool or Augmentation
    balanced : bool
        Anchors come from every class equally often (always with ``"triplet"``).
    target : str, optional
        Anchors are photos of this class only. With pairs only.
    pairs : type
        A subclass of `PairStream` that draws pairs in a way of its own.
    mine_from : int, optional
        From this epoch on (0 = from the first), negatives are semi-hard ones, as the current
        network sees them. With pairs only.
    seed : int
        Of pairs, augmentation and samples; the first weights come with the tower, and its own seed.
    folder : path, optional
        Keep the run here: state after each epoch, history, configuration, the network. The same
        call goes on where an earlier one stopped, and returns at once when it had finished.
    progress : bool
        Show a bar.

    Returns
    -------
    TrainingRun
        With the network, the history as a table and as a plot, the configuration, the comparator.

    Raises
    ------
    ValueError
        For a loss that does not fit the head, settings that differ from those kept in `folder`,
        one class only, or a loss that is no longer finite (with what to try).

    Examples
    --------
    >>> from similarity_lab.samples import load_image
    >>> from similarity_lab.siamese import architecture_2
    >>> photos = np.stack([load_image(name, n, size=(64, 64)) for n in range(4)
    ...                    for name in ("almonds", "dates")])
    >>> data = ImageDataset.from_arrays(photos, [0, 1] * 4, ["almonds", "dates"])
    >>> run = train(architecture_2((64, 64, 1)), data, data, epochs=1, batch_size=4, progress=False)
    >>> run.history.columns.tolist()
    ['epoch', 'loss', 'accuracy', 'train_auc', 'val_auc', 'seconds']
    """
    if keep not in ("best", "last"):
        raise InputError(f'keep must be "best" or "last", got {keep!r}')
    if isinstance(loss, str) and head is None and loss in FITS:
        head = FITS[loss][0]
    judge = make_loss(loss, head=head, margin=margin) if isinstance(loss, str) else loss
    if loss == "triplet" and not (mine_from is None and target is None and pairs is PairStream):
        raise InputError(
            "the triplet loss works on batches of classes and finds its own negatives; leave "
            "target, pairs and mine_from out"
        )
    settings: dict[str, Any] = {
        "loss": judge.name, "head": head, "margin": margin, "batch_size": batch_size,
        "steps": steps, "learning_rate": learning_rate, "augment": augment, "balanced": balanced,
        "target": target, "pairs": pairs.__name__, "mine_from": mine_from, "seed": seed,
    }  # fmt: skip
    configuration = configuration_of(tower, photos, validation, settings)
    network = tower if head is None else build(tower, head)
    accuracy = [keras.metrics.BinaryAccuracy(name="accuracy")] if _has_probability(head) else None
    network.compile(keras.optimizers.Adam(learning_rate), loss=judge, metrics=accuracy)
    network.optimizer.build(network.trainable_variables)
    stream = _stream(tower, photos, settings, None if loss == "triplet" else pairs)
    with _kept(folder) as path:
        kept = RunFolder.open(path, configuration, versions())
        supervision = Supervision(
            network,
            Sample.of(photos, tower, seed),
            Sample.of(validation, tower, seed),
            kept,
            patience,
        )
        done = len(supervision.rows)
        callbacks = [supervision, Progress(epochs, len(stream), done, show=progress)]
        if mine_from is not None:  # before the others, which record what it logs
            callbacks.insert(0, MineNegatives(stream, tower, start=mine_from))
        if done < epochs and not supervision.exhausted:
            stream.start_epoch(done)
            network.fit(
                stream, epochs=epochs, initial_epoch=done, callbacks=callbacks, verbose=0,
                shuffle=False,
            )  # fmt: skip
        if keep == "best":
            kept.restore_best(network)
        else:
            kept.restore_last(network, len(supervision.rows))
        run = TrainingRun(network, pd.DataFrame(supervision.rows), configuration, versions())
        run.save(path)
    return run


def _has_probability(head: Head | None) -> bool:
    return head in FITS["binary-crossentropy"]


def _stream(
    tower: keras.Model,
    photos: ImageDataset,
    settings: dict[str, Any],
    pairs: type[PairStream] | None,
) -> PairStream | ClassBalancedStream:
    """Return the batches to train on, at the tower's size: pairs, or (None) of classes."""
    height, width, channels = tower.input_shape[1:]
    common = {name: settings[name] for name in ("steps", "augment", "seed")}
    common |= {"size": (height, width), "color": "gray" if channels == 1 else "rgb"}
    size = settings["batch_size"]
    if pairs is not None:
        own = {name: settings[name] for name in ("balanced", "target")}
        return pairs(photos, batch_size=size, **own, **common)
    classes = min(size // PHOTOS_PER_CLASS, len(np.unique(photos.labels)))
    return ClassBalancedStream(
        photos, classes_per_batch=classes, images_per_class=PHOTOS_PER_CLASS, **common
    )


@contextmanager
def _kept(folder: str | PathLike[str] | None) -> Iterator[Path]:
    """Yield the folder, or one that goes away: the best epoch is kept in either."""
    if folder is not None:
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)
