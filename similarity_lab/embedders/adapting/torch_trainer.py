"""Fine-tune the last blocks of EfficientNet-Lite in PyTorch, on a CPU or an accelerator."""

from typing import Any

import numpy as np
import numpy.typing as npt

from similarity_lab.embedders.adapting.trainer import (
    LABEL_SMOOTHING,
    LOGIT_SCALE,
    Activations,
    Kernels,
)
from similarity_lab.embedders.lite import VARIANTS, LiteWeights, Weights, scale_and_bias, torch_name
from similarity_lab.embedders.torch_lite import lite_module
from similarity_lab.embedders.torch_runtime import fast_precision, torch

_EPSILON, _BETA = 1e-7, 0.999  # of Adam, as in Keras


class TorchTrainer:
    """The last blocks and a cosine classifier, trained by Adam; see `Trainer`.

    On an accelerator with bfloat16 the network runs in it; its weights and the loss stay in
    float32. Float16, whose range gradients leave, is not used.
    """

    def __init__(self, weights: LiteWeights, blocks: int, classifier: Weights, device: str) -> None:
        library = self._library = torch()
        self._device = library.device(device)
        self._is_mixed = fast_precision(device) == "bfloat16"
        count = len(VARIANTS[weights.variant].blocks())
        self._back = lite_module(weights, range(count - blocks, count))
        for layer, convolution in self._back.convolutions.items():
            _unfold(convolution, weights, layer, library)
        # on a CPU, twice as fast as the default order
        self._back.to(self._device, memory_format=library.channels_last)
        self._classifier = library.nn.Parameter(
            library.from_numpy(np.ascontiguousarray(classifier.T)).to(self._device)
        )
        trained = [kernel for kernel in self._back.parameters() if kernel.requires_grad]
        self._optimizer = library.optim.Adam([*trained, self._classifier], betas=(0.9, _BETA))
        self._n_steps = 0

    def step(self, batch: Activations, labels: npt.NDArray[np.intp], learning_rate: float) -> Any:  # noqa: ANN401
        """Train on one batch; return its loss."""
        library, functional = self._library, self._library.nn.functional
        self._n_steps += 1
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
            # Keras adds it to the second moment before that is corrected for its start at 0
            group["eps"] = _EPSILON / (1 - _BETA**self._n_steps) ** 0.5
        values = library.from_numpy(batch).to(self._device, non_blocking=True).float()
        targets = library.from_numpy(labels).to(self._device, non_blocking=True)
        with (
            library.autocast(self._device.type, library.bfloat16, enabled=self._is_mixed),
            library.backends.cudnn.flags(allow_tf32=False),
        ):
            vectors = self._back(values)
        cosines = functional.normalize(vectors.float()) @ self._classifier.T
        loss = functional.cross_entropy(
            LOGIT_SCALE * cosines, targets, label_smoothing=LABEL_SMOOTHING
        )
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        with library.no_grad():
            self._classifier.copy_(functional.normalize(self._classifier))
        return loss.detach()  # not read yet: the device need not be waited for

    def kernels(self) -> Kernels:
        """Return the kernels as trained so far."""
        return {
            torch_name(f"{layer}_conv") + ".weight": _original(convolution).detach().cpu().numpy()
            for layer, convolution in self._back.convolutions.items()
        }


def _unfold(convolution: Any, weights: LiteWeights, layer: str, library: Any) -> None:  # noqa: ANN401
    """Train the kernel as it is stored; its batch normalisation becomes a constant factor."""

    class Scaled(library.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            factor, _ = scale_and_bias(weights.tensors, layer)
            factors = library.from_numpy(factor.astype(np.float32)[:, None, None, None])
            self.register_buffer("factors", factors)

        def forward(self, kernel: Any) -> Any:  # noqa: ANN401
            return kernel * self.factors

    convolution.bias.requires_grad_(False)
    library.nn.utils.parametrize.register_parametrization(convolution, "weight", Scaled())
    kernel = weights.tensors[torch_name(f"{layer}_conv") + ".weight"]
    _original(convolution).data = library.from_numpy(np.ascontiguousarray(kernel))


def _original(convolution: Any) -> Any:  # noqa: ANN401
    return convolution.parametrizations.weight.original
