"""Fitted scorers on disk: numbers in an ``.npz``, everything else in JSON, no pickle.

The manifest names the embedder and the library's content, and holds a digest of the numbers, so
that a scorer never decides with vectors of another network, on photos it did not learn from, or
with numbers that were changed.
"""

import hashlib
import json
import zipfile
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from similarity_lab._version import versions
from similarity_lab.datasets import ImageDataset, load_dataset
from similarity_lab.datasets.loading import DatasetSource
from similarity_lab.distances.comparators import ComparatorSource
from similarity_lab.embedders import vector_space
from similarity_lab.errors import SavedFolderError
from similarity_lab.files import atomic_write
from similarity_lab.images.sources import content_digest
from similarity_lab.relevance.parameters import check_parameters, chosen_comparator
from similarity_lab.relevance.rules.calibration import LikelihoodRatio
from similarity_lab.relevance.rules.learned import LearnedRule
from similarity_lab.relevance.rules.mean_distance import MeanDistanceRule
from similarity_lab.relevance.rules.prototypes import Prototypes, Whitening
from similarity_lab.relevance.rules.references import ReferenceDraw
from similarity_lab.store import StoreSource

if TYPE_CHECKING:
    from similarity_lab.relevance.scorer import RelevanceScorer

_FORMAT = 1
_MANIFEST, _NUMBERS = "scorer.json", "scorer.npz"
_MAX_BYTES = 2**30

Arrays = dict[str, npt.NDArray[Any]]


def save_scorer(scorer: "RelevanceScorer", folder: str | PathLike[str]) -> None:
    """Write a fitted scorer; files are replaced at once, the manifest last."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays, rule = _rule_to(scorer)
    embedder = scorer.embedder
    manifest = {
        "format": _FORMAT,
        "embedder": scorer.fitted_with_,
        "library": _library_digest(scorer),
        "parameters": {
            **scorer.get_params(deep=False),
            "embedder": embedder if isinstance(embedder, str) else None,
            "leave_out": list(scorer.leave_out),
            "store": None,  # of this machine
        },
        "embedder_given": embedder is not None and not isinstance(embedder, str),
        "rule": rule,
        "references": scorer.reference_names_,
        "versions": versions(),
    }
    # the manifest takes its place last, and says which numbers are its own
    with atomic_write(folder / _MANIFEST) as written, atomic_write(folder / _NUMBERS) as numbers:
        np.savez(numbers, **arrays)  # type: ignore[arg-type]
        manifest["numbers"] = hashlib.sha256(numbers.read_bytes()).hexdigest()
        written.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def load_scorer(
    folder: str | PathLike[str],
    *,
    embedder: ComparatorSource | None,
    library: DatasetSource | None,
    store: StoreSource | None = None,
) -> "RelevanceScorer":
    """Read and check a scorer."""
    from similarity_lab.relevance.scorer import RelevanceScorer

    manifest, arrays = _read(Path(folder))
    try:
        scorer = RelevanceScorer(**{**manifest["parameters"], "store": store})
        check_parameters(**scorer.get_params(deep=False))
        if embedder is not None:
            scorer.set_params(embedder=embedder)
        elif manifest["embedder_given"]:
            raise SavedFolderError(
                f"{folder} was fitted with an embedder that was passed as an object, "
                f"{manifest['embedder']!r}; pass it: load(folder, embedder=...)"
            )
        scorer.rule_ = _rule_from(scorer, manifest["rule"], arrays)
        scorer.reference_names_ = [str(name) for name in manifest["references"]]
        scorer.reference_vectors_ = arrays["references"]
        scorer.similarity_threshold_ = scorer.rule_.similarity_threshold
        scorer.fitted_with_, fitted_on = str(manifest["embedder"]), str(manifest["library"])
    except (KeyError, TypeError) as error:
        raise SavedFolderError(f"{folder}/{_MANIFEST} is incomplete: {error}") from None
    scorer.comparator_ = chosen_comparator(scorer.method, scorer.quality, scorer.embedder, store)
    if vector_space(scorer.comparator_.embedder.name) != vector_space(scorer.fitted_with_):
        raise SavedFolderError(
            f"{folder} was fitted on vectors of {scorer.fitted_with_!r}; those of "
            f"{scorer.comparator_.embedder.name!r} cannot be scored with it"
        )
    if library is not None and _digest_of(load_dataset(library)) != fitted_on:
        raise SavedFolderError(
            f"{folder} was fitted on other photos than this library holds now; fit it again"
        )
    scorer.library_ = None
    scorer.skipped_ = pd.DataFrame(columns=["path", "reason"])
    scorer.library_digest_ = fitted_on
    return scorer


def _read(folder: Path) -> tuple[dict[str, Any], Arrays]:
    manifest_file, numbers = folder / _MANIFEST, folder / _NUMBERS
    if not manifest_file.is_file() or not numbers.is_file():
        raise SavedFolderError(f"{folder} holds no scorer ({_MANIFEST} and {_NUMBERS})")
    if numbers.stat().st_size > _MAX_BYTES or manifest_file.stat().st_size > _MAX_BYTES:
        raise SavedFolderError(f"{folder}: a file there is larger than any scorer")
    try:
        manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
        kept, written = manifest["format"], manifest["numbers"]
    except (ValueError, KeyError, TypeError) as error:
        raise SavedFolderError(f"{manifest_file} is no manifest: {error}") from None
    if kept != _FORMAT:
        raise SavedFolderError(f"{folder} has format {kept!r}, this version reads {_FORMAT}")
    if hashlib.sha256(numbers.read_bytes()).hexdigest() != written:
        raise SavedFolderError(f"{numbers} is not what was saved; save the scorer again")
    try:
        with np.load(numbers, allow_pickle=False) as file:
            return manifest, dict(file)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise SavedFolderError(f"{numbers} cannot be read: {error}") from None


def _rule_to(scorer: "RelevanceScorer") -> tuple[Arrays, dict[str, Any]]:
    arrays: Arrays = {"references": scorer.reference_vectors_}
    kept: dict[str, Any] = {"similarity_threshold": scorer.similarity_threshold_}
    rule = scorer.rule_
    if isinstance(rule, LearnedRule):
        arrays |= {
            "mean": rule.prototypes.whitening.mean,
            "factor": rule.prototypes.whitening.factor,
            "target": rule.prototypes.target,
            "others": rule.prototypes.others,
        }
        line = rule.likelihood
        kept |= {"others": list(rule.others), "slope": line.slope, "offset": line.offset}
    else:
        kept |= {"draw": rule.settings()}
    return arrays, kept


def _rule_from(
    scorer: "RelevanceScorer", kept: dict[str, Any], arrays: Arrays
) -> LearnedRule | MeanDistanceRule:
    if "draw" in kept:
        return MeanDistanceRule(ReferenceDraw(**kept["draw"]), float(kept["similarity_threshold"]))
    whitening = Whitening(arrays["mean"], arrays["factor"])
    return LearnedRule(
        Prototypes(whitening, arrays["target"], arrays["others"]),
        tuple(str(name) for name in kept["others"]),
        LikelihoodRatio(float(kept["slope"]), float(kept["offset"])),
        None,
        float(kept["similarity_threshold"]),
        scorer.prior_share,
        scorer.certainty,
    )


def _library_digest(scorer: "RelevanceScorer") -> str:
    if scorer.library_ is None:  # it was loaded itself
        return scorer.library_digest_
    return _digest_of(scorer.library_.photos)


def _digest_of(photos: ImageDataset) -> str:
    """Digest which photos of which classes there are; order and names do not matter."""
    named = [photos.classes[label] for label in photos.labels]
    lines = sorted(
        f"{content_digest(source)} {name}"
        for source, name in zip(photos.sources, named, strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
