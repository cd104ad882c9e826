"""What a training leaves behind: the network, its history, and what made it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import PathNotFoundError
from similarity_lab.pairs import Augmentation
from similarity_lab.siamese.comparator import SiameseComparator

NETWORK, CONFIGURATION, HISTORY = "network.keras", "configuration.json", "history.csv"


@dataclass(frozen=True, eq=False, repr=False)
class TrainingRun:
    """A trained network and how it came about.

    Attributes
    ----------
    network : keras.Model
        With the weights of the best epoch, or of the last one if `train` was told so.
    history : DataFrame
        One row per epoch: ``epoch`` (from 1), ``loss``, with a sigmoid head ``accuracy`` (share of
        its own pairs decided rightly), ``train_auc`` and ``val_auc`` (verification AUC of the
        tower's distances, on a sample of the photos trained on and on the validation photos; 0.5
        = none), shares of mined negatives, ``seconds`` of training.
    configuration : dict
        Settings, what the tower was and which photos it saw; plain values.
    versions : dict of str to str
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
        """The network as `compare` and `RelevanceScorer` take it."""
        return SiameseComparator(self.network)

    def plot(self) -> Figure:
        """Show loss and verification AUC over the epochs, the best one marked."""
        from similarity_lab import plots

        return plots.training_curves(self.history, best_epoch=self.best_epoch)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write network, history, configuration and versions into a folder."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        SiameseComparator(self.network).save(target / NETWORK)
        self.history.to_csv(target / HISTORY, index=False)
        write_configuration(target, self.configuration, self.versions)

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> "TrainingRun":
        """Read what `save` wrote; nothing in it is executed."""
        source = Path(folder)
        missing = [n for n in (NETWORK, HISTORY, CONFIGURATION) if not (source / n).is_file()]
        if missing:
            raise PathNotFoundError(
                f"{source}: holds no finished training run, {', '.join(missing)} missing"
            )
        configuration, made_with = read_configuration(source)
        network = SiameseComparator.load(source / NETWORK).network
        return cls(network, pd.read_csv(source / HISTORY), configuration, made_with)


def configuration_of(
    tower: keras.Model, photos: ImageDataset, validation: ImageDataset, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return what a run depends on, as plain values."""
    plain = {
        name: asdict(value) if isinstance(value, Augmentation) else value
        for name, value in settings.items()
    }
    starts_from = hashlib.sha256()
    for weight in tower.get_weights():
        starts_from.update(np.ascontiguousarray(weight).tobytes())
    return {
        **plain,
        "tower": {
            "name": tower.name,
            "input": list(tower.input_shape[1:]),
            "weights": int(tower.count_params()),
            "trainable": sum(int(np.prod(weight.shape)) for weight in tower.trainable_weights),
            "starts_from": starts_from.hexdigest()[:8],
        },
        "photos": _described(photos),
        "validation": _described(validation),
    }


def _described(dataset: ImageDataset) -> dict[str, Any]:
    identity = hashlib.sha256(np.ascontiguousarray(dataset.labels).tobytes())
    identity.update("\n".join(dataset.classes).encode())
    return {
        "photos": len(dataset),
        "classes": len(np.unique(dataset.labels)),
        "labels": identity.hexdigest()[:8],
    }


def write_configuration(
    folder: Path, configuration: dict[str, Any], made_with: dict[str, str]
) -> None:
    """Write the configuration and the versions beside a run."""
    content = {"configuration": configuration, "versions": made_with}
    (folder / CONFIGURATION).write_text(json.dumps(content, indent=1) + "\n")


def read_configuration(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the configuration and the versions beside a run."""
    content = json.loads((folder / CONFIGURATION).read_text())
    return content["configuration"], content["versions"]
