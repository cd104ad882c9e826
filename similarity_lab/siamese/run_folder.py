"""Where a training run is kept while it goes on."""

from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from similarity_lab.backend import keras
from similarity_lab.errors import InputError
from similarity_lab.files import atomic_write
from similarity_lab.siamese.run import (
    CONFIGURATION,
    HISTORY,
    read_configuration,
    write_configuration,
)

_BEST = "best.weights.h5"


class RunFolder:
    """Where a run is kept, so that it survives being killed at any moment.

    The history is written after the weights it speaks of, and each file at once or not at all; so
    what the history says is there, is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(
        cls, path: str | PathLike[str], configuration: dict[str, Any], versions: dict[str, str]
    ) -> "RunFolder":
        """Make the folder, or check that it holds a run of the same configuration."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CONFIGURATION).is_file():
            kept, _ = read_configuration(folder)
            differing = sorted(
                name
                for name in kept.keys() | configuration.keys()
                if kept.get(name) != configuration.get(name)
            )
            if differing:
                said = "; ".join(
                    f"{name} {kept.get(name)!r} there, {configuration.get(name)!r} here"
                    for name in differing
                )
                raise InputError(
                    f"{folder} holds another run ({said}); take another folder, or make the "
                    "tower anew with the same seed to go on with that run"
                )
        else:
            write_configuration(folder, configuration, versions)
        return cls(folder)

    def history(self) -> list[dict[str, Any]]:
        """Return one row per finished epoch."""
        file = self.path / HISTORY
        if not file.is_file():
            return []
        rows = pd.read_csv(file).to_dict("records")
        return [{str(name): value for name, value in row.items()} for row in rows]

    def keep(self, network: keras.Model, history: pd.DataFrame, *, best: bool) -> None:
        """Write the state after an epoch."""
        epoch = len(history)
        if best:
            write_weights(network, self.path / _BEST)
        write_weights(network, self.path / _state(epoch))
        with atomic_write(self.path / HISTORY) as part:
            history.to_csv(part, index=False)
        (self.path / _state(epoch - 1)).unlink(missing_ok=True)

    def restore_last(self, network: keras.Model, epoch: int) -> None:
        """Put back weights and optimizer as they were after an epoch, counted from 1.

        The network is compiled and its optimizer built.
        """
        network.load_weights(self.path / _state(epoch))

    def restore_best(self, network: keras.Model) -> None:
        """Put back the weights of the best epoch."""
        network.load_weights(self.path / _BEST)


def write_weights(network: keras.Model, file: Path) -> None:
    """Write weights (``….weights.h5``), whole or not at all."""
    with atomic_write(file) as part:
        network.save_weights(part, overwrite=True)


def _state(epoch: int) -> str:
    return f"after-epoch-{epoch:04d}.weights.h5"
