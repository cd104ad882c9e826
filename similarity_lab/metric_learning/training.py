"""The training loop: class-balanced batches, stopped by Recall@1 on validation photos."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm.auto import tqdm

from similarity_lab.datasets.dataset import ImageDataset, Labels
from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import InputError
from similarity_lab.evaluation import evaluate_retrieval
from similarity_lab.metric_learning.libraries import quietly, tf_keras, tfs

OWN_SHARE = 0.2  # of each class, for validation where none is given

_BATCH = 128  # when only looking

HISTORY_COLUMNS = ["epoch", "loss", "val_recall@1", "val_map"]


@dataclass(frozen=True)
class Schedule:
    """How long, how fast, in which batches.

    Attributes
    ----------
    epochs, patience : int
        At most so many epochs; fewer when validation has not improved for `patience` of them.
    learning_rate : float
        Of Adam.
    classes_per_batch, photos_per_class : int
        A batch; fewer classes where there are not that many.
    steps : int, optional
        Batches in an epoch; default: as many as it takes to draw as many photos as there are.
    blend : float
        How far the weights that are kept go from those at the start (0) to the trained ones (1).
    seed : int
    """

    epochs: int = 20
    patience: int = 5
    learning_rate: float = 1e-3
    classes_per_batch: int = 16
    photos_per_class: int = 4
    steps: int | None = None
    blend: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (
            ("epochs", 1), ("patience", 1), ("classes_per_batch", 2), ("photos_per_class", 2),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise InputError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.blend <= 1:
            raise InputError(f"blend is a share above 0 up to 1, got {self.blend}")
        if not self.learning_rate > 0:
            raise InputError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"steps must be at least 1, got {self.steps}")


class BalancedSampler(tfs.samplers.samplers.Sampler):
    """Batches of a few vectors each of several classes.

    A sampler in TensorFlow Similarity's sense. Its own, `MultiShotMemorySampler`, draws with
    Python's global generator and prints; here a batch depends on seed, epoch and number alone. A
    class with fewer photos than a batch wants of it repeats them.
    """

    def __init__(self, vectors: Vectors, labels: Labels, schedule: Schedule) -> None:
        self._vectors, self._labels, self._seed = vectors, labels, schedule.seed
        self._members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        classes = min(schedule.classes_per_batch, len(self._members))
        steps = schedule.steps or -(-len(labels) // (classes * schedule.photos_per_class))
        with quietly():
            super().__init__(classes, schedule.photos_per_class, steps_per_epoch=steps, warmup=0)

    def _get_examples(
        self, batch_id: int, num_classes: int, examples_per_class: int
    ) -> tuple[Vectors, Labels]:
        rng = np.random.default_rng([self._seed, self.epoch, batch_id])
        chosen = rng.choice(len(self._members), num_classes, replace=False)
        drawn = [self._draw(self._members[one], examples_per_class, rng) for one in chosen]
        at = np.concatenate(drawn)
        return self._vectors[at], self._labels[at]

    @staticmethod
    def _draw(
        members: npt.NDArray[np.intp], count: int, rng: np.random.Generator
    ) -> npt.NDArray[np.intp]:
        return rng.choice(members, count, replace=len(members) < count)


def train_head(
    head: tf_keras.Model,
    loss: tf_keras.losses.Loss,
    photos: tuple[Vectors, Labels],
    validation: tuple[Vectors, Labels],
    schedule: Schedule,
    *,
    progress: bool = True,
) -> pd.DataFrame:
    """Train in place; the weights of the best epoch are put back.

    What is kept, and judged after each epoch, are weights part of the way from the start to the
    trained ones (`Schedule.blend`): M. Wortsman et al., "Robust fine-tuning of zero-shot models",
    2022, https://arxiv.org/abs/2109.01903. Half of the way, most of what is learned about the
    classes trained on is there, and little is lost about others.

    The best epoch has the highest Recall@1 among the validation photos (is the nearest one of the
    same class?), and of equal ones the highest mean average precision. Epoch 0 is the head as it
    was: a training that does harm is taken back whole.

    Returns
    -------
    DataFrame
        ``epoch`` (from 0), ``loss`` (mean of the epoch; missing for 0), ``val_recall@1``,
        ``val_map``; one row per epoch.

    Raises
    ------
    ValueError
        When the loss is no longer finite.
    """
    head.compile(tf_keras.optimizers.Adam(schedule.learning_rate), loss=loss)
    sampler = BalancedSampler(*photos, schedule)
    rows = [_figures(head, validation) | {"epoch": 0, "loss": np.nan}]
    start = kept = head.get_weights()
    best = rows[0]
    total = schedule.epochs * len(sampler)
    with tqdm(total=total, desc="training", unit="batch", disable=not progress, leave=None) as bar:
        for epoch in range(1, schedule.epochs + 1):
            losses = []
            for batch in range(len(sampler)):
                with quietly():
                    losses.append(float(head.train_on_batch(*sampler[batch])))
                bar.update()
            sampler.on_epoch_end()
            if not np.isfinite(losses).all():
                raise InputError(
                    f"the loss is not finite in epoch {epoch}; take a learning rate below "
                    f"{schedule.learning_rate:g}"
                )
            trained = head.get_weights()
            blended = [a + schedule.blend * (b - a) for a, b in zip(start, trained, strict=True)]
            head.set_weights(blended)
            row = _figures(head, validation) | {"epoch": epoch, "loss": float(np.mean(losses))}
            rows.append(row)
            bar.set_postfix({name: round(value, 3) for name, value in row.items()})
            if _rank(row) > _rank(best):
                best, kept = row, blended
            elif epoch - best["epoch"] >= schedule.patience:
                break
            head.set_weights(trained)
    head.set_weights(kept)
    return pd.DataFrame(rows, columns=HISTORY_COLUMNS)


def best_epoch(history: pd.DataFrame) -> int:
    """Return the epoch whose weights were kept."""
    order = history.sort_values(
        ["val_recall@1", "val_map", "epoch"], ascending=[False, False, True]
    )
    return int(order["epoch"].iloc[0])


def run(network: tf_keras.Model, values: Vectors) -> Vectors:
    """Return what a network makes of values, in batches: float32, one row each."""
    if not len(values):
        return np.empty((0, *network.output_shape[1:]), np.float32)
    with quietly():
        if len(values) <= _BATCH:  # `predict` takes longer to begin than a batch takes
            return np.asarray(network(values, training=False), np.float32)
        return np.asarray(network.predict(values, batch_size=_BATCH, verbose=0), np.float32)


def own_validation(photos: ImageDataset, seed: int) -> tuple[ImageDataset, ImageDataset]:
    """Split labelled photos into those to train on and those to choose the epoch by.

    A fifth of each class goes to validation, but at least two photos, so that each has one to
    find; a class with fewer than four stays with the others.

    Raises
    ------
    ValueError
        When no class has four photos.
    """
    rng = np.random.default_rng(seed)
    taken: list[int] = []
    for label in range(len(photos.classes)):
        members = rng.permutation(np.flatnonzero(photos.labels == label))
        if len(members) >= 4:
            taken.extend(members[: max(2, round(OWN_SHARE * len(members)))])
    if not taken:
        raise InputError(
            "no class has four photos, so none can be spared for choosing the best epoch; pass "
            "validation=… with other photos, two of a class at least"
        )
    at = np.isin(np.arange(len(photos)), taken)
    return photos.subset(np.flatnonzero(~at)), photos.subset(np.flatnonzero(at))


def _figures(head: tf_keras.Model, validation: tuple[Vectors, Labels]) -> dict[str, float]:
    found = evaluate_retrieval(run(head, validation[0]), validation[1], k=[1]).means()
    return {"val_recall@1": found["recall@1"], "val_map": found["map"]}


def _rank(row: dict[str, float]) -> tuple[float, float]:
    return row["val_recall@1"], row["val_map"]
