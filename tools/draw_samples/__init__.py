"""Draw the images that ship as the sample: products, people, places, prints. Needs OpenCV.

    python -m tools.draw_samples

writes ``similarity_lab/samples/data/``. `draw` renders one image; `plan` says which images the
sample consists of.
"""

from tools.draw_samples.drawing import draw

__all__ = ["draw"]
