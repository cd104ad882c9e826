"""What the recipe needs of a library that trains networks."""

from typing import Protocol, SupportsFloat

import numpy as np
import numpy.typing as npt

from similarity_lab.embedders.lite import Weights

Activations = npt.NDArray[np.float16]
"""Outputs of the frozen blocks, ``(b, h, w, c)``; of all images in all views, ``(views, n, …)``."""

Kernels = dict[str, Weights]
"""Kernels of the trained convolutions, by their names in the weights file."""

LOGIT_SCALE = 16.0  # inverse temperature: the logits are cosines times this
LABEL_SMOOTHING = 0.1


class Trainer(Protocol):
    """The last blocks of a network and a cosine classifier of the library's products.

    The loss is the cross entropy of `LOGIT_SCALE` times the cosines, with `LABEL_SMOOTHING`. The
    columns of the classifier, ``(1280, products)``, keep unit length. Batch normalisation is
    frozen. The optimiser is Adam with Keras's parameters.
    """

    def step(
        self, batch: Activations, labels: npt.NDArray[np.intp], learning_rate: float
    ) -> SupportsFloat:
        """Train on one batch; return its loss."""

    def kernels(self) -> Kernels:
        """Return the kernels as trained so far."""
