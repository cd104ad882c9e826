"""Fetch the Grocery Store dataset: download, unpack safely, verify, and only then show it."""

import csv
import hashlib
import os
import shutil
from os import PathLike
from pathlib import Path, PurePosixPath

from similarity_lab.errors import ArchiveError, DownloadError, InputError, PathNotFoundError
from similarity_lab.files.archives import extract_zip
from similarity_lab.files.download import beside, download

__all__ = [
    "GROCERY_STORE_SHA256",
    "GROCERY_STORE_URL",
    "DownloadError",
    "fetch_grocery_store",
    "tree_digest",
]

GROCERY_STORE_URL = (
    "https://github.com/marcusklasson/GroceryStoreDataset/archive/refs/heads/master.zip"
)
"""Where the publisher keeps the dataset."""

GROCERY_STORE_SHA256 = "5dde0c6abab5ff3d6551a8a1403393303fd67e46f3386e4df7c19bd2766f09fd"
"""What `tree_digest` gives for the dataset as published."""


def fetch_grocery_store(
    folder: str | PathLike[str] = "data",
    *,
    url: str = GROCERY_STORE_URL,
    expected: str = GROCERY_STORE_SHA256,
    progress: bool = True,
) -> Path:
    """Download, unpack and verify the Grocery Store dataset (about 130 MB, MIT licence).

    A verified copy is returned at once, without a request. An interrupted download is kept as
    ``grocery-store.zip.part`` and continued by the next call if the server sends ranges; GitHub's
    archive servers usually do not, then it starts again. A zip put by hand at
    ``grocery-store.zip`` is used instead, and left there. Killed at any moment, the call leaves
    either no ``grocery-store`` or the verified one. One call at a time per folder.

    Parameters
    ----------
    folder : path
        Made if missing; the dataset comes to ``folder/grocery-store``.
    url : str
        An https address of a zip with one top folder that holds ``dataset/``.
    expected : str
        What `tree_digest` must give: 64 hexadecimal digits.
    progress : bool
        Show a bar.

    Returns
    -------
    Path
        ``folder/grocery-store``; its ``dataset/train.txt`` and all files named there exist.

    Raises
    ------
    DownloadError
        No connection, an HTTP error, an address that is not https, more than 1 GiB, other files
        than expected, a folder that cannot be written to, or an existing ``grocery-store`` that
        is something else (it is never touched).

    References
    ----------
    M. Klasson, C. Zhang, H. Kjellström, "A hierarchical grocery store image dataset with visual
    and semantic labels", WACV 2019, arXiv:1901.00711.
    """
    home = Path(folder) / "grocery-store"
    if os.path.lexists(home):
        try:
            _verify(home, expected, name=home)
        except DownloadError as error:
            raise DownloadError(f"{error}; move {home} away and try again") from error
        return home
    archive = home.with_name("grocery-store.zip")
    part, note = beside(archive)
    # A note without a part is left by a call that was killed after its download.
    by_hand = archive.exists() and (part.exists() or not note.exists())
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        if not archive.exists():
            download(url, archive, progress=progress)
        _install(archive, home, expected, by_hand)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"{home.parent}: cannot be written to ({error}), expected a folder with 300 MB free; "
            "name another or make room"
        ) from error
    return home


def tree_digest(folder: str | PathLike[str]) -> str:
    r"""Return one SHA-256 for the files of the Grocery Store dataset that matter.

    These are ``dataset/classes.csv``, the lists ``dataset/{train,val,test}.txt`` and every image
    that these four name. Whatever else lies there (descriptions, lock files of editors, what the
    repository once had) does not count. For each file there is a line "<its SHA-256>  <its path
    below `folder`, with slashes>\n"; the digest is that of all lines, sorted: what
    ``sha256sum FILES | LC_ALL=C sort | sha256sum`` prints.

    Parameters
    ----------
    folder : path
        Holds ``dataset/``.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    FileNotFoundError
        Files are missing: how many, and which is the first.
    ValueError
        A list is not text, or names a file outside `folder`.
    """
    root = Path(folder)
    lists = [f"dataset/{name}" for name in ("train.txt", "val.txt", "test.txt")]
    _require(root, [*lists, "dataset/classes.csv"])
    images: set[str] = set()
    for name in lists:
        rows = (root / name).read_text(encoding="utf-8").splitlines()
        images.update(row.rsplit(",", 2)[0].strip() for row in rows if row.strip())
    with (root / "dataset/classes.csv").open(encoding="utf-8", newline="") as file:
        images.update(row.get("Iconic Image Path (str)") or "" for row in csv.DictReader(file))
    names = [*lists, "dataset/classes.csv"]
    names += sorted(f"dataset/{image.removeprefix('/')}" for image in images)
    _require(root, names)
    lines = sorted(f"{_sha256(root / name)}  {name}\n" for name in names)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _require(root: Path, names: list[str]) -> None:
    for name in names:
        if ".." in PurePosixPath(name).parts:
            raise InputError(f"{name!r} is named, expected files inside the dataset")
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        raise PathNotFoundError(
            f"{len(missing):,} of {len(names):,} files are missing, the first is {missing[0]}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(folder: Path, expected: str, name: Path) -> None:
    try:
        got = tree_digest(folder)
    except (OSError, ValueError) as error:
        raise DownloadError(f"{name}: not the complete Grocery Store dataset: {error}") from error
    if got != expected:
        raise DownloadError(
            f"{name}: not the Grocery Store dataset as published, expected tree_digest "
            f"{expected}, got {got}; to use it all the same pass expected={got!r}"
        )


def _install(archive: Path, home: Path, expected: str, by_hand: bool) -> None:
    """Unpack beside `home` and rename, so that `home` is never there half."""
    unpacked = home.with_name(f"{home.name}.unpacking")
    if unpacked.exists():  # left by a call that was killed
        shutil.rmtree(unpacked)
    left_out = ""
    try:
        _, skipped = extract_zip(archive, unpacked)
        for row in skipped.head(1).itertuples():
            left_out = f"; {len(skipped)} members left out, the first: {row.path}: {row.reason}"
        tops = [path.parents[1] for path in unpacked.glob("*/dataset/train.txt")]
        if len(tops) != 1:
            raise DownloadError(
                f"{archive}: has {len(tops)} times */dataset/train.txt, expected once"
            )
        _verify(tops[0], expected, name=archive)
        tops[0].rename(home)
    except (ArchiveError, DownloadError) as error:
        way_on = f"move {archive} away"
        if not by_hand:
            _clean(archive, by_hand)
            way_on = "the download was removed"
        raise DownloadError(f"{error}{left_out}; {way_on}, then try again") from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    _clean(archive, by_hand)


def _clean(archive: Path, by_hand: bool) -> None:
    for path in [*beside(archive), *([] if by_hand else [archive])]:
        path.unlink(missing_ok=True)
