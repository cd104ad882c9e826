"""Make similarity_lab/relevance/background.npz, the vectors of the generated background photos.

    python tools/make_background.py

Equal on every machine up to rounding: the photos are drawn from seeds, the weights are packaged.
"""

import numpy as np

from similarity_lab.embedders import load_embedder
from similarity_lab.relevance.rules.background import FILE, background_photos
from similarity_lab.relevance.rules.learned import QUALITIES


def main() -> None:
    """Draw, embed and write."""
    photos = background_photos()
    embedders = [
        load_embedder(name, input_size=size, runtime="keras") for name, size in QUALITIES.values()
    ]
    vectors = {
        f"vectors_{number}": embedder.embed(photos).vectors.astype(np.float16)
        for number, embedder in enumerate(embedders)
    }
    names = np.array([embedder.name for embedder in embedders])
    np.savez_compressed(FILE, embedders=names, **vectors)
    print(f"{FILE}: {len(photos)} photos, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
