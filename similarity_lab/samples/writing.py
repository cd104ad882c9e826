"""Samples on disk: a library, the images of some shops, and the truth about them."""

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pandas as pd
from PIL import Image
from tqdm.auto import tqdm

from similarity_lab.errors import InputError

from .._version import __version__
from ..files import atomic_write
from .drawing import draw
from .sites import RECIPES, TARGET, Shot, plan_library, plan_site

MARKER = "samples.json"
TRUTH = "sites.csv"
_ENCODING: dict[str, dict[str, object]] = {
    ".jpg": {"format": "JPEG", "quality": 88},
    ".png": {"format": "PNG", "compress_level": 2},
    ".webp": {"format": "WEBP", "quality": 84, "method": 2},
}


@dataclass(frozen=True)
class Samples:
    """Where the samples lie and what is true of them.

    Attributes
    ----------
    folder : Path
        All of it.
    library : Path
        Labelled photos: a folder per product, and ``random`` with pictures of no product.
    sites : tuple of Path
        One folder per shop, sorted.
    truth : pandas.DataFrame
        Columns site, target, n_images (readable ones), n_target, relevant (bool); by site.
    target : str
        The product looked for.
    """

    folder: Path
    library: Path
    sites: tuple[Path, ...]
    truth: pd.DataFrame
    target: str


def make_samples(
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    photos_per_product: int = 16,
    progress: bool = True,
) -> Samples:
    """Draw a library and eight shops into `folder`, or find them there already drawn.

    Parameters
    ----------
    folder : path
        New, empty, or one that holds samples of the same settings (nothing is drawn again then).
    seed : int
        0 or more; the same seed gives the same bytes.
    photos_per_product : int
        Photos in each folder of the library, 1 or more.
    progress : bool
        Show a bar.

    Returns
    -------
    Samples

    Raises
    ------
    ValueError
        If the folder holds anything else: it is never written over.
    """
    if photos_per_product < 1 or seed < 0:
        raise InputError(
            "expected photos_per_product >= 1 and seed >= 0, "
            f"got photos_per_product={photos_per_product}, seed={seed}"
        )
    folder = Path(folder)
    settings = {"photos_per_product": photos_per_product, "seed": seed, "version": __version__}
    _check(folder, settings)
    by_site = {recipe.name: plan_site(seed, recipe) for recipe in RECIPES}
    shots = [*plan_library(seed, photos_per_product), *chain.from_iterable(by_site.values())]
    missing = [shot for shot in shots if not (folder / shot.path).exists()]
    for shot in missing:
        (folder / shot.path).parent.mkdir(parents=True, exist_ok=True)
    # Threads help a little: NumPy, OpenCV and the encoders let go of the interpreter's lock
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        jobs = pool.map(lambda shot: _write(folder, shot), missing)
        for _ in tqdm(jobs, "drawing samples", len(missing), disable=not progress or not missing):
            pass
    if missing or not (folder / TRUTH).exists():
        _truth(by_site).to_csv(folder / TRUTH, index=False, lineterminator="\n")
    if not (folder / MARKER).exists():  # last: what has a marker is complete
        (folder / MARKER).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    sites = tuple(folder / "sites" / name for name in sorted(by_site))
    return Samples(folder, folder / "library", sites, pd.read_csv(folder / TRUTH), TARGET)


def _check(folder: Path, settings: dict[str, object]) -> None:
    """Refuse a folder with anything in it but samples of these settings."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder that is new or empty")
    if not folder.exists() or not any(folder.iterdir()):
        return
    marker = folder / MARKER
    if not marker.exists():
        raise InputError(
            f"{folder} is not empty and holds no finished samples ({MARKER} is missing); "
            "name a new folder, or empty this one if an earlier run was broken off in it"
        )
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except ValueError:
        found = "an unreadable file"
    if found != settings:
        raise InputError(
            f"{folder} holds other samples: {MARKER} says {found}, asked for were {settings}; "
            "name another folder or delete this one"
        )


def _write(folder: Path, shot: Shot) -> None:
    """Draw one image and write it; a truncated one loses the second half of its bytes."""
    path = folder / shot.path
    buffer = io.BytesIO()
    image = Image.fromarray(draw(shot.subject, seed=shot.seed, size=shot.size))
    image.save(buffer, **_ENCODING[path.suffix])  # type: ignore[arg-type]
    data = buffer.getvalue()
    with atomic_write(path) as part:
        part.write_bytes(data[: len(data) // 2] if shot.truncated else data)


def _truth(by_site: dict[str, list[Shot]]) -> pd.DataFrame:
    """Return one row per shop, counted from the plan."""
    rows = []
    for recipe in RECIPES:
        shown = [shot.subject for shot in by_site[recipe.name] if not shot.truncated]
        rows.append((recipe.name, TARGET, len(shown), shown.count(TARGET), recipe.relevant))
    columns = ["site", "target", "n_images", "n_target", "relevant"]
    return pd.DataFrame(rows, columns=columns).sort_values("site", ignore_index=True)
