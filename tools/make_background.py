"""Make similarity_lab/relevance/rules/background.npz: vectors of generated background images.

    python -m tools.make_background

Equal on every machine up to rounding: the images are drawn from seeds, the weights are packaged.
"""

import argparse

import numpy as np

from similarity_lab.embedders import load_embedder
from similarity_lab.relevance.rules.background import FILE
from similarity_lab.relevance.rules.learned import QUALITIES
from tools.draw_samples.background import background_images


def main() -> None:
    """Draw, embed and write."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    images = background_images()
    embedders = [
        load_embedder(name, input_size=size, runtime="keras") for name, size in QUALITIES.values()
    ]
    vectors = {
        f"vectors_{number}": embedder.embed(images).vectors.astype(np.float16)
        for number, embedder in enumerate(embedders)
    }
    names = np.array([embedder.name for embedder in embedders])
    np.savez_compressed(FILE, embedders=names, **vectors)
    print(f"{FILE}: {len(images)} images, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
