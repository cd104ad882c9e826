"""What watches over a training: verification AUC after each epoch, when to stop, what to keep."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from similarity_lab.backend import keras
from similarity_lab.datasets import ImageDataset
from similarity_lab.errors import InputError
from similarity_lab.evaluation import pair_distances
from similarity_lab.images import Color, Pixels
from similarity_lab.pairs.streams import DecodedImages
from similarity_lab.siamese.comparator import SiameseComparator
from similarity_lab.siamese.run_folder import RunFolder

SAMPLE = 1_000  # photos on which an epoch is judged: half a million pairs
_DRAWS_PER_EPOCH = 1_000_000  # more than there are batches


@dataclass(frozen=True, eq=False)
class Sample:
    """Photos to judge a network on, decoded once."""

    pixels: Pixels
    labels: np.ndarray

    @classmethod
    def of(cls, dataset: ImageDataset, tower: keras.Model, seed: int) -> "Sample":
        """Return at most `SAMPLE` photos at the tower's size."""
        height, width, channels = tower.input_shape[1:]
        chosen = np.sort(np.random.default_rng(seed).permutation(len(dataset))[:SAMPLE])
        color: Color = "gray" if channels == 1 else "rgb"
        images = DecodedImages(dataset, (height, width), color, cache=False, cache_limit=0)
        return cls(images.pixels(chosen), dataset.labels[chosen])

    @property
    def has_pairs(self) -> bool:
        """Whether there are photos of one class and of two, as verification needs them."""
        _, counts = np.unique(self.labels, return_counts=True)
        return len(counts) > 1 and bool(counts.max() > 1)

    def auc(self, network: keras.Model) -> float:
        """Return the verification AUC of the network as it is; nan without pairs."""
        if not self.has_pairs:
            return float("nan")
        comparator = SiameseComparator(network)
        vectors = comparator.embedder.embed(self.pixels, batch_size=64, progress=False)
        return pair_distances(vectors, self.labels, comparator.between).auc


class Supervision(keras.callbacks.Callback):
    """Judges each epoch, keeps it, and stops when there is no more to gain.

    Parameters
    ----------
    network : keras.Model
    train, validation : Sample
    folder : RunFolder
    patience : int
        Epochs without a higher validation AUC before it stops.
    """

    def __init__(
        self,
        network: keras.Model,
        train: Sample,
        validation: Sample,
        folder: RunFolder,
        patience: int,
    ) -> None:
        super().__init__()
        if not validation.has_pairs:
            raise InputError(
                "validation photos must be of two classes or more, and at least two of one class: "
                "the epoch is chosen by how well they are told apart"
            )
        self._samples = {"train_auc": train, "val_auc": validation}
        self._folder, self._patience = folder, patience
        self.rows = folder.history()
        if self.rows:
            folder.restore_last(network, len(self.rows))
        self._started = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether the validation AUC has not risen for `patience` epochs."""
        aucs = [row["val_auc"] for row in self.rows]
        return bool(aucs) and len(aucs) - 1 - int(np.argmax(aucs)) >= self._patience

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock, and the epoch's own draws of dropout."""
        self._started = time.perf_counter()
        for state in _random_states(self.model):
            state.assign([int(state[0]), epoch * _DRAWS_PER_EPOCH])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Judge and keep the epoch."""
        logs = {} if logs is None else logs
        if not np.isfinite(logs["loss"]):
            raise InputError(
                f"the loss is {logs['loss']} in epoch {epoch + 1}: training has diverged; "
                "a lower learning_rate may help"
            )
        seconds = time.perf_counter() - self._started
        mined = {name: share for name, share in logs.items() if name.startswith("negatives")}
        row = {"epoch": epoch + 1, "loss": logs["loss"]}
        row |= {"accuracy": logs["accuracy"]} if "accuracy" in logs else {}
        row |= {name: sample.auc(self.model) for name, sample in self._samples.items()}
        row |= mined | {"seconds": round(seconds, 2)}
        logs.update(row)
        best = all(row["val_auc"] > earlier["val_auc"] for earlier in self.rows)
        self.rows.append(row)
        self._folder.keep(self.model, pd.DataFrame(self.rows), best=best)
        self.model.stop_training = self.exhausted


def _random_states(network: keras.Model) -> list[keras.Variable]:
    """Return the states of dropout, which Keras keeps in no file: (seed, number of draws)."""
    return [v for v in network.non_trainable_variables if v.path.endswith("seed_generator_state")]


class Progress(keras.callbacks.Callback):
    """One bar for the whole training, with the figures of the last epoch."""

    def __init__(self, epochs: int, steps: int, done: int, *, show: bool) -> None:
        super().__init__()
        self._total, self._done, self._show = epochs * steps, done * steps, show

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open the bar."""
        self._bar = tqdm(
            desc="training",
            unit="batch",
            total=self._total,
            initial=self._done,
            disable=not self._show,
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move on."""
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the epoch's figures."""
        shown = {name: (logs or {})[name] for name in ("loss", "train_auc", "val_auc")}
        self._bar.set_postfix({"epoch": epoch + 1, **shown})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close the bar."""
        self._bar.close()
