"""Augmentation: small random changes to training images that do not change their class."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from similarity_lab.errors import InputError, MissingExtraError
from similarity_lab.images.reading import Pixels

__all__ = ["Augmentation", "FloatPixels"]

FloatPixels = npt.NDArray[np.float32]
"""Decoded images, ``(b, height, width, c)``, 0…1."""


@dataclass(frozen=True)
class Augmentation:
    """Flip, rotate, zoom, shift and recolour images a little, each independently.

    Every parameter is a largest change; the change of each image is drawn uniformly between none
    and that, in either direction. 0 turns a change off. Areas that a rotation or a shift uncovers
    are filled by reflection, since black corners could be learned as a feature. Needs OpenCV
    (extra ``train``).

    Parameters
    ----------
    flip : float
        Probability that left and right are swapped, 0…1.
    rotation : float
        Degrees, 0…180.
    zoom, shift : float
        As a share of the image size, 0 to below 1.
    brightness : float
        Added to all pixels, on the scale 0…1.
    contrast, color : float
        Factors 1 ± this: on the difference to the image's mean; on each channel and on the
        saturation (not for grayscale). 0 to below 1.

    Raises
    ------
    InputError
        For a value out of range.
    MissingExtraError
        Without OpenCV.

    Examples
    --------
    >>> images = np.full((2, 8, 8, 3), 128, np.uint8)
    >>> changed = Augmentation()(images, np.random.default_rng(0))
    >>> changed.shape, changed.dtype.name, bool((changed[0] != changed[1]).any())
    ((2, 8, 8, 3), 'float32', True)
    """

    flip: float = 0.5
    rotation: float = 15.0
    zoom: float = 0.1
    shift: float = 0.08
    brightness: float = 0.1
    contrast: float = 0.2
    color: float = 0.1

    def __post_init__(self) -> None:
        _opencv()
        for parameter in fields(self):
            name, value = parameter.name, getattr(self, parameter.name)
            maximum = {"flip": 1.0, "rotation": 180.0, "brightness": 1.0}.get(name, 0.99)
            if not 0 <= value <= maximum:
                raise InputError(f"{name} must be between 0 and {maximum:g}, got {value}")

    def __call__(self, pixels: Pixels, rng: np.random.Generator) -> FloatPixels:
        """Return augmented images.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (b, h, w, 3) or (b, h, w, 1)
        rng : numpy.random.Generator
            Equal generators give equal changes.

        Returns
        -------
        ndarray of float32, shape of `pixels`, 0…1
        """
        cv2 = _opencv()
        warped = np.empty_like(pixels)
        for index, matrix in enumerate(self.matrices(len(pixels), pixels.shape[1:3], rng)):
            height, width, channels = pixels.shape[1:]
            image = cv2.warpAffine(
                pixels[index], matrix, (width, height), borderMode=cv2.BORDER_REFLECT
            )
            warped[index] = image.reshape(height, width, channels)
        return self._recolour(warped, rng)

    def matrices(
        self, count: int, size: tuple[int, ...], rng: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        """Return one affine matrix ``(2, 3)`` per image of this height and width."""
        angles = np.deg2rad(rng.uniform(-self.rotation, self.rotation, count))
        zooms = 1 + rng.uniform(-self.zoom, self.zoom, count)
        mirrors = np.where(rng.random(count) < self.flip, -1.0, 1.0)
        height, width = size
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        shifts = rng.uniform(-self.shift, self.shift, (count, 2)) * [width, height]
        cos, sin = zooms * np.cos(angles), zooms * np.sin(angles)
        rotations = np.stack([cos * mirrors, -sin, sin * mirrors, cos], axis=1).reshape(count, 2, 2)
        offsets = centre + shifts - rotations @ centre
        return np.concatenate([rotations, offsets[..., None]], axis=2)

    def _recolour(self, pixels: Pixels, rng: np.random.Generator) -> FloatPixels:
        """Change brightness, contrast and colour: linear per pixel, so one matrix per image."""
        cv2 = _opencv()
        count, channels = len(pixels), pixels.shape[3]

        def draw(largest: float, *shape: int) -> npt.NDArray[np.float64]:
            return rng.uniform(-largest, largest, (count, *shape))

        contrast = 1 + draw(self.contrast, 1, 1)
        mean = pixels.mean(axis=(1, 2, 3), keepdims=True)[..., 0] / 255
        level = (1 - contrast) * mean + draw(self.brightness, 1, 1)
        colors = np.ones((count, 1, 1))
        if channels == 3:
            saturation = 1 + draw(self.color, 1, 1)
            gains = 1 + draw(self.color, 3, 1)
            colors = gains * (saturation * np.eye(3) + (1 - saturation) / 3)
        offsets = level * colors.sum(axis=2, keepdims=True)
        matrices = np.concatenate([colors * contrast / 255, offsets], axis=2)
        values = np.empty(pixels.shape, np.float32)
        for index, (image, matrix) in enumerate(zip(pixels, matrices, strict=True)):
            recoloured = cv2.transform(image.astype(np.float32), matrix)
            values[index] = recoloured.reshape(image.shape).clip(0, 1)
        return values


def _opencv() -> Any:  # noqa: ANN401
    try:
        import cv2
    except ModuleNotFoundError:
        raise MissingExtraError("Augmentation", "OpenCV", "train") from None
    return cv2
