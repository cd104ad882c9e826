"""Which browser there is to draw pages, and how to get what is missing."""

import os
import shutil
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING_PACKAGE = 'pip install "similarity_lab[browser]"'
MISSING_BROWSER = (
    "install Chromium with the system's package manager (apt install chromium), or run "
    "playwright install chromium"
)


def installed_browser() -> str | None:
    """Return the path of a Chromium that the system's package manager installed."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def missing_browser() -> str:
    """Return how to get what is missing to draw pages, or ``""`` if nothing is."""
    has_browser = bool(installed_browser()) or _has_packaged_browser()
    steps = [] if find_spec("playwright") else [MISSING_PACKAGE]
    return ", then ".join(steps if has_browser else [*steps, MISSING_BROWSER])


def _has_packaged_browser() -> bool:
    """Return whether Playwright has downloaded a Chromium."""
    default = Path.home() / ".cache" / "ms-playwright"  # elsewhere Playwright itself finds out
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", default))
    with suppress(OSError):
        return any(path.name.startswith("chromium") for path in folder.iterdir())
    return False
