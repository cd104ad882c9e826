"""A training run: the network, its history and configuration; and its state while training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import InputError, SavedFolderError
from similarity_lab.files.atomic import atomic_write
from similarity_lab.files.output import output_folder
from similarity_lab.files.saved import load_folder, save_folder
from similarity_lab.images.augmentation import Augmentation
from similarity_lab.siamese.comparator import SiameseComparator

KIND = "training run"
NETWORK, HISTORY, CONFIGURATION = "network.keras", "history.csv", "configuration.json"
_BEST = "best.weights.h5"


@dataclass(frozen=True, eq=False, repr=False)
class TrainingRun:
    """A trained network, and how it was trained.

    To see loss and verification AUC over the epochs:
    ``plots.training_curves(run.history, best_epoch=run.best_epoch)``.

    Attributes
    ----------
    network : keras.Model
        With the weights of the best epoch, or of the last one if `train` was asked for those.
    history : DataFrame
        One row per epoch: ``epoch`` (from 1), ``loss``, with a sigmoid head ``accuracy`` (share of
        its own pairs decided correctly), ``train_auc`` and ``val_auc`` (verification AUC of the
        tower's distances, on a sample of the training images and on the validation images; 0.5 is
        chance), shares of mined negatives, ``seconds`` of training.
    configuration : dict
        Settings, tower and datasets; plain values.
    versions : dict of str to str
        Of the libraries, when it was trained.
    """

    network: keras.Model
    history: pd.DataFrame
    configuration: dict[str, Any]
    versions: dict[str, str]

    def __repr__(self) -> str:
        best = self.history["val_auc"].max()
        return (
            f"<training run of {self.network.name}: {len(self.history)} epochs, "
            f"validation AUC {best:.3f} after epoch {self.best_epoch}>"
        )

    @property
    def best_epoch(self) -> int:
        """The epoch with the highest validation AUC, counted from 1."""
        return int(self.history["epoch"][self.history["val_auc"].argmax()])

    @cached_property
    def comparator(self) -> SiameseComparator:
        """The network as a comparator, for `compare` and `RelevanceScorer`."""
        return SiameseComparator(self.network)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write network, history, configuration and versions into a folder; no pickle."""
        content = {"configuration": self.configuration, "versions": self.versions}
        files = {
            NETWORK: self.network.save,
            HISTORY: lambda part: self.history.to_csv(part, index=False),
        }
        save_folder(folder, KIND, content, files)

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> TrainingRun:
        """Read what `save` wrote; nothing in it is executed.

        Raises
        ------
        PathNotFoundError
            No saved training run in this folder.
        SavedFolderError
            A file was changed or is missing, or another version wrote it.
        """
        saved = load_folder(folder, KIND)
        network = SiameseComparator.load(saved.path(NETWORK)).network
        try:
            configuration, versions = saved.content["configuration"], saved.content["versions"]
        except KeyError as error:
            raise SavedFolderError(f"{saved.folder}: the manifest has no {error}") from None
        return cls(network, pd.read_csv(saved.path(HISTORY)), configuration, versions)


class RunState:
    """Training state in a folder; training resumes from it after any interruption.

    Each file is written atomically, and the history after the weights of its last epoch, so the
    weights of every epoch in the history exist.

    Parameters
    ----------
    folder : path
        Created if missing.
    configuration : dict
        Plain values. If the folder holds the state of another configuration, this is an error.

    Raises
    ------
    InputError
        The folder holds the state of another run; the message names what differs.
    """

    def __init__(self, folder: Path, configuration: dict[str, Any]) -> None:
        folder = output_folder(folder, "a folder for the training run")
        self.folder = folder
        file = folder / CONFIGURATION
        if file.is_file():
            _check_equal(json.loads(file.read_text("utf-8")), configuration, folder)
        else:
            with atomic_write(file) as part:
                part.write_text(json.dumps(configuration, indent=1) + "\n", "utf-8")

    def history(self) -> list[dict[str, Any]]:
        """Return one row per finished epoch."""
        file = self.folder / HISTORY
        if not file.is_file():
            return []
        rows = pd.read_csv(file).to_dict("records")
        return [{str(name): value for name, value in row.items()} for row in rows]

    def write(self, network: keras.Model, history: pd.DataFrame, *, is_best: bool) -> None:
        """Write the state after an epoch."""
        epoch = len(history)
        if is_best:
            write_weights(network, self.folder / _BEST)
        write_weights(network, self._weights_file(epoch))
        with atomic_write(self.folder / HISTORY) as part:
            history.to_csv(part, index=False)
        self._weights_file(epoch - 1).unlink(missing_ok=True)

    def restore_last(self, network: keras.Model, epoch: int) -> None:
        """Restore weights and optimizer as they were after an epoch, counted from 1.

        The network is compiled and its optimizer built.
        """
        network.load_weights(self._weights_file(epoch))

    def restore_best(self, network: keras.Model) -> None:
        """Restore the weights of the best epoch."""
        network.load_weights(self.folder / _BEST)

    def _weights_file(self, epoch: int) -> Path:
        return self.folder / f"after-epoch-{epoch:04d}.weights.h5"


def write_weights(network: keras.Model, file: Path) -> None:
    """Write weights (``….weights.h5``) atomically."""
    with atomic_write(file) as part:
        network.save_weights(part, overwrite=True)


def describe_run(
    tower: keras.Model, dataset: ImageDataset, validation: ImageDataset, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return what a run depends on, as plain values."""
    plain = {
        name: asdict(value) if isinstance(value, Augmentation) else value
        for name, value in settings.items()
    }
    weights = hashlib.sha256()
    for weight in tower.get_weights():
        weights.update(np.ascontiguousarray(weight).tobytes())
    return {
        **plain,
        "tower": {
            "name": tower.name,
            "input": list(tower.input_shape[1:]),
            "weights": int(tower.count_params()),
            "trainable": sum(int(np.prod(weight.shape)) for weight in tower.trainable_weights),
            "starts_from": weights.hexdigest()[:8],
        },
        "training": _describe_dataset(dataset),
        "validation": _describe_dataset(validation),
    }


def _describe_dataset(dataset: ImageDataset) -> dict[str, Any]:
    identity = hashlib.sha256(np.ascontiguousarray(dataset.labels).tobytes())
    identity.update("\n".join(dataset.classes).encode())
    return {
        "images": len(dataset),
        "classes": len(np.unique(dataset.labels)),
        "labels": identity.hexdigest()[:8],
    }


def _check_equal(saved: dict[str, Any], configuration: dict[str, Any], folder: Path) -> None:
    names = sorted(saved.keys() | configuration.keys())
    differences = "; ".join(
        f"{name}: {saved.get(name)!r} there, {configuration.get(name)!r} now"
        for name in names
        if saved.get(name) != configuration.get(name)
    )
    if differences:
        raise InputError(
            f"{folder} holds another run ({differences}); use another folder, or build the tower "
            "again with the same seed to resume that run"
        )
