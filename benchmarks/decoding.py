"""Measure how fast images of each format are decoded, here and in another checkout.

    python -m benchmarks.decoding [--against FOLDER] [--turns N]

FOLDER is another checkout of the package, for example one made by ``git worktree add``. Both are
measured in turns, in processes of their own, so that other work on the machine affects them alike.
Prints medians of milliseconds per image on one core, and the median ratio within a turn. The
images: photos of the Grocery Store dataset, and one of them at 1600 × 1600 pixels in each format.
"""

import io
import statistics
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.common import ROOT, make_parser, photos_folder, run_worker

N_PHOTOS, LARGE = 60, 1600

_WORKER = """
import json, sys, time
from pathlib import Path
from similarity_lab import read_image
from similarity_lab.images import check_image
from similarity_lab.images.scaled import read_scaled

readers = {
    "read_image": lambda data: read_image(data),
    "read_image, 224": lambda data: read_image(data, size=224),
    "read_scaled, 224": lambda data: read_scaled(data, size=(224, 224)),
    "check_image": check_image,
}
times = {}
for folder in sorted(Path(json.loads(sys.stdin.read())).iterdir()):
    images = [path.read_bytes() for path in sorted(folder.iterdir())]
    for name, read in readers.items():
        read(images[0])
        start = time.process_time()
        for data in images:
            read(data)
        times[f"{folder.name}, {name}"] = (time.process_time() - start) / len(images) * 1000
print(json.dumps(times))
"""


def write_images(folder: Path) -> None:
    """Write the images to decode, a folder for each kind."""
    photos = sorted((photos_folder() / "grocery-store").rglob("*.jpg"))
    photos = photos[:: max(1, len(photos) // N_PHOTOS)][:N_PHOTOS]
    (folder / "photos, JPEG").mkdir()
    for number, path in enumerate(photos):
        (folder / "photos, JPEG" / f"{number:03}.jpg").write_bytes(path.read_bytes())
    image = Image.open(photos[0]).convert("RGB").resize((LARGE, LARGE), Image.Resampling.BICUBIC)
    forms = {
        "JPEG": (image, "JPEG", {"quality": 85}),
        "progressive JPEG": (image, "JPEG", {"quality": 85, "progressive": True}),
        "PNG": (image, "PNG", {"compress_level": 1}),
        "PNG with alpha": (image.convert("RGBA"), "PNG", {"compress_level": 1}),
        "WebP": (image, "WEBP", {"method": 0}),
        "AVIF": (image, "AVIF", {"speed": 10}),
        "GIF": (image.quantize(256), "GIF", {}),
        "TIFF": (image, "TIFF", {"compression": "tiff_lzw"}),
        "BMP": (image, "BMP", {}),
    }
    for name, (source, kind, options) in forms.items():
        buffer = io.BytesIO()
        source.copy().save(buffer, kind, **options)
        (folder / f"large, {name}").mkdir()
        for number in range(3):
            (folder / f"large, {name}" / str(number)).write_bytes(buffer.getvalue())


def measure(package: Path, images: Path) -> dict[str, float]:
    """Return milliseconds per image by kind and reader, for the package of a checkout."""
    return run_worker(_WORKER, package, str(images), {"OMP_NUM_THREADS": "1"})


def main() -> None:
    """Print the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    folders = [ROOT] + ([arguments.against.resolve()] if arguments.against else [])
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name))
        turns = [
            [measure(folder, Path(name)) for folder in folders] for _ in range(arguments.turns)
        ]
    print(
        f"{'ms per image':44}" + f"{'here':>8}" + f"{'other':>8}{'ratio':>8}" * (len(folders) - 1)
    )
    for kind in turns[0][0]:
        columns = [
            statistics.median(turn[index][kind] for turn in turns) for index in range(len(folders))
        ]
        line = f"{kind:44}" + "".join(f"{value:8.2f}" for value in columns)
        if len(folders) > 1:
            line += f"{statistics.median(turn[0][kind] / turn[1][kind] for turn in turns):8.2f}"
        print(line)


if __name__ == "__main__":
    main()
