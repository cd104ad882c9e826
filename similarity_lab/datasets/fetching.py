"""Download, unpack and verify the Grocery Store dataset."""

import csv
import hashlib
import os
import shutil
from os import PathLike
from pathlib import Path, PurePosixPath

from similarity_lab.errors import ArchiveError, DownloadError, InputError, PathNotFoundError
from similarity_lab.files import extract_zip
from similarity_lab.files.downloads import download, working_files
from similarity_lab.files.output import output_folder

__all__ = [
    "GROCERY_STORE_SHA256",
    "GROCERY_STORE_URL",
    "fetch_grocery_store",
    "tree_digest",
]

GROCERY_STORE_URL = (
    "https://github.com/marcusklasson/GroceryStoreDataset/archive/refs/heads/master.zip"
)
"""Where its authors publish the dataset."""

GROCERY_STORE_SHA256 = "5dde0c6abab5ff3d6551a8a1403393303fd67e46f3386e4df7c19bd2766f09fd"
"""`tree_digest` of the dataset as published."""


def fetch_grocery_store(
    folder: str | PathLike[str] = "data",
    *,
    url: str = GROCERY_STORE_URL,
    expected: str = GROCERY_STORE_SHA256,
    progress: bool = True,
) -> Path:
    """Download, unpack and verify the Grocery Store dataset (about 130 MB, MIT licence).

    If the dataset is already there and verifies, nothing is requested. An interrupted download is
    kept as ``grocery-store.zip.part``, and the next call resumes it if the server supports range
    requests (GitHub's archive servers usually do not, and the download starts over). If you put
    the zip at ``grocery-store.zip`` yourself, it is used and kept. ``grocery-store`` is never
    incomplete, even if the process is killed. Do not run two calls for the same folder at once.

    Parameters
    ----------
    folder : path
        Created if missing; the dataset is written to ``folder/grocery-store``.
    url : str
        https url of a zip with one top folder that contains ``dataset/``.
    expected : str
        `tree_digest` that the dataset must have: 64 hexadecimal digits.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Path
        ``folder/grocery-store``; its ``dataset/train.txt`` and all files listed there exist.

    Raises
    ------
    DownloadError
        No connection, an HTTP error, a url that is not https, more than 1 GiB, a wrong digest, a
        folder that cannot be written to, or an existing ``grocery-store`` with other content
        (which is never changed).

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
    part, record = working_files(archive)
    # A record without a partial file: a call was killed after its download, so the zip is not the
    # user's own.
    is_own_zip = archive.exists() and (part.exists() or not record.exists())
    try:
        output_folder(home.parent, "a folder for the dataset")
        if not archive.exists():
            download(url, archive, progress=progress)
        _install(archive, home, expected, is_own_zip)
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"{home.parent}: cannot be written to ({error}); expected a folder with 300 MB free"
        ) from error
    return home


def tree_digest(folder: str | PathLike[str]) -> str:
    r"""Return a SHA-256 digest of the relevant files of the Grocery Store dataset.

    These are ``dataset/classes.csv``, the lists ``dataset/{train,val,test}.txt`` and every image
    that these four name; other files (descriptions, lock files of editors) are ignored. Each file
    contributes a line "<its SHA-256>  <its path below `folder`, with slashes>\n"; the digest is
    that of all lines, sorted, as printed by
    ``sha256sum FILES | LC_ALL=C sort | sha256sum``.

    Parameters
    ----------
    folder : path
        Contains ``dataset/``.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    PathNotFoundError
        Files are missing: the message says how many, and which is the first.
    InputError
        A list is not text, or names a file outside `folder`.
    """
    root = Path(folder)
    lists = [f"dataset/{name}" for name in ("train.txt", "val.txt", "test.txt")]
    _require(root, [*lists, "dataset/classes.csv"])
    images: set[str] = set()
    try:
        for name in lists:
            rows = (root / name).read_text(encoding="utf-8").splitlines()
            images.update(row.rsplit(",", 2)[0].strip() for row in rows if row.strip())
        with (root / "dataset/classes.csv").open(encoding="utf-8", newline="") as file:
            images.update(row.get("Iconic Image Path (str)") or "" for row in csv.DictReader(file))
    except UnicodeDecodeError as error:
        raise InputError(f"a list of the dataset is not UTF-8 text: {error}") from error
    names = [*lists, "dataset/classes.csv"]
    names += sorted(f"dataset/{image.removeprefix('/')}" for image in images)
    _require(root, names)
    lines = sorted(f"{_sha256(root / name)}  {name}\n" for name in names)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _require(root: Path, names: list[str]) -> None:
    for name in names:
        if ".." in PurePosixPath(name).parts:
            raise InputError(f"{name!r} is listed; expected only files inside the dataset")
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
        digest = tree_digest(folder)
    except (OSError, ValueError) as error:
        raise DownloadError(f"{name}: not the complete Grocery Store dataset: {error}") from error
    if digest != expected:
        raise DownloadError(
            f"{name}: not the Grocery Store dataset as published; expected tree_digest "
            f"{expected}, got {digest}. To use it anyway, pass expected={digest!r}"
        )


def _install(archive: Path, home: Path, expected: str, is_own_zip: bool) -> None:
    """Unpack beside `home`, verify, then rename, so that `home` is never incomplete."""
    unpacked = home.with_name(f"{home.name}.unpacking")
    if unpacked.exists():  # from a call that was killed
        shutil.rmtree(unpacked)
    skipped_note = ""
    try:
        _, skipped = extract_zip(archive, unpacked)
        for row in skipped.head(1).itertuples():
            skipped_note = f" ({len(skipped)} members skipped, first {row.path}: {row.reason})"
        roots = [path.parents[1] for path in unpacked.glob("*/dataset/train.txt")]
        if len(roots) != 1:
            raise DownloadError(
                f"{archive}: expected one */dataset/train.txt in it, found {len(roots)}"
            )
        _verify(roots[0], expected, name=archive)
        roots[0].rename(home)
    except (ArchiveError, DownloadError) as error:
        advice = f"move {archive} away and try again"
        if not is_own_zip:
            _clean(archive, is_own_zip)
            advice = "the download was removed; try again"
        raise DownloadError(f"{error}{skipped_note}; {advice}") from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    _clean(archive, is_own_zip)


def _clean(archive: Path, is_own_zip: bool) -> None:
    for path in [*working_files(archive), *([] if is_own_zip else [archive])]:
        path.unlink(missing_ok=True)
