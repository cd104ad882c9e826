"""`make_samples`: unpack the shipped images into a folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile

import pandas as pd

from similarity_lab._progress import tqdm
from similarity_lab.errors import InputError
from similarity_lab.files import atomic_write
from similarity_lab.samples.shipped import ARCHIVE, TARGET, images_table

MARKER = "samples.json"
_TRUTH, _IMAGES = "sites.csv", "images.csv"
_UNPACKING = "unpacking-"  # prefix of temporary folders
RELEVANT_SHARE = 0.25


@dataclass(frozen=True)
class Samples:
    """The unpacked sample and its ground truth.

    Attributes
    ----------
    folder : Path
        Contains everything else.
    library : Path
        Labelled images: a folder per product, and ``random`` with images of no product.
    sites : tuple of Path
        One folder per shop, sorted by name.
    truth : pandas.DataFrame
        One row per shop: site, target, n_images (readable ones), n_target (of these, images that
        show the target), share (n_target / n_images, 0…1), offered (bool: n_target > 0),
        relevant (bool: share ≥ 0.25).
    target : str
        The product looked for.
    images : pandas.DataFrame
        One row per image: path (below `folder`), subject, role, product, title, readable; see
        `similarity_lab.samples.images_table`.
    """

    folder: Path
    library: Path
    sites: tuple[Path, ...]
    truth: pd.DataFrame
    target: str
    images: pd.DataFrame


def make_samples(folder: str | os.PathLike[str], *, progress: bool = True) -> Samples:
    """Unpack the sample: a labelled library and the images of ten shops.

    Takes about a second and needs no network. If the folder already holds this sample, only missing
    files are restored.

    Parameters
    ----------
    folder : path
        New, empty, or one that holds the sample.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Samples

    Raises
    ------
    InputError
        The folder holds anything else, which is never overwritten.

    Examples
    --------
    >>> import tempfile
    >>> samples = make_samples(tempfile.mkdtemp(), progress=False)
    >>> samples.target, samples.truth.query("relevant")["site"].tolist()[0]
    ('almonds', 'greenfield-foods')
    """
    folder = Path(folder)
    paths = [str(path) for path in images_table()["path"]]
    if _holds_sample(folder):
        _unpack([path for path in paths if not (folder / path).exists()], folder, progress)
    else:
        exists = folder.exists()
        parent = folder if exists else folder.parent
        parent.mkdir(parents=True, exist_ok=True)
        temporary = parent / f"{_UNPACKING}{uuid4().hex}"
        temporary.mkdir()
        try:
            _unpack(paths, temporary, progress)
            _write_tables(temporary)
            if exists:
                # the marker last: a folder with a marker is complete
                for entry in sorted(temporary.iterdir(), key=lambda entry: entry.name == MARKER):
                    entry.rename(folder / entry.name)
            else:
                temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    truth = site_truth()
    sites = tuple(folder / "sites" / name for name in truth["site"])
    return Samples(folder, folder / "library", sites, truth, TARGET, images_table())


def site_truth() -> pd.DataFrame:
    """Return the ground truth of each shop, from the table of images; see `Samples.truth`."""
    table = images_table()
    parts = table["path"].str.split("/", expand=True)
    table = table.assign(site=parts[1])[(parts[0] == "sites") & table["readable"]]
    is_target = (table["subject"] == TARGET).groupby(table["site"])
    truth = is_target.agg(n_images="size", n_target="sum").reset_index()
    truth.insert(1, "target", TARGET)
    share = truth["n_target"] / truth["n_images"]
    return truth.assign(
        share=share, offered=truth["n_target"] > 0, relevant=share >= RELEVANT_SHARE
    )


@cache
def _identity() -> dict[str, object]:
    digest = hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()
    return {"sample": "similarity_lab 2", "sha256": digest}


def _holds_sample(folder: Path) -> bool:
    """Return whether `folder` holds this sample; raise `InputError` if it holds anything else."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder that is new or empty")
    if not folder.exists() or all(e.name.startswith(_UNPACKING) for e in folder.iterdir()):
        return False
    try:
        content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{folder} is not empty and does not hold the sample ({MARKER} is missing); "
            "name a new or empty folder"
        ) from None
    except ValueError:
        content = None
    if content != _identity():
        raise InputError(
            f"{folder} holds the sample of another version; "
            "delete that folder and call make_samples again, or name another one"
        )
    return True


def _unpack(paths: list[str], folder: Path, progress: bool) -> None:
    """Write these images below `folder`, each atomically."""
    with ZipFile(ARCHIVE) as archive:
        for path in tqdm(paths, "unpacking samples", disable=not progress or not paths):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(folder / path) as part:
                part.write_bytes(archive.read(path))


def _write_tables(folder: Path) -> None:
    for name, table in ((_TRUTH, site_truth()), (_IMAGES, images_table())):
        with atomic_write(folder / name) as part:
            table.to_csv(part, index=False, lineterminator="\n")
    with atomic_write(folder / MARKER) as part:
        part.write_text(json.dumps(_identity(), indent=2) + "\n", encoding="utf-8")
