"""List the files of a folder, with a reason for whatever is left out."""

import os
import re
from glob import iglob
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from similarity_lab.errors import NotAFolderError, PathNotFoundError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EMPTY_FOLDER",
    "HIDDEN_ATTRIBUTE",
    "SKIPPED_COLUMNS",
    "archive_kind",
    "count_lost",
    "existing_folder",
    "list_files",
    "lost_files",
    "skipped_table",
    "system_file",
    "user_path",
]

SKIPPED_COLUMNS = ["path", "reason"]

# What systems and programs add to people's folders, as patterns of whole names, in any case. Names
# that begin with a dot are hidden anyway; those that are listed here get a better reason.
_SYSTEM_FILES = {
    "copies that Jupyter makes": r"\.ipynb_checkpoints",
    "made by macOS, not an image": r"__macosx|\._.*|\.ds_store|\.trashes|\.trash|\.spotlight-v100"
    r"|\.fseventsd|\.temporaryitems|temporary items|\.documentrevisions-v100|\.appledouble"
    r"|\.appledb|\.appledesktop|network trash folder|\.apdisk|\.localized|icon[\r?]|desktop d[bf]"
    r"|thevolumesettingsfolder|thefindbycontentfolder|:2e.*"
    r"|\.volumeicon\.icns|\.pkinstallsandboxmanager.*|\.com\.apple\..*",
    "made by Windows, not an image": r"(eh)?thumbs(_vista)?( \(\d+\))?\.db( \(\d+\)|:.*)?"
    r"|desktop( \(\d+\))?\.ini( \(\d+\))?|system volume information|\$recycle\.bin|recycle[rd]"
    r"|found\.\d{3}|.*:zone\.identifier|\$winreagent|\$sysreset|msocache|config\.msi"
    r"|albumart(small|_\{.*)\.jpg|pspbrwse\.jbf",
    "made by a network storage (thumbnails, bin, snapshots)": r"@eadir|#recycle|#snapshot|@recycle"
    r"|@recently-snapshot|\.?@__thumb|@tmp|@sharebin|@synodrive|@s2s|trashbox|\.@upload_cache|@sharesnap|@synoresource|.*@synoeastream"
    r"|.*@synoresource|synophoto_thumb_.*|synoindex_media_info|[.~]snapshot|\.zfs|\.recycle"
    r"|\.streams|\$recycle",
    "made by Linux or Android, not an image": r"lost\+found|lost\.dir|\.trash-.*|\.thumbnails?"
    r"|\.directory|\.hidden|\.fuse_hidden.*|\.nfs[0-9a-f]+",
    "belongs to a program, not an image": r"\.git|\.svn|\.hg|\.bzr|cvs|node_modules|__pycache__"
    r"|bower_components|site-packages|venv|_gsdata_|adobe bridge cache.*|~syncthing~.*"
    r"|\.idea|\.vscode|\.venv|\.cache|\.dropbox.*|\.stfolder|\.stversions|\.sync"
    r"|\.tmp\.drive(down|up)load|~\$.*|\.~lock\..*#|\.?picasa\.ini|\.picasaoriginals|\.nomedia"
    r"|zbthumbnail\.info|.*\.lrdata",
}
EMPTY_FOLDER, HIDDEN_ATTRIBUTE = "empty folder", "hidden, by its attribute in Windows"
_HIDDEN_NAME = "hidden: its name begins with a dot"
_WITHOUT_FILES = "folder without any other file"
_LISTED_LINK = "link to a folder that is already listed"
_NO_LOSS = frozenset(
    {*_SYSTEM_FILES, EMPTY_FOLDER, HIDDEN_ATTRIBUTE, _HIDDEN_NAME, _WITHOUT_FILES, _LISTED_LINK}
)
_PATTERNS = {
    reason: re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for reason, pattern in _SYSTEM_FILES.items()
}

# Archives by the bytes with which they begin, or at an offset
_ARCHIVES = {
    "zip": [(0, b"PK\x03\x04"), (0, b"PK\x05\x06"), (0, b"PK\x07\x08")],
    "RAR": [(0, b"Rar!\x1a\x07")],
    "7z": [(0, b"7z\xbc\xaf\x27\x1c")],
    "gzip or tar.gz": [(0, b"\x1f\x8b\x08")],
    "bzip2 or tar.bz2": [(0, b"BZh")],
    "xz or tar.xz": [(0, b"\xfd7zXZ\x00")],
    "Zstandard": [(0, b"\x28\xb5\x2f\xfd")],
    "tar": [(257, b"ustar")],
    "LZH": [(2, b"-lh"), (2, b"-lz")],
    "cabinet": [(0, b"MSCF")],
    "ARJ": [(0, b"\x60\xea")],
    "Apple disk image": [(0, b"koly"), (0, b"encrcdsa")],
    "ISO": [(0x8001, b"CD001")],
}
_ARCHIVE_SUFFIX = re.compile(
    r"\.(zip|zipx|z\d\d|7z|rar|r\d\d|\d{3}|tar|t?gz|tbz2?|bz2|t?xz|zst|tzst|lzh|lha|cab|arj|iso|dmg)$",
    re.IGNORECASE,
)


def skipped_table(rows: list[tuple[object, str]]) -> "pd.DataFrame":
    """Return the table of skipped files: columns ``path``, ``reason``."""
    import pandas as pd  # deferred: the crawler's process writes files and needs no tables

    # a file name need not be valid Unicode; Parquet and pandas' str type take nothing else
    texts = [(str(path).encode("utf-8", "backslashreplace").decode(), text) for path, text in rows]
    return pd.DataFrame(texts, columns=SKIPPED_COLUMNS, dtype=object)


def lost_files(skipped: "pd.DataFrame") -> "pd.DataFrame":
    """Return the skipped files that may be images: not what belongs to systems or is hidden.

    Parameters
    ----------
    skipped : DataFrame
        From `skipped_table`.
    """
    return skipped[~skipped["reason"].isin(_NO_LOSS)]


def count_lost(skipped: "pd.DataFrame") -> int:
    """Return the number of `lost_files`."""
    return len(lost_files(skipped))


def user_path(path: str | PathLike[str]) -> Path:
    """Return a path in which ``~`` is the home folder, unless a folder has that name.

    Raises
    ------
    PathNotFoundError
        It is empty: a variable that is not set, perhaps.
    """
    if isinstance(path, str) and not path.strip():
        raise PathNotFoundError("the path is empty; pass '.' for the current folder")
    path = Path(path)
    return path.expanduser() if str(path).startswith("~") and not path.exists() else path


def existing_folder(folder: str | PathLike[str], expected: str) -> Path:
    """Return `folder` as a path if it is a folder.

    Parameters
    ----------
    folder : path
    expected : str
        What the folder should hold, for the message of the error.

    Raises
    ------
    PathNotFoundError
        It does not exist; the message suggests a similar name.
    NotAFolderError
        It is a file.
    """
    path = user_path(folder)
    if not path.exists():
        hint = did_you_mean(path.name, _sibling_names(path)) or _hint(str(folder))
        raise PathNotFoundError(f"{path}: no such folder; expected {expected}.{hint}")
    if not path.is_dir():
        raise NotAFolderError(f"{path}: is a file; expected {expected}")
    return path


def _hint(text: str) -> str:
    """Return what may be wrong with a path as it was typed or pasted."""
    if text.strip() != text.strip().strip("\"'"):
        return " Leave out the quotes."
    if re.match(r"https?://", text, re.IGNORECASE):
        return " A url is collected first, with similarity_lab.web.collect."
    if text.lower().startswith("file:"):
        return " Pass the path without file://."
    if "*" in text:  # the shell leaves a pattern that nothing matches as it is
        has_match = next(iglob(text), None) is not None
        seen = "Patterns are not expanded here" if has_match else "Nothing matches this pattern"
        return f" {seen}; pass a folder instead of a pattern."
    return ""


def _sibling_names(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []


def system_file(name: str) -> str:
    """Return why a file or folder of this name is left out; an empty string if it is not.

    Examples
    --------
    >>> system_file("Thumbs.db"), system_file(".private"), system_file("almonds")
    ('made by Windows, not an image', 'hidden: its name begins with a dot', '')
    """
    for reason, pattern in _PATTERNS.items():
        if pattern.fullmatch(name):
            return reason
    return _HIDDEN_NAME if name.startswith(".") else ""


def archive_kind(path: Path) -> str:
    """Return the kind of an archive by its content, such as ``"zip"`` or ``"7z"``, else ``""``."""
    try:
        with path.open("rb") as file:
            for kind, marks in _ARCHIVES.items():
                for offset, mark in marks:
                    file.seek(offset)
                    if file.read(len(mark)) == mark:
                        return kind
    except OSError:
        pass
    return ""


def list_files(folder: Path) -> tuple[list[Path], list[tuple[object, str]]]:
    """List all files below a folder, including nested folders.

    Left out, with a reason, are what systems and programs add to folders (``__MACOSX``,
    ``@eaDir``, ``Thumbs.db`` …), hidden files and folders, and archives, which have to be unpacked
    first. A folder that is left out is one row. Links to folders outside `folder` are followed,
    each target once. Links to folders inside it are not followed, since their files are listed
    anyway, under their real path.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    files : list of Path
        Sorted by their parts, so that equal folders give equal lists on every machine.
    skipped : list of (path, reason)
        Also folders that are empty or could not be read, and links that were not followed.
    """
    files: list[Path] = []
    skipped: list[tuple[object, str]] = []
    root, visited = folder.resolve(), set[Path]()
    pending = [folder]
    while pending:
        current = pending.pop()
        target = current.resolve()
        is_inner_link = current.is_symlink() and current != folder and target.is_relative_to(root)
        if target in visited or is_inner_link:
            skipped.append((str(current), _LISTED_LINK))
            continue
        visited.add(target)
        try:
            with os.scandir(current) as scan:
                entries = list(scan)
        except OSError as error:
            skipped.append((str(current), f"cannot be read: {(error.strerror or '').lower()}"))
            continue
        n_used = 0
        for entry in entries:
            is_folder = _is_folder(entry)
            if reason := system_file(entry.name) or ("" if is_folder else _archive_reason(entry)):
                skipped.append((entry.path, reason))
                continue
            n_used += 1
            (pending if is_folder else files).append(Path(entry.path))
        if not n_used and current != folder:
            skipped.append((str(current), _WITHOUT_FILES if entries else EMPTY_FOLDER))
    files.sort(key=lambda path: path.relative_to(folder).parts)
    return files, sorted(skipped, key=lambda row: str(row[0]))


def _archive_reason(entry: os.DirEntry[str]) -> str:
    if not _ARCHIVE_SUFFIX.search(entry.name):
        return ""
    kind = archive_kind(Path(entry.path))
    return f"{kind} archive inside a folder or an archive; unpack it first" if kind else ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links: listed as a file, and skipped with a reason when it is read
        return False
