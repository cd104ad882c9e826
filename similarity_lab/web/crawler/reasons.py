"""Why a request failed, in words for the tables."""

from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.error import TimeoutError as ConnectTimeoutError

from similarity_lab.errors import one_line
from similarity_lab.web.crawler.answers import retry_after

_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (CannotResolveHostError, "Host not found (only IPv4 is resolved)"),
    (DownloadConnectionRefusedError, "Connection refused"),
    (DownloadTimeoutError, "Timed out"),
    (ConnectTimeoutError, "Connection timed out"),
    (DownloadCancelledError, "Response larger than the limit"),
    (ResponseDataLossError, "Response ended early"),
    (ConnectionLost, "Connection lost"),
)


def is_forbidden_by_robots(error: BaseException | None) -> bool:
    """Tell whether Scrapy dropped a request because of robots.txt."""
    # Scrapy raises a plain IgnoreRequest, so its text has to tell
    return isinstance(error, IgnoreRequest) and str(error) == "Forbidden by robots.txt"


def explain(error: BaseException | None) -> str:
    """Return why a request failed, on one line."""
    if isinstance(error, HttpError):
        asked = retry_after(error.response)
        wait = "" if asked is None else f" (the server asks to wait {asked:.0f} seconds)"
        return f"HTTP status {error.response.status}{wait}"
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, IgnoreRequest) and "DOWNLOAD_MAXSIZE" in str(error):
        return "Response larger than the limit when decompressed"
    if isinstance(error, (DownloadFailedError, ConnectError)):
        text = one_line(error)
        if "certificate verify failed" in text:
            return "The server's certificate is not trusted"
        return f"Connection failed: {text}"
    return one_line(error) if error else "Unknown error"
