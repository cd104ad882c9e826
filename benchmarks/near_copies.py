"""Measure how well changed copies of one photo are told from photos of look-alike products.

    python -m benchmarks.near_copies [--copies N]

Thresholds were chosen on the training photos of the Grocery Store dataset and on clothing; figures
are of its test photos, its product pictures (juices and milks in packages of one design), the
merchandise of one shop (shirts and shoes from several sides) and photos of Wikimedia Commons. The
copies are made here. Recall: the share of copies that are recognised as a copy of their original,
which is among all photos of its set. False pairs: of different photos, most of products that look
alike. Rules: the package's; hashes (what it did before); imagededup's on the same vectors (cosine
similarity 0.9) and its perceptual hash (10 bits). Its own network's weights come from a hub.
Writes benchmarks/results/near_copies.json.
"""

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from benchmarks.common import make_parser, origin, photos_folder, require_clean_tree, write_results
from similarity_lab import load_embedder, read_image
from similarity_lab.images import Pixels
from similarity_lab.images.copies import compare_details, copy_thumbnail
from similarity_lab.images.hashing import hash_distance, hash_thumbnail, perceptual_hash
from similarity_lab.images.scaled import resize
from similarity_lab.relevance.site import nearest_pairs
from similarity_lab.store import unit

CLOSE, SAME_BITS = 1e-3, 6  # of hashes, as in relevance/site.py
DEDUP_DISTANCE, DEDUP_BITS = 0.1, 10  # imagededup's defaults
WORDS = ("SALE", "sample shop", "www.example.com", "NEW", "(c) photo")

Change = Callable[[Image.Image, random.Random], Image.Image]


def save_again(image: Image.Image, quality: int) -> Image.Image:
    """Return an image as a JPEG of this quality shows it."""
    buffer = io.BytesIO()
    image.copy().save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def crop(image: Image.Image, share: float) -> Image.Image:
    """Return an image without this share on each side."""
    width, height = image.size
    x, y = int(width * share), int(height * share)
    return image.crop((x, y, width - x, height - y))


def frame(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return an image in a frame of 3 to 8 % of its shorter side."""
    width = int(min(image.size) * rng.uniform(0.03, 0.08))
    return ImageOps.expand(image, width, rng.choice(["white", "black", "lightgray"]))


def write_across(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return an image with words across it."""
    image = image.copy()
    font = ImageFont.load_default(max(12, int(image.height * rng.uniform(0.08, 0.14))))
    position = image.width * rng.uniform(0.05, 0.3), image.height * rng.uniform(0.3, 0.6)
    color = rng.choice(["white", "black", "red", "yellow"])
    ImageDraw.Draw(image).text(position, rng.choice(WORDS), font=font, fill=color)
    return image


CHANGES: dict[str, Change] = {
    "saved again": lambda image, rng: save_again(image, 40),
    "half the size": lambda image, rng: image.resize((image.width // 2, image.height // 2)),
    "brighter": lambda image, rng: ImageEnhance.Brightness(image).enhance(1.15),
    "cropped by 5 %": lambda image, rng: save_again(crop(image, 0.05), 85),
    "mirrored": lambda image, rng: save_again(ImageOps.mirror(image), 85),
    "framed": lambda image, rng: save_again(frame(image, rng), 85),
    "text across": lambda image, rng: save_again(write_across(image, rng), 85),
    "mirrored and cropped": lambda image, rng: save_again(crop(ImageOps.mirror(image), 0.05), 85),
    "framed, text across": lambda image, rng: save_again(frame(write_across(image, rng), rng), 85),
}


def photo_sets(folder: Path) -> dict[str, list[Path]]:
    """Return the photos by set; thresholds were chosen on the first two."""
    grocery, distractors = folder / "grocery-store" / "dataset", folder / "distractors"
    return {
        "training photos": sorted((grocery / "train").rglob("*.jpg"))[::9],
        "clothing": sorted((distractors / "clothing").iterdir()),
        "test photos": sorted((grocery / "test").rglob("*.jpg"))[::9],
        "packages": sorted((grocery / "iconic-images-and-descriptions").rglob("*.jpg")),
        "merchandise": sorted((distractors / "merch").iterdir()),
        "Wikimedia": sorted((distractors / "wikimedia").iterdir()),
    }


def thumbnail_and_hash(pixels: Pixels) -> tuple[Pixels, np.uint64]:
    """Return both as the package makes them."""
    resized = resize(pixels, (224, 224))
    return copy_thumbnail(resized), perceptual_hash(hash_thumbnail(resized))


def verdicts(
    a: tuple[Pixels, np.uint64], b: tuple[Pixels, np.uint64], distance: float, *, is_listed: bool
) -> dict[str, bool]:
    """Return the answer of each rule to whether two images are copies."""
    bits = int(hash_distance(a[1], b[1]))
    by_hash = distance <= CLOSE and bits <= SAME_BITS
    return {
        "package": by_hash or (is_listed and compare_details(a[0], b[0]).is_copy),
        "hashes": by_hash,
        "imagededup CNN rule": distance <= DEDUP_DISTANCE,
        "imagededup PHash rule": bits <= DEDUP_BITS,
    }


def measure(paths: list[Path], n_copies: int) -> list[dict[str, object]]:
    """Return one row per pair that a rule could take for copies: the kind and the answers."""
    embedder, rng = load_embedder(), random.Random(0)  # noqa: S311
    photos = [read_image(path) for path in paths]
    vectors = unit(embedder.embed(photos, progress=False).vectors)
    traits = [thumbnail_and_hash(photo) for photo in photos]
    rows: list[dict[str, object]] = []
    listed = set(nearest_pairs(vectors))
    hashes = np.array([each[1] for each in traits])
    for first in range(len(photos)):
        distances = 1 - vectors @ vectors[first]
        close = (distances <= DEDUP_DISTANCE) | (hash_distance(hashes, hashes[first]) <= DEDUP_BITS)
        near = {b for a, b in listed if a == first} | set(np.flatnonzero(close).tolist())
        for second in sorted(b for b in near if b > first):
            is_listed = (first, second) in listed
            answers = verdicts(
                traits[first], traits[second], float(distances[second]), is_listed=is_listed
            )
            rows.append({"kind": "different", **answers})
    chosen = sorted(rng.sample(range(len(photos)), min(n_copies, len(photos))))
    for kind, change in CHANGES.items():
        copies = [np.asarray(change(Image.fromarray(photos[index]), rng)) for index in chosen]
        changed = unit(embedder.embed(copies, progress=False).vectors)
        for index, copy, vector in zip(chosen, copies, changed, strict=True):
            joint = np.concatenate([vectors, vector[None]])
            is_listed = (index, len(vectors)) in set(nearest_pairs(joint))
            distance = float(1 - vectors[index] @ vector)
            answers = verdicts(
                traits[index], thumbnail_and_hash(copy), distance, is_listed=is_listed
            )
            rows.append({"kind": kind, **answers})
    return rows


def main() -> None:
    """Print and write the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--copies", type=int, default=60, help="photos of a set to copy")
    options = parser.parse_args()
    require_clean_tree()
    tables = []
    for name, paths in photo_sets(photos_folder()).items():
        table = pd.DataFrame(measure(paths, options.copies))
        table.insert(0, "set", name)
        table["photos"] = len(paths)
        tables.append(table)
        print(name, len(paths), flush=True)
    rows = pd.concat(tables, ignore_index=True)
    rules = ["package", "hashes", "imagededup CNN rule", "imagededup PHash rule"]
    is_chosen = rows["set"].isin(["training photos", "clothing"])
    result: dict[str, object] = {"rules": rules, "seed": 0}
    for label, part in (("chosen on", rows[is_chosen]), ("reported", rows[~is_chosen])):
        copies = part[part["kind"] != "different"]
        different = part[part["kind"] == "different"]
        recall = copies.groupby("kind", sort=False)[rules].mean().round(3)
        pairs = different.groupby("set", sort=False)[rules].sum()
        n_found, n_false = copies[rules].sum(), different[rules].sum()
        precision = (n_found / (n_found + n_false)).round(3)
        for title, table in (("recall", recall), ("false pairs", pairs), ("", precision)):
            print(f"\n{label}: {title or 'precision'}\n{table.to_string()}")
        result[label] = {
            "precision": precision.to_dict(),
            "recall": recall.to_dict("index"),
            "false_pairs": pairs.to_dict("index"),
            "photos": part.groupby("set", sort=False)["photos"].first().to_dict(),
            "copies": len(copies),
        }
    command = "python -m benchmarks.near_copies"
    write_results("near_copies", {"origin": origin(command, copies=options.copies), **result})


if __name__ == "__main__":
    main()
