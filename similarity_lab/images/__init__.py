"""Read untrusted images, one or many, as arrays of pixels; refuse the others with a reason."""

from similarity_lab.images.augmentation import Augmentation
from similarity_lab.images.reading import (
    MAX_PIXELS,
    Color,
    Header,
    Pixels,
    check_image,
    image_size,
    read_header,
    read_image,
)
from similarity_lab.images.sources import Source, content_digest

__all__ = [
    "MAX_PIXELS",
    "Augmentation",
    "Color",
    "Header",
    "Pixels",
    "Source",
    "check_image",
    "content_digest",
    "image_size",
    "read_header",
    "read_image",
]
