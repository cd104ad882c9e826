"""The original study, reproduced: its scoring loop, its training with all faults, its MNIST demo.

Names are imported on first use: importing this package does not import Keras. Everything here
needs the extra ``train``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
