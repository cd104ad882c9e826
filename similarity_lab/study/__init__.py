"""The original study, reproduced: its training loop, its faults and its MNIST demo.

Names are imported on first use: importing this package loads no network library.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
