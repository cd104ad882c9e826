"""Make similarity_lab/embedders/int8.npz: int8 quantisation parameters of the packaged networks.

    python -m tools.make_int8

Post-training quantisation by NNCF, calibrated on the generated background images. The result is the
same on every machine up to rounding: the images are drawn from seeds, the weights are packaged.
"""

import argparse
from collections.abc import Sequence

import nncf
import numpy as np
import openvino as ov
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

from similarity_lab import read_image
from similarity_lab.embedders.lite import VARIANTS, LiteWeights
from similarity_lab.embedders.openvino_graph import FILE, Int8, lite_graph
from similarity_lab.images import Pixels
from tools.draw_samples.background import background_images

IN_FLOAT = ["stem.*", "block0_.*"]


def quantise(variant: str, images: Sequence[Pixels]) -> ov.Model:
    """Return the int8 model that NNCF makes."""
    size = VARIANTS[variant].input_size
    pixels = [read_image(image, size=size)[None] for image in images]
    return nncf.quantize(
        lite_graph(LiteWeights(variant), (size, size), 3),
        nncf.Dataset(pixels),
        preset=nncf.QuantizationPreset.PERFORMANCE,  # symmetric ranges: measured better and faster
        target_device=nncf.TargetDevice.CPU,
        subset_size=len(pixels),
        ignored_scope=nncf.IgnoredScope(patterns=IN_FLOAT),
        advanced_parameters=AdvancedQuantizationParameters(overflow_fix=OverflowFix.ENABLE),
    )


def int8_parameters(model: ov.Model) -> Int8:
    """Return the ranges and biases of a model that NNCF quantised."""
    ranges: dict[str, np.ndarray] = {}
    biases: dict[str, np.ndarray] = {}
    for node in model.get_ordered_ops():
        name = node.get_friendly_name()
        inputs = [value.get_node() for value in node.input_values()]
        if node.get_type_name() == "FakeQuantize":
            limits = [np.asarray(constant.data, np.float32).ravel() for constant in inputs[1:3]]
            ranges[inputs[0].get_friendly_name()] = np.stack(limits)
        elif name.endswith("_bias") and inputs[0].input_value(1).get_node().get_type_name() != (
            "Constant"
        ):
            biases[name.removesuffix("_bias")] = np.asarray(inputs[1].data, np.float32).ravel()
    return Int8(ranges, biases)


def main() -> None:
    """Draw the images, quantise the networks and write the file."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    images = background_images()
    arrays: dict[str, np.ndarray] = {}
    for variant in VARIANTS:
        arrays |= int8_parameters(quantise(variant, images)).arrays(variant)
    np.savez_compressed(FILE, **arrays)
    print(f"{FILE}: {len(arrays)} arrays, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
