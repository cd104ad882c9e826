"""The trainings of the failure study: each of the original's faults, and the same without them.

`notebooks/02_siamese_networks.ipynb` tells what they show, `benchmarks/representation.py` measures
them. Every one makes the same number of steps, however many photos it has, so that what differs
is what its name says.
"""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import InputError
from similarity_lab.pairs import PairStream
from similarity_lab.siamese.architectures import architecture_1, architecture_2
from similarity_lab.siamese.run import TrainingRun
from similarity_lab.siamese.training import train
from similarity_lab.study.faults import ImageZeroPairs, SelfPairs, blue_channel

SIZE = 128  # pixels, the study's


@dataclass(frozen=True)
class Experiment:
    """One training: an architecture, and at most one thing that is other than it should be.

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
        Of the training photos, 0…1.
    target_only : bool
        All anchors are photos of the class with most of them, as the author tried first.
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
    photos: ImageDataset,
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
    photos, validation : ImageDataset
    epochs, steps : int
        Batches of 64 pairs: `steps` in each epoch.
    keep : {"best", "last"}
        The study kept the last epoch; choosing the best one on validation photos hides some of
        what a fault does.
    seed : int
    folder : path, optional
        Each experiment is kept in a folder of its own inside, and goes on from there.
    progress : bool
    """
    if name not in EXPERIMENTS:
        raise InputError(f"no experiment {name!r}; there are {', '.join(EXPERIMENTS)}")
    plan = EXPERIMENTS[name]
    first = plan.architecture == 1
    settings: dict[str, Any] = {"head": "sigmoid" if first else "batchnorm-sigmoid"}
    if plan.categorical:
        settings["loss"] = keras.losses.CategoricalCrossentropy()
    chosen = photos if plan.share == 1 else photos.split(plan.share, seed)[1]
    if plan.target_only:
        settings["target"] = str(chosen.counts.idxmax())
    if plan.blue:
        chosen, validation = blue_channel(chosen, SIZE), blue_channel(validation, SIZE)
    tower = architecture_1 if first else architecture_2
    return train(
        tower((SIZE, SIZE, 1), seed=seed),
        chosen,
        validation,
        pairs=plan.pairs,
        balanced=False,
        epochs=epochs,
        steps=steps,
        patience=epochs,
        keep=keep,
        seed=seed,
        folder=None if folder is None else Path(folder) / _folder(name),
        progress=progress,
        **settings,
    )


def _folder(name: str) -> str:
    return "-".join(np.char.lower(name.replace(",", "").replace("%", "percent").split()))
