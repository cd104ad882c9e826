"""The training loop: class-balanced batches, early stopping on Recall@1 of validation images."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab._progress import tqdm
from similarity_lab.datasets.dataset import ImageDataset, Labels
from similarity_lab.embedders.base import Vectors
from similarity_lab.errors import InputError
from similarity_lab.evaluation import evaluate_retrieval
from similarity_lab.metric_learning.libraries import apply, quietly, tf_keras, tfs

VALIDATION_SHARE = 0.2  # of each class, where no validation images are passed

HISTORY_COLUMNS = ["epoch", "loss", "val_recall@1", "val_map"]


@dataclass(frozen=True)
class Schedule:
    """Length of the training, learning rate, and batches.

    Attributes
    ----------
    epochs, patience : int
        At most `epochs`; early stopping when validation has not improved for `patience` epochs.
    learning_rate : float
        Of Adam.
    classes_per_batch, images_per_class : int
        In a batch; fewer classes if there are not that many.
    steps : int, optional
        Batches in an epoch; default: as many as it takes to draw as many images as there are.
    blend : float
        Where the final weights lie between the initial (0) and the trained ones (1).
    seed : int
    """

    epochs: int = 20
    patience: int = 5
    learning_rate: float = 1e-3
    classes_per_batch: int = 16
    images_per_class: int = 4
    steps: int | None = None
    blend: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, minimum in (
            ("epochs", 1), ("patience", 1), ("classes_per_batch", 2), ("images_per_class", 2),
        ):  # fmt: skip
            if getattr(self, name) < minimum:
                raise InputError(f"{name} must be at least {minimum}, got {getattr(self, name)}")
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
    class with fewer images than a batch has of it repeats them.
    """

    def __init__(self, vectors: Vectors, labels: Labels, schedule: Schedule) -> None:
        self._vectors, self._labels, self._seed = vectors, labels, schedule.seed
        self._members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        classes = min(schedule.classes_per_batch, len(self._members))
        steps = schedule.steps or -(-len(labels) // (classes * schedule.images_per_class))
        with quietly():
            super().__init__(classes, schedule.images_per_class, steps_per_epoch=steps, warmup=0)

    def _get_examples(
        self, batch_id: int, num_classes: int, examples_per_class: int
    ) -> tuple[Vectors, Labels]:
        rng = np.random.default_rng([self._seed, self.epoch, batch_id])
        classes = rng.choice(len(self._members), num_classes, replace=False)
        groups = [self._draw(self._members[each], examples_per_class, rng) for each in classes]
        positions = np.concatenate(groups)
        return self._vectors[positions], self._labels[positions]

    @staticmethod
    def _draw(
        members: npt.NDArray[np.intp], count: int, rng: np.random.Generator
    ) -> npt.NDArray[np.intp]:
        return rng.choice(members, count, replace=len(members) < count)


def train_head(
    head: tf_keras.Model,
    loss: tf_keras.losses.Loss,
    training: tuple[Vectors, Labels],
    validation: tuple[Vectors, Labels],
    schedule: Schedule,
    *,
    progress: bool = True,
) -> pd.DataFrame:
    """Train in place; at the end the weights of the best epoch are restored.

    The weights that are evaluated after each epoch, and kept, lie between the initial and the
    trained ones (`Schedule.blend`): M. Wortsman et al., "Robust fine-tuning of zero-shot models",
    2022, https://arxiv.org/abs/2109.01903. Half-way, most of what was learned about the training
    classes is retained, and little is lost about others.

    The best epoch has the highest Recall@1 among the validation images (is the nearest one of the
    same class?), and among equals the highest mean average precision. Epoch 0 is the head before
    training: if training does not help, it is undone.

    Returns
    -------
    DataFrame
        ``epoch`` (from 0), ``loss`` (mean of the epoch; missing for 0), ``val_recall@1``,
        ``val_map``; one row per epoch.

    Raises
    ------
    InputError
        If the loss is no longer finite.
    """
    head.compile(tf_keras.optimizers.Adam(schedule.learning_rate), loss=loss)
    sampler = BalancedSampler(*training, schedule)
    rows = [_figures(head, validation) | {"epoch": 0, "loss": np.nan}]
    initial = best_weights = head.get_weights()
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
                    f"the loss is not finite in epoch {epoch}; use a learning rate below "
                    f"{schedule.learning_rate:g}"
                )
            trained = head.get_weights()
            blended = [a + schedule.blend * (b - a) for a, b in zip(initial, trained, strict=True)]
            head.set_weights(blended)
            row = _figures(head, validation) | {"epoch": epoch, "loss": float(np.mean(losses))}
            rows.append(row)
            bar.set_postfix({name: round(value, 3) for name, value in row.items()})
            if _rank(row) > _rank(best):
                best, best_weights = row, blended
            elif epoch - best["epoch"] >= schedule.patience:
                break
            head.set_weights(trained)
    head.set_weights(best_weights)
    return pd.DataFrame(rows, columns=HISTORY_COLUMNS)


def best_epoch(history: pd.DataFrame) -> int:
    """Return the epoch whose weights were restored."""
    order = history.sort_values(
        ["val_recall@1", "val_map", "epoch"], ascending=[False, False, True]
    )
    return int(order["epoch"].iloc[0])


def split_validation(dataset: ImageDataset, seed: int) -> tuple[ImageDataset, ImageDataset]:
    """Split labelled images into training images and validation images.

    A fifth of each class is for validation, but at least two images, so that each can find the
    other; a class with fewer than four stays in training.

    Raises
    ------
    InputError
        If no class has four images.
    """
    rng = np.random.default_rng(seed)
    held_out: list[int] = []
    for label in range(len(dataset.classes)):
        members = rng.permutation(np.flatnonzero(dataset.labels == label))
        if len(members) >= 4:
            held_out.extend(members[: max(2, round(VALIDATION_SHARE * len(members)))])
    if not held_out:
        raise InputError(
            "no class has four images, so none are left for validation; pass validation=… with "
            "other images, at least two of a class"
        )
    is_held_out = np.isin(np.arange(len(dataset)), held_out)
    return (
        dataset.subset(np.flatnonzero(~is_held_out)),
        dataset.subset(np.flatnonzero(is_held_out)),
    )


def _figures(head: tf_keras.Model, validation: tuple[Vectors, Labels]) -> dict[str, float]:
    means = evaluate_retrieval(apply(head, validation[0]), validation[1], k=[1]).means()
    return {"val_recall@1": means["recall@1"], "val_map": means["map"]}


def _rank(row: dict[str, float]) -> tuple[float, float]:
    return row["val_recall@1"], row["val_map"]
