"""A sample that ships with the package: labelled images of nine products, and ten shops.

`make_samples` unpacks it into folders; `load_images` decodes some of it. The images are drawn
(``tools/draw_samples`` in the repository), so that they can be shipped and shown.
"""

from similarity_lab.samples.folder import Samples, make_samples
from similarity_lab.samples.shipped import (
    IMAGES_PER_KIND,
    OTHERS,
    PRODUCTS,
    TARGET,
    background_images,
    image_bytes,
    images_table,
    load_image,
    load_images,
)

__all__ = [
    "IMAGES_PER_KIND",
    "OTHERS",
    "PRODUCTS",
    "TARGET",
    "Samples",
    "background_images",
    "image_bytes",
    "images_table",
    "load_image",
    "load_images",
    "make_samples",
]
