"""Changed copies of drawn photos are found; other photos of the same products are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from similarity_lab.errors import InputError
from similarity_lab.images.copies import compare_details, copy_thumbnail, find_copies
from similarity_lab.samples import load_image

SUBJECTS = ("almonds", "dates", "hazelnuts", "oats")


def crop(image, share):
    width, height = image.size
    x, y = int(width * share), int(height * share)
    return image.crop((x, y, width - x, height - y))


def write_across(image):
    image = image.copy()
    font = ImageFont.load_default(image.height // 9)
    position = image.width // 8, image.height // 2
    ImageDraw.Draw(image).text(position, "SUMMER SALE", font=font, fill=(200, 0, 0))
    return image


def save_again(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=45)
    return Image.open(buffer).convert("RGB")


CHANGES = {
    "none": lambda image: image,
    "saved again": save_again,
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "cropped": lambda image: crop(image, 0.05),
    "cropped at one side": lambda image: image.crop((0, 0, image.width * 19 // 20, image.height)),
    "mirrored": ImageOps.mirror,
    "framed": lambda image: ImageOps.expand(image, 12, "white"),
    "framed in black": lambda image: ImageOps.expand(image, 12, "black"),
    "text across": write_across,
    "mirrored and cropped": lambda image: save_again(crop(ImageOps.mirror(image), 0.05)),
}


@pytest.fixture(scope="module")
def photos():
    """Return three photos of each subject."""
    return {
        (subject, number): Image.fromarray(load_image(subject, number, size=(240, 320)))
        for subject in SUBJECTS
        for number in (1, 2, 3)
    }


def thumbnail(image):
    return copy_thumbnail(np.asarray(image))


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found(photos, change):
    agreements = [
        compare_details(thumbnail(photo), thumbnail(CHANGES[change](photo)))
        for photo in photos.values()
    ]
    assert all(agreement.is_copy for agreement in agreements)


def test_other_photos_of_the_same_products_are_no_copies(photos):
    thumbnails = {key: thumbnail(photo) for key, photo in photos.items()}
    pairs = [(a, b) for a in thumbnails for b in thumbnails if a < b]
    assert not any(compare_details(thumbnails[a], thumbnails[b]).is_copy for a, b in pairs)


def test_same_package_with_another_picture_or_colour_is_no_copy(photos):
    """A design that products share: the same frame, name and background, another picture."""

    def package(photo, color):
        image = Image.new("RGB", (240, 320), color)
        image.paste(photo.resize((200, 150)), (20, 120))
        ImageDraw.Draw(image).text((30, 40), "Good food", fill="white", font_size=40)
        return thumbnail(image)

    one = package(photos["almonds", 1], (20, 60, 160))
    assert not compare_details(one, package(photos["dates", 1], (20, 60, 160))).is_copy
    assert not compare_details(one, package(photos["almonds", 1], (190, 60, 20))).is_copy
    assert compare_details(one, package(photos["almonds", 1], (25, 65, 165))).is_copy


@pytest.mark.parametrize("color", [0, 128, 255])
def test_images_without_details_are_no_copies(color):
    flat = np.full((64, 64, 3), color, np.uint8)
    assert compare_details(flat, flat) == (0.0, 0.0)


def test_find_copies_equals_a_loop_over_the_pairs(photos):
    images = [thumbnail(photo) for photo in photos.values()]
    images += [thumbnail(CHANGES["cropped"](photo)) for photo in photos.values()]
    pairs = [(a, b) for b in range(len(images)) for a in range(b)]
    expected = [(a, b) for a, b in pairs if compare_details(images[a], images[b]).is_copy]
    assert sorted(find_copies(pairs, images.__getitem__)) == sorted(expected)
    assert set(expected) == {(n, n + len(photos)) for n in range(len(photos))}
    assert find_copies([], images.__getitem__) == []


def test_compare_details_of_another_shape():
    with pytest.raises(InputError, match=r"expected shape \(64, 64, 3\), got \(32, 32\)"):
        compare_details(np.zeros((64, 64, 3), np.uint8), np.zeros((32, 32), np.uint8))
