"""Archives unpacked into a temporary folder that lives as long as the process."""

import tempfile
from os import PathLike
from pathlib import Path

import pandas as pd

from similarity_lab.archives import extract_zip

# Each removes its folder when the process ends; the paths are handed out until then.
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def unpack(archive: str | PathLike[str]) -> tuple[Path, pd.DataFrame]:
    """Extract a ``.zip`` safely; return its folder and the table of refused members."""
    folder = tempfile.TemporaryDirectory(prefix="similarity_lab-")
    _, skipped = extract_zip(archive, folder.name)
    _FOLDERS.append(folder)
    return Path(folder.name), skipped
