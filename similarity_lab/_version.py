"""Version of this package, and of the libraries that its results depend on."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

__version__ = "2.0.0"

# Distributions that a decision depends on, then those of the trained approaches.
_CORE = ("numpy", "openvino", "pandas", "pillow", "scikit-learn", "scipy", "simplejpeg")
_OPTIONAL = ("keras", "opencv-python", "tensorflow", "tensorflow-similarity")


def versions() -> dict[str, str]:
    """Return the versions that every result records, without importing the libraries.

    Returns
    -------
    dict
        Version by distribution name: this package, Python, the libraries of the core install, and
        those of the extra ``train``; "not installed" for a missing one.

    Examples
    --------
    >>> sorted(versions())[-2:]
    ['tensorflow', 'tensorflow-similarity']
    """
    return dict(_installed())  # a copy, since results keep it


@cache
def _installed() -> dict[str, str]:
    result = {"similarity_lab": __version__, "python": platform.python_version()}
    for package in (*_CORE, *_OPTIONAL):
        try:
            result[package] = version(package)
        except PackageNotFoundError:
            result[package] = "not installed"
    return result
