"""The study's training experiments: each with one of its faults, and without.

`notebooks/02_siamese_networks.ipynb` shows them, `benchmarks/representation.py` measures them. All
take the same number of steps, so that experiments with fewer images differ in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import InputError, did_you_mean
from similarity_lab.pairs import PairStream
from similarity_lab.siamese.architectures import architecture_1, architecture_2
from similarity_lab.siamese.run import TrainingRun
from similarity_lab.siamese.training import train
from similarity_lab.study.faults import ImageZeroPairs, SelfPairs, blue_channel

SIZE = 128  # pixels, as in the study


@dataclass(frozen=True)
class Experiment:
    """One training: an architecture, and at most one fault or restriction.

    Attributes
    ----------
    architecture : {1, 2}
    categorical : bool
        First fault: categorical cross-entropy on one sigmoid unit.
    pairs : type
        Second and fifth fault: how pairs are drawn.
    blue : bool
        Third fault: only the blue channel.
    share : float
        Of the training images, 0…1.
    target_only : bool
        All anchors are images of the largest class, as the author tried first.
    """

    architecture: int
    categorical: bool = False
    pairs: type[PairStream] = PairStream
    blue: bool = False
    share: float = 1.0
    target_only: bool = False


EXPERIMENTS: dict[str, Experiment] = {
    "architecture 1": Experiment(1),
    "architecture 1, categorical cross-entropy": Experiment(1, categorical=True),
    "architecture 2": Experiment(2),
    "architecture 2, every negative is image 0": Experiment(2, pairs=ImageZeroPairs),
    "architecture 2, blue channel only": Experiment(2, blue=True),
    "architecture 2, a positive may be the image itself": Experiment(2, pairs=SelfPairs),
    "architecture 2, 10 % of the photos": Experiment(2, share=0.1),
    "architecture 2, 30 % of the photos": Experiment(2, share=0.3),
    "architecture 2, pairs of one target only": Experiment(2, target_only=True),
}


def run_experiment(
    name: str,
    dataset: ImageDataset,
    validation: ImageDataset,
    *,
    epochs: int,
    steps: int,
    keep: Literal["best", "last"] = "best",
    seed: int = 0,
    folder: str | PathLike[str] | None = None,
    progress: bool = True,
) -> TrainingRun:
    """Train one of `EXPERIMENTS`.

    Parameters
    ----------
    name : str
    dataset, validation : ImageDataset
    epochs, steps : int
        Batches of 64 pairs: `steps` in each epoch.
    keep : {"best", "last"}
        The study kept the last epoch; choosing the best one on validation images hides some of
        the effect of a fault.
    seed : int
    folder : path, optional
        Each experiment is saved in a folder of its own inside, and resumes from there.
    progress : bool
        Show a progress bar.

    Raises
    ------
    InputError
        For an unknown name.
    """
    if name not in EXPERIMENTS:
        raise InputError(
            f"Unknown experiment {name!r}.{did_you_mean(name, EXPERIMENTS)} "
            f"Expected one of {', '.join(EXPERIMENTS)}"
        )
    experiment = EXPERIMENTS[name]
    is_first = experiment.architecture == 1
    settings: dict[str, Any] = {"head": "sigmoid" if is_first else "batchnorm-sigmoid"}
    if experiment.categorical:
        settings["loss"] = keras.losses.CategoricalCrossentropy()
    if experiment.share < 1:
        dataset = dataset.split(experiment.share, seed)[1]
    if experiment.target_only:
        settings["target"] = str(dataset.counts.idxmax())
    if experiment.blue:
        dataset, validation = blue_channel(dataset, SIZE), blue_channel(validation, SIZE)
    tower = architecture_1 if is_first else architecture_2
    return train(
        tower((SIZE, SIZE, 1), seed=seed),
        dataset,
        validation,
        pairs=experiment.pairs,
        balanced=False,
        epochs=epochs,
        steps=steps,
        patience=epochs,
        keep=keep,
        seed=seed,
        folder=None if folder is None else Path(folder) / _folder_name(name),
        progress=progress,
        **settings,
    )


def _folder_name(name: str) -> str:
    return "-".join(np.char.lower(name.replace(",", "").replace("%", "percent").split()))
