"""From a lit scene to a photo: viewpoint, focus, white balance, exposure, grain."""

import cv2
import numpy as np

from .pixels import Floats, Pixels, Rng, blur, grid, mix, resize


def _lean(rng: Rng, picture: Floats) -> Floats:
    """Look at the table from the front edge instead of straight down: the far side shrinks."""
    height, width = picture.shape[:2]
    inset = rng.uniform(0.06, 0.2) * width
    corners = [(0, 0), (width, 0), (width - inset, height), (inset, height)]
    frame = [(0, 0), (width, 0), (width, height), (0, height)]
    matrix = cv2.getPerspectiveTransform(np.array(corners, np.float32), np.array(frame, np.float32))
    return np.asarray(cv2.warpPerspective(picture, matrix, (width, height)), np.float32)


def _focus(rng: Rng, picture: Floats) -> Floats:
    """Blur what is far behind or before the sharp plane, as a wide open lens does."""
    _, y = grid(picture.shape[:2])
    away = np.abs(y - rng.uniform(-0.1, 0.4)) - rng.uniform(0.3, 0.6)
    return mix(picture, blur(picture, picture.shape[0] * rng.uniform(0.004, 0.011)), 1.4 * away)


def develop(rng: Rng, picture: Floats, size: tuple[int, int], *, flat: bool = False) -> Pixels:
    """Return the photo of a lit scene.

    Parameters
    ----------
    rng : numpy.random.Generator
    picture : (h, w, 3) float32
        Linear light, larger than the photo (the surplus becomes smooth edges).
    size : (height, width)
        Of the photo, pixels.
    flat : bool
        Leave viewpoint and focus alone (upright scenes, prints).

    Returns
    -------
    (height, width, 3) uint8, RGB
    """
    if not flat and rng.random() < 0.5:
        picture = _focus(rng, _lean(rng, picture))
    photo = resize(picture, size)
    photo = blur(photo, max(0.0, rng.normal(0.25, 0.3)))
    balance = np.exp(rng.normal(0, 0.045, 3)) * np.exp(rng.normal(0.02, 0.09))
    x, y = grid(size)
    corners = 1 - rng.uniform(0, 0.22) * (x * x + y * y)
    photo = photo * (balance * corners[..., None]).astype(np.float32)
    # A soft shoulder keeps highlights from being cut off flat
    photo = np.where(photo > 0.8, 0.8 + 0.2 * np.tanh((photo - 0.8) / 0.2), photo)
    photo = np.clip(photo, 0, 1) ** np.float32(1 / 2.2)
    grain = blur(rng.standard_normal((*size, 3), np.float32), rng.uniform(0, 0.7))
    photo = photo + rng.uniform(0.004, 0.018) * grain
    return np.asarray(np.clip(photo * 255 + 0.5, 0, 255), np.uint8)
