"""The original study, reproduced: its training loop, its faults and its MNIST demo.

Names are imported on first use: importing this package loads no network library.
"""

from typing import TYPE_CHECKING

from similarity_lab._lazy import lazy_names

if TYPE_CHECKING:
    from similarity_lab.study.mnist import Demo, run_demo

_HOMES = {"Demo": "mnist", "run_demo": "mnist"}

__all__ = ["Demo", "run_demo"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
