"""Versions of this package and of what its figures depend on."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

__version__ = "1.0.1"

_MATTER = (
    "keras", "numpy", "opencv-python", "openvino", "pandas", "pillow", "scikit-learn", "simplejpeg",
    "tensorflow",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions that go beside every number, without importing anything heavy."""
    return dict(_installed())  # a copy: results keep it


@cache
def _installed() -> dict[str, str]:
    found = {"similarity_lab": __version__, "python": platform.python_version()}
    for package in _MATTER:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
