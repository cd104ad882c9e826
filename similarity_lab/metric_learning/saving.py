"""Write and read a `MetricLearner`: arrays as .npz, tables as .csv, the rest in the manifest.

TensorFlow Similarity's own index is written as object arrays, which NumPy reads back with
``allow_pickle=True``: whoever can change that file can run code. Here nothing is pickled.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from similarity_lab.embedders import Embedder, load_embedder, vector_space
from similarity_lab.embedders.loading import NAMES
from similarity_lab.errors import SavedFolderError
from similarity_lab.metric_learning.calibration import CURVE_COLUMNS, Calibration
from similarity_lab.metric_learning.embedder import HeadEmbedder
from similarity_lab.metric_learning.index import PhotoIndex
from similarity_lab.metric_learning.manifest import read_manifest, write_manifest
from similarity_lab.metric_learning.towers import Tower

if TYPE_CHECKING:
    from similarity_lab.metric_learning.learner import MetricLearner

WEIGHTS, HISTORY, INDEX, CURVE = "head.npz", "history.csv", "index.npz", "calibration.npz"
METRIC = "cosine"
_TEXT = ("classes", "paths", "digests", "embedder")


def save(learner: "MetricLearner", folder: Path) -> None:
    """Write everything a fresh process needs; photos themselves are not copied."""
    embedder = learner.embedder_
    folder.mkdir(parents=True, exist_ok=True)
    weights = embedder.head.get_weights()
    np.savez(folder / WEIGHTS, **{f"{number:03d}": w for number, w in enumerate(weights)})
    learner.history_.to_csv(folder / HISTORY, index=False)
    files, content = (
        [WEIGHTS, HISTORY],
        {
            "tower": learner.tower_.name,
            "settings": learner.tower_.settings,
            "metric": METRIC,
            "base": embedder.base.name,
            "embedder": embedder.name,
        },
    )
    if hasattr(learner, "index_"):
        _write_index(learner.index_, folder / INDEX)
        files.append(INDEX)
    if hasattr(learner, "calibration_"):
        chosen = learner.calibration_
        np.savez(folder / CURVE, **_columns(chosen.curve))
        files.append(CURVE)
        names = ("threshold", "strategy", "least", "statement")
        content["calibration"] = {name: getattr(chosen, name) for name in names}
    write_manifest(folder, content, files)


def load_into(learner: "MetricLearner", folder: Path, embedder: Embedder | None) -> None:
    """Fill a new learner with what `save` wrote."""
    manifest = read_manifest(folder)
    if manifest["metric"] != METRIC:
        raise SavedFolderError(
            f"{folder}: compares by {manifest['metric']!r}, this version by {METRIC!r}"
        )
    learner.tower_ = Tower.of(manifest["tower"], manifest["settings"])
    base = _base(learner.tower_, manifest["base"], embedder)
    head = learner.tower_.head(base, seed=0)
    with np.load(folder / WEIGHTS, allow_pickle=False) as kept:
        head.set_weights([kept[name] for name in sorted(kept.files)])
    learner.embedder_ = HeadEmbedder(base, head)
    if learner.embedder_.name != manifest["embedder"]:
        raise SavedFolderError(
            f"{folder}: the weights make {learner.embedder_.name!r}, the manifest says "
            f"{manifest['embedder']!r}"
        )
    learner.history_ = pd.read_csv(folder / HISTORY)
    files = manifest["files"]
    if INDEX in files:
        learner.index_ = _read_index(folder / INDEX)
    if CURVE in files:
        with np.load(folder / CURVE, allow_pickle=False) as kept:
            curve = pd.DataFrame({name: kept[name] for name in CURVE_COLUMNS})
        learner.calibration_ = Calibration(curve=curve, **manifest["calibration"])


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    return {str(name): table[name].to_numpy() for name in table}


def _base(tower: Tower, name: str, embedder: Embedder | None) -> Embedder:
    """Return the base embedder, which must be the one the head was trained on."""
    base = embedder
    packaged = name.partition(" ")[0]
    if tower.name != "features":
        base = tower.base()
    elif base is None and packaged in NAMES:
        base = load_embedder(packaged, color="gray" if " gray " in name else "rgb")
    if base is None:
        raise SavedFolderError(
            f"the model was trained on the vectors of {name!r}, which cannot be made from its "
            "name; pass it: MetricLearner.load(folder, embedder=…)"
        )
    if vector_space(base.name) != vector_space(name):
        raise SavedFolderError(
            f"the model was trained on the vectors of {name!r}, not on those of {base.name!r}; "
            "weights, preprocessing or precision differ"
        )
    return base


def _write_index(index: PhotoIndex, file: Path) -> None:
    text: dict[str, Any] = {name: np.array(getattr(index, name), np.str_) for name in _TEXT}
    np.savez(file, vectors=index.vectors, labels=index.labels, **text)


def _read_index(file: Path) -> PhotoIndex:
    with np.load(file, allow_pickle=False) as kept:
        text: dict[str, Any] = {name: kept[name].tolist() for name in _TEXT}
        text |= {name: tuple(text[name]) for name in _TEXT if isinstance(text[name], list)}
        return PhotoIndex(kept["vectors"], kept["labels"], **text)
