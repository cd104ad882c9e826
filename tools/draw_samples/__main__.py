"""Draw, encode and write the sample.

    python -m tools.draw_samples

Takes half a minute.
"""

import argparse
import csv
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from PIL import Image
from tqdm.auto import tqdm

from similarity_lab.files import atomic_write
from similarity_lab.samples.shipped import ARCHIVE, COLUMNS, TABLE

from .plan import RECIPES, Shot, plan_library, plan_site
from .staging import draw_staged

_ENCODING: dict[str, dict[str, object]] = {
    ".jpg": {"format": "JPEG", "quality": 72, "optimize": True, "progressive": True},
    ".png": {"format": "PNG", "optimize": True},
    ".webp": {"format": "WEBP", "quality": 70, "method": 6},
    ".gif": {"format": "GIF"},
}


def encode(shot: Shot) -> bytes:
    """Draw one image and return its file; a truncated one lacks the second half."""
    suffix = shot.path[shot.path.rindex(".") :]
    buffer = io.BytesIO()
    image = Image.fromarray(
        draw_staged(shot.subject, seed=shot.seed, size=shot.size, name=shot.title)
    )
    if shot.saved_size:
        image = image.resize(shot.saved_size[::-1], Image.Resampling.LANCZOS)
    if suffix in (".png", ".gif"):  # graphics: few colours
        image = image.quantize(64)
    image.save(buffer, **_ENCODING[suffix])  # type: ignore[arg-type]
    data = buffer.getvalue()
    return data[: len(data) // 2] if shot.truncated else data


def write(shots: Sequence[Shot]) -> None:
    """Draw all images, and write archive and table."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        files = list(tqdm(pool.map(encode, shots), "drawing", len(shots)))
    ARCHIVE.parent.mkdir(exist_ok=True)
    with atomic_write(ARCHIVE) as part, ZipFile(part, "w", ZIP_STORED) as archive:
        for shot, data in zip(shots, files, strict=True):
            archive.writestr(
                ZipInfo(shot.path), data
            )  # ZipInfo is dated 1980: the archive does not depend on the day
    with atomic_write(TABLE) as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for shot in shots:
            is_readable = not shot.truncated
            rows.writerow(
                [shot.path, shot.subject, shot.role, shot.product, shot.title, is_readable]
            )


def main() -> None:
    """Draw the sample into the package."""
    argparse.ArgumentParser(description=__doc__).parse_args()  # --help writes nothing
    shots = [*plan_library(), *(shot for recipe in RECIPES for shot in plan_site(recipe))]
    write(shots)
    print(f"{len(shots)} images, {ARCHIVE.stat().st_size:,} bytes in {ARCHIVE.name}")


if __name__ == "__main__":
    main()
