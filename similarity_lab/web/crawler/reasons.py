"""Why a request failed."""

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

from similarity_lab.errors import UrlError, one_line
from similarity_lab.web.crawler.answers import retry_after
from similarity_lab.web.reasons import Code, Reason

_REASONS: tuple[tuple[type[BaseException], Reason], ...] = (
    (CannotResolveHostError, Reason(Code.HOST_NOT_FOUND)),
    (DownloadConnectionRefusedError, Reason(Code.CONNECTION, "refused")),
    (DownloadTimeoutError, Reason(Code.TIMEOUT, "Timed out")),
    (ConnectTimeoutError, Reason(Code.TIMEOUT, "Connection timed out")),
    (DownloadCancelledError, Reason(Code.LIMIT_RESPONSE_BYTES)),
    (ResponseDataLossError, Reason(Code.INCOMPLETE)),
    (ConnectionLost, Reason(Code.CONNECTION, "lost")),
)

# Scrapy raises a plain IgnoreRequest for these, so its text has to tell.
_IGNORED: tuple[tuple[str, Reason], ...] = (
    ("DOWNLOAD_MAXSIZE", Reason(Code.LIMIT_RESPONSE_BYTES, " when decompressed")),
    ("max redirections", Reason.with_text(Code.REDIRECT_LOOP, "Too many redirects")),
)


def is_forbidden_by_robots(error: BaseException | None) -> bool:
    """Tell whether Scrapy dropped a request because of robots.txt."""
    # Scrapy raises a plain IgnoreRequest, so its text has to tell
    return isinstance(error, IgnoreRequest) and str(error) == "Forbidden by robots.txt"


def explain(error: BaseException | None) -> Reason:
    """Return why a request failed, on one line."""
    if error is not None and error.args and isinstance(error.args[0], Reason):
        return error.args[0]  # of our own middlewares
    if isinstance(error, HttpError):
        asked = retry_after(error.response)
        wait = "" if asked is None else f" (the server asks to wait {asked:.0f} seconds)"
        return Reason.of_status(error.response.status, wait)
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, IgnoreRequest):
        for text, reason in _IGNORED:
            if text in str(error):
                return reason
    if isinstance(error, (DownloadFailedError, ConnectError)):
        text = one_line(error)
        is_trust = "certificate verify failed" in text
        return Reason(Code.CERTIFICATE) if is_trust else Reason(Code.CONNECTION, f"failed: {text}")
    code = Code.ADDRESS_REFUSED if isinstance(error, UrlError) else Code.UNKNOWN
    return Reason(code, one_line(error) if error else "Unknown error")
