"""Labels that are not names of folders: annotations of object detection, tables of labels."""

import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from similarity_lab.errors import InputError
from similarity_lab.files.tables import read_tables

__all__ = ["find_annotations"]

_HEAD_BYTES = 65_536
_N_TRIED = 10  # files of a kind that are opened
_CONTENTS = {
    ".txt": {"YOLO": rb"\s*\d+([ \t]+-?\d*\.?\d+(e-?\d+)?){4,}[ \t]*(\r?\n|$)"},
    ".xml": {"Pascal VOC": rb".*<annotation\b"},
    ".json": {
        "LabelMe": rb'.*"(shapes|imagePath)"\s*:',
        "COCO": rb'.*"(annotations|categories|file_name)"\s*:',
    },
}
_LABEL_COLUMN = re.compile(r"(labels?|class(es)?|category|species|breed|product)([ _]?(name|id))?")
_TABLE_SUFFIXES = frozenset({".csv", ".tsv"})


def find_annotations(files: Iterable[Path]) -> str:
    """Return what says which image shows what, in words; an empty string if nothing does.

    Parameters
    ----------
    files : iterable of Path
        All files of a library.

    Returns
    -------
    str
        ``"annotations (YOLO, labels/1.txt)"``, Pascal VOC, COCO or LabelMe, or
        ``"a table of labels (train.csv)"``.
    """
    files = list(files)
    for suffix, kinds in _CONTENTS.items():
        for path in islice((file for file in files if file.suffix.lower() == suffix), _N_TRIED):
            head = _head(path)
            for kind, pattern in kinds.items():
                if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
                    return f"annotations ({kind}, {path.parent.name}/{path.name})"
    tables = (file for file in files if file.suffix.lower() in _TABLE_SUFFIXES)
    names = {name for file in files for name in (file.name, file.stem)}
    for path in islice(tables, _N_TRIED):
        if _is_table_of_labels(path, names):
            return f"a table of labels ({path.name})"
    return ""


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def _is_table_of_labels(path: Path, names: set[str]) -> bool:
    """Tell whether a table has a column of labels, and rows that name files."""
    try:
        rows = next(iter(read_tables(path).values()), [])
    except (InputError, OSError):
        return False
    if not any(
        _LABEL_COLUMN.fullmatch(cell.strip().casefold()) for row in rows[:1] for cell in row
    ):
        return False
    return any(Path(cell).name in names for row in rows[1:_N_TRIED] for cell in row if cell)
