"""An image as a page names it, before anything of it has been fetched."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

# Where an image is named says how likely it shows the product; product images come first when
# there are more than the limit.
PRIORITY = {
    "json-ld": 100,
    "microdata": 95,
    "sitemap": 80,
    "link": 70,
    "open graph": 60,
    "img": 50,
    "twitter": 45,
    "poster": 30,
    "background": 25,
    "data": 20,
}
PICTURE_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff"}
)
_TRACKERS = re.compile(
    r"""facebook\.com/tr\b | google-analytics\.com | googletagmanager\.com | doubleclick\.net
      | googleadservices\.com | bat\.bing\.com | /matomo\.php | /piwik\.php | px\.ads\.
      | ct\.pinterest\.com | analytics\.[a-z]+\.com | scorecardresearch\.com
      | (?:pixel|stats)\.wp\.com
      | [/_-](?:1x1|spacer|blank|pixel|transparent|clear|tracking)\.(?:gif|png) """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Found:
    """One image of a page.

    Attributes
    ----------
    address : str
        Absolute, http or https, or a ``data:`` address.
    kind : str
        Where it was named, a key of `PRIORITY`.
    alt : str
        The page's words for it.
    priority : int
        Larger is fetched earlier.
    reason : str
        Why it is not fetched; empty for what is.
    """

    address: str
    kind: str
    alt: str = ""
    priority: int = 0
    reason: str = ""


def ending(address: str) -> str:
    """Return the extension of an address's path, lower case, with its dot, or an empty text."""
    name = urlsplit(address).path.rpartition("/")[2]
    return "." + name.rpartition(".")[2].lower() if "." in name else ""


def unwanted(address: str, width: int | None, height: int | None, side: int) -> str:
    """Return why an image need not be fetched, judging by what the page says of it."""
    if is_drawing(address):
        return "SVG is a drawing, not a photo"
    if address.startswith("data:"):
        return "" if address[5:11].lower() == "image/" else "a data address that is no image"
    if ending(address) in (".ico", ".cur"):
        return "an icon"
    if _TRACKERS.search(address):
        return "a tracker or placeholder, by its address"
    sides = [length for length in (width, height) if length is not None]
    if sides and (min(sides) <= 2 or (len(sides) == 2 and min(sides) < side // 2)):
        kind = "a tracker" if min(sides) <= 2 else "an icon"
        return f"{kind}: declared {' x '.join(map(str, sides))} pixels"
    return ""


def is_drawing(address: str) -> bool:
    """Tell whether an address is that of an SVG."""
    if address.startswith("data:"):
        return address[5:18].lower() == "image/svg+xml"
    return ending(address) in (".svg", ".svgz")
