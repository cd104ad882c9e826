"""What an answer asks for beside its content: to wait, or to go elsewhere."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

from scrapy.http import HtmlResponse, Response
from scrapy.utils.response import get_meta_refresh

_REFRESH_HEADER = re.compile(r"""\s*([\d.]{1,9})\s*[;,]\s*url\s*=\s*["']?([^"']+)""", re.IGNORECASE)


def retry_after(response: Response) -> float | None:
    """Return the seconds that the header ``Retry-After`` asks to wait, if any.

    Examples
    --------
    >>> retry_after(Response("https://shop.example/", headers={"Retry-After": "120"}))
    120.0
    """
    text = (response.headers.get("Retry-After") or b"").decode("latin-1").strip()
    try:
        if text.replace(".", "", 1).isdecimal():
            return float(text)
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def refresh_target(response: HtmlResponse) -> tuple[float, str]:
    """Return seconds and URL of a page's refresh, by header or markup; ``""`` if it has none."""
    header = (response.headers.get("Refresh") or b"").decode("latin-1")
    if match := _REFRESH_HEADER.match(header[:2000]):
        try:
            return float(match[1]), urljoin(response.url, match[2].strip())
        except ValueError:
            return 0.0, ""
    seconds, url = get_meta_refresh(response, ignore_tags=("noscript",))
    return (0.0, "") if seconds is None or url is None else (seconds, url)
