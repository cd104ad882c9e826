"""Where and how a network is rounded to eight bits.

Found by NNCF's post-training quantisation on generated photos (``tools/make_int8.py``) and kept as
ranges of activations and corrected biases only: a third of a megabyte, applied to the packaged
weights when the graph is built. Stem and first block stay in float32; they hold a twentieth of the
arithmetic and most of the error.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from similarity_lab.embedders.lite_variants import Weights

FILE = Path(__file__).with_name("int8.npz")

# Before VNNI, processors add two products in 16 bits; 7-bit weights keep the sum from saturating,
# so that vectors are the same on old processors and on new ones. Depthwise kernels never pair.
_STEPS, _DEPTHWISE_STEPS = 63.5, 127.0


@dataclass(frozen=True, eq=False)
class Int8:
    """The int8 form of one network.

    Attributes
    ----------
    ranges : dict of str to ndarray of float32, shape (2, 1) or (2, channels)
        Lowest and highest value of the activations that are rounded, by name of the operation.
    biases : dict of str to ndarray of float32, shape (channels,)
        Of the convolutions with int8 weights, corrected for what rounding shifts.
    """

    ranges: dict[str, Weights]
    biases: dict[str, Weights]

    @classmethod
    def nowhere(cls) -> "Int8":
        """Round nothing."""
        return cls({}, {})

    @classmethod
    def packaged(cls, variant: str) -> "Int8":
        """Return the form that comes with the package."""
        with np.load(FILE, allow_pickle=False) as file:
            return cls(
                *(
                    {
                        name.removeprefix(f"{variant}/{kind}/"): file[name]
                        for name in file.files
                        if name.startswith(f"{variant}/{kind}/")
                    }
                    for kind in ("range", "bias")
                )
            )

    def arrays(self, variant: str) -> dict[str, Weights]:
        """Return what `packaged` reads, by name in the file."""
        ranges = {f"{variant}/range/{name}": limits for name, limits in self.ranges.items()}
        return ranges | {f"{variant}/bias/{name}": bias for name, bias in self.biases.items()}


def rounded_weights(kernel: Weights, *, depthwise: bool) -> tuple[npt.NDArray[np.int8], Weights]:
    """Return int8 weights and the scale of each filter, whose product is about `kernel`.

    Examples
    --------
    >>> values, scale = rounded_weights(np.array([[0.5, -1.27]], np.float32), depthwise=True)
    >>> values
    array([[  50, -127]], dtype=int8)
    """
    steps = _DEPTHWISE_STEPS if depthwise else _STEPS
    others = tuple(range(1, kernel.ndim))
    largest = np.abs(kernel).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(steps)
    values = np.clip(np.rint(kernel / scale), -np.floor(steps), np.floor(steps))
    return values.astype(np.int8), scale
