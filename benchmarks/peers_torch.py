"""Time PyTorch with the package's network and weights, and imagededup's CNN encoder (untrained).

    python -m benchmarks.speed_peers        # builds an environment for it and runs this in it

For each line on stdin, prints as JSON the seconds for images from arrays (PyTorch) and from the
files of the folder argument (imagededup, whose MobileNetV3 small is smaller than Lite0).
"""

import json
import os
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.speed_peers import BATCH, IMAGES, noise_images


class Lite0(torch.nn.Module):
    """EfficientNet-Lite0 from the packaged weights, batch normalisation folded in, TF's padding."""

    def __init__(self) -> None:
        from similarity_lab.embedders.lite import VARIANTS, fold_batch_norm, read_pth

        super().__init__()
        self.variant = VARIANTS["efficientnet-lite0"]
        tensors = read_pth(self.variant.weights_path())
        self.fold = lambda name: [torch.tensor(part) for part in fold_batch_norm(tensors, name)]
        self.weights: dict[str, list[torch.Tensor]] = {}

    def convolution(
        self, x: torch.Tensor, name: str, *, stride: int = 1, relu: bool = True
    ) -> torch.Tensor:
        """Convolve as TensorFlow does with "same" padding."""
        if name not in self.weights:
            self.weights[name] = self.fold(name)
        kernel, bias = self.weights[name]
        size, kernel_size = x.shape[-1], kernel.shape[-1]
        padding = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
        before, after = padding // 2, padding - padding // 2
        x = functional.pad(x, (before, after, before, after))
        groups = len(kernel) if "depthwise" in name else 1
        x = functional.conv2d(x, kernel, bias, stride, groups=groups)
        return functional.relu6(x) if relu else x

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return vectors ``(b, 1280)`` of float32 pixels ``(b, 3, h, w)``, 0…255."""
        from similarity_lab.embedders.lite import OFFSET, SCALE

        x = self.convolution((pixels - OFFSET) / SCALE, "stem", stride=2)
        for number, block in enumerate(self.variant.blocks()):
            index, before = f"block{number}", x
            if block.expansion != 1:
                x = self.convolution(x, f"{index}_expand")
            x = self.convolution(x, f"{index}_depthwise", stride=block.stride)
            x = self.convolution(x, f"{index}_project", relu=False)
            if block.stride == 1 and x.shape[1] == before.shape[1]:
                x = x + before
        return self.convolution(x, "head").mean((2, 3))


def encoder() -> object:
    """Return imagededup's CNN with an untrained MobileNetV3 small."""
    import torchvision
    from imagededup.methods import CNN
    from imagededup.utils import CustomModel
    from torchvision import transforms

    whole = torchvision.models.mobilenet_v3_small(weights=None).eval()
    network = torch.nn.Sequential(whole.features, whole.avgpool, torch.nn.Flatten())
    steps = [transforms.Resize((224, 224)), transforms.ToTensor()]
    config = CustomModel("untrained", network, transforms.Compose(steps))
    return CNN(verbose=False, model_config=config)


def main() -> None:
    """Measure both for each line on stdin."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    folder, network, cnn = Path(sys.argv[1]), Lite0().eval(), encoder()
    pixels = torch.tensor(noise_images().transpose(0, 3, 1, 2)).float()
    with torch.inference_mode():
        for _ in sys.stdin:
            start = time.perf_counter()
            parts = [network(pixels[index : index + BATCH]) for index in range(0, IMAGES, BATCH)]
            arrays = time.perf_counter() - start
            start = time.perf_counter()
            cnn.encode_images(image_dir=folder)
            files = time.perf_counter() - start
            answer = {
                "seconds": {
                    "PyTorch, float32": arrays,
                    "imagededup CNN (MobileNetV3 small), files": files,
                },
                "vectors": torch.cat(parts)[:, :8].tolist(),
            }
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
