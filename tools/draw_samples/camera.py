"""Camera model: turn a lit scene into an image (viewpoint, focus, white balance, grain)."""

import cv2
import numpy as np

from .pixels import Floats, Pixels, Rng, blur, grid, mix, resize


def _lean(rng: Rng, linear: Floats) -> Floats:
    """Return the table seen from its front edge: the far side shrinks in perspective."""
    height, width = linear.shape[:2]
    inset = rng.uniform(0.06, 0.2) * width
    corners = [(0, 0), (width, 0), (width - inset, height), (inset, height)]
    frame = [(0, 0), (width, 0), (width, height), (0, height)]
    matrix = cv2.getPerspectiveTransform(np.array(corners, np.float32), np.array(frame, np.float32))
    return np.asarray(cv2.warpPerspective(linear, matrix, (width, height)), np.float32)


def _focus(rng: Rng, linear: Floats) -> Floats:
    """Return the image with shallow depth of field: blurred before and behind the sharp plane."""
    _, y = grid(linear.shape[:2])
    away = np.abs(y - rng.uniform(-0.1, 0.4)) - rng.uniform(0.3, 0.6)
    return mix(linear, blur(linear, linear.shape[0] * rng.uniform(0.004, 0.011)), 1.4 * away)


def develop(rng: Rng, linear: Floats, size: tuple[int, int], *, flat: bool = False) -> Pixels:
    """Return an image of a lit scene.

    Parameters
    ----------
    rng : numpy.random.Generator
    linear : (h, w, 3) float32
        Linear light, larger than the image: scaling it down smooths the edges.
    size : (height, width)
        Of the image, in pixels.
    flat : bool
        Keep viewpoint and focus (for upright scenes and prints).

    Returns
    -------
    (height, width, 3) uint8, RGB
    """
    if not flat and rng.random() < 0.5:
        linear = _focus(rng, _lean(rng, linear))
    image = resize(linear, size)
    image = blur(image, max(0.0, rng.normal(0.25, 0.3)))
    balance = np.exp(rng.normal(0, 0.045, 3)) * np.exp(rng.normal(0.02, 0.09))
    x, y = grid(size)
    corners = 1 - rng.uniform(0, 0.22) * (x * x + y * y)
    image = image * (balance * corners[..., None]).astype(np.float32)
    # A soft shoulder keeps highlights from being cut off flat
    image = np.where(image > 0.8, 0.8 + 0.2 * np.tanh((image - 0.8) / 0.2), image)
    image = np.clip(image, 0, 1) ** np.float32(1 / 2.2)
    grain = blur(rng.standard_normal((*size, 3), np.float32), rng.uniform(0, 0.7))
    image = image + rng.uniform(0.004, 0.018) * grain
    return np.asarray(np.clip(image * 255 + 0.5, 0, 255), np.uint8)
