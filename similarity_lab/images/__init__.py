"""Bytes to pixels: read images from untrusted sources, one or many, or refuse with a reason."""

from similarity_lab.images.reading import (
    MAX_PIXELS,
    UPRIGHT,
    Color,
    Pixels,
    check_image,
    identified,
    image_size,
    orientation,
    read_header,
    read_image,
)

__all__ = [
    "MAX_PIXELS",
    "UPRIGHT",
    "Color",
    "Pixels",
    "check_image",
    "identified",
    "image_size",
    "orientation",
    "read_header",
    "read_image",
]
