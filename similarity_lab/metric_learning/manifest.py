"""A folder that holds a model: plain files, and a manifest that says what they must be.

No pickle is written or read. The manifest is written last and holds a digest of each other file,
so that a folder that was changed, mixed up or half written is noticed.
"""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

from similarity_lab._version import versions
from similarity_lab.errors import PathNotFoundError, SavedFolderError
from similarity_lab.files import atomic_write

MANIFEST, FORMAT = "manifest.json", 1
_COMPARED = ("similarity_lab", "tensorflow", "keras", "numpy")


def write_manifest(folder: Path, content: dict[str, Any], files: list[str]) -> None:
    """Write the manifest of `files`, with their digests and the versions in use."""
    manifest = {
        "format": FORMAT,
        **content,
        "files": {name: _digest(folder / name) for name in files},
        "versions": versions(),
    }
    with atomic_write(folder / MANIFEST) as part:
        part.write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest after looking at every file it names.

    Raises
    ------
    FileNotFoundError
        Without a manifest.
    SavedFolderError
        For a file that is missing or is not what was saved, or another format.

    Warns
    -----
    UserWarning
        When libraries that make vectors are of another major version than when it was saved.
    """
    file = folder / MANIFEST
    if not file.is_file():
        raise PathNotFoundError(
            f"{folder}: no {MANIFEST} there; expected a folder that MetricLearner.save wrote"
        )
    try:
        manifest = json.loads(file.read_text("utf-8"))
        stated, files = manifest["format"], dict(manifest["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise SavedFolderError(f"{file}: is no manifest of a saved model ({error!r})") from error
    if stated != FORMAT:
        raise SavedFolderError(
            f"{folder}: is in format {stated}, this version reads {FORMAT}; "
            "save it again with the version that made it, or take that version"
        )
    for name, digest in files.items():
        if Path(name).name != name or not (folder / name).is_file():
            raise SavedFolderError(f"{folder}: {name} is missing; the model was not saved whole")
        if _digest(folder / name) != digest:
            raise SavedFolderError(
                f"{folder}: {name} is not the file that was saved (its digest differs from the "
                "manifest's); save the model again"
            )
    _compare_versions(folder, manifest.get("versions", {}))
    return manifest


def _compare_versions(folder: Path, then: dict[str, str]) -> None:
    now = versions()
    changed = [
        f"{name} {then[name]} then, {now[name]} now"
        for name in _COMPARED
        if name in then and then[name].split(".")[0] != now[name].split(".")[0]
    ]
    if changed:
        warnings.warn(
            f"{folder}: saved with other versions ({'; '.join(changed)}); vectors may differ a "
            "little from those in its index. Index and calibrate again to be sure",
            stacklevel=4,
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
