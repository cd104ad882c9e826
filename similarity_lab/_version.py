"""Version of this package, and of the libraries that its figures depend on."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

__version__ = "2.0.0"

# What a decision is computed with, then what the trained approaches are computed with.
_CORE = ("numpy", "openvino", "pandas", "pillow", "scikit-learn", "scipy", "simplejpeg")
_OPTIONAL = ("keras", "opencv-python", "tensorflow", "tensorflow-similarity")


def versions() -> dict[str, str]:
    """Return the versions that are kept with every result, without importing the libraries.

    Returns
    -------
    dict
        Version by distribution name: this package, Python, the libraries of the core install, and
        those of the extra ``train``; "not installed" for what is missing.

    Examples
    --------
    >>> sorted(versions())[-2:]
    ['tensorflow', 'tensorflow-similarity']
    """
    return dict(_installed())  # a copy: results keep it


@cache
def _installed() -> dict[str, str]:
    result = {"similarity_lab": __version__, "python": platform.python_version()}
    for package in (*_CORE, *_OPTIONAL):
        try:
            result[package] = version(package)
        except PackageNotFoundError:
            result[package] = "not installed"
    return result
