"""Ask a service: timeouts, tries again where that helps, and the key in nobody's sight."""

import http.client
import os
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import IO
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from similarity_lab._version import __version__
from similarity_lab.errors import HostedError, QuotaError
from similarity_lab.files.downloads import RETRY_STATUSES
from similarity_lab.hosted.services import Service

MAX_ANSWER = 2**16  # bytes; one number is expected
_QUOTA = frozenset({HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.TOO_MANY_REQUESTS})
_NO_KEY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class _TransientError(Exception):
    """Worth another try, after so many seconds where the service says so."""

    def __init__(self, reason: str, wait: float | None = None, *, quota: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.quota = wait, quota


class Asker:
    """Sends requests to one service and counts them.

    Parameters
    ----------
    service : Service
    max_requests : int
        Counting every try; the one after is refused before it is sent.
    timeout : float
        Seconds for a connection, for each part of an answer, and for a whole answer once it has
        begun.
    tries : int
        For a request that meets a busy or broken service.
    backoff : float
        Seconds before the second try, twice as long before each further one, unless the service
        says how long (``Retry-After``).
    max_wait : float
        Seconds; asked to wait longer, it gives up.

    Attributes
    ----------
    requests : int
        Sent so far, tries included.
    """

    def __init__(
        self,
        service: Service,
        max_requests: int,
        *,
        timeout: float,
        tries: int,
        backoff: float,
        max_wait: float,
    ) -> None:
        self.service, self.max_requests = service, max_requests
        self.timeout, self.tries, self.backoff, self.max_wait = timeout, tries, backoff, max_wait
        self.requests = 0

    def ask(self, first: bytes, second: bytes) -> float:
        """Return the service's distance between two JPEGs."""
        for attempt in range(self.tries):
            try:
                return self._once(first, second)
            except _TransientError as error:
                wait = self.backoff * 2**attempt if error.wait is None else error.wait
                kind = QuotaError if error.quota else HostedError
                if wait > self.max_wait:
                    raise kind(
                        f"{self.service.name}: {error}, and asks to wait {wait:,.0f} s; "
                        "come back later"
                    ) from None
                if attempt + 1 == self.tries:
                    raise kind(
                        f"{self.service.name}: {error}, {self.tries} times; come back later"
                    ) from None
                time.sleep(wait)
        raise AssertionError("unreachable: the last try returns or raises")

    def _once(self, first: bytes, second: bytes) -> float:
        key = key_of(self.service)
        if self.requests >= self.max_requests:
            raise QuotaError(
                f"{self.service.name}: max_requests={self.max_requests:,} requests are made; "
                "raise it to go on"
            )
        kind, body = self.service.body(first, second)
        headers = {
            **self.service.headers,
            "Content-Type": kind,
            "Accept": "application/json",
            "User-Agent": f"similarity_lab/{__version__}",
            self.service.key_header: key,
        }
        request = Request(self.service.url, body, headers)  # noqa: S310 (Service saw the scheme)
        self.requests += 1
        answer = self._answer(request, key)
        try:
            return self.service.distance(answer)
        except ValueError as error:
            raise HostedError(
                f"{self.service.name}: the answer {error}: {_shown(answer, key)}"
            ) from None

    def _answer(self, request: Request, key: str) -> bytes:
        """Send one request; `_TransientError` where another try may help."""
        try:
            with build_opener(_NoRedirects).open(request, timeout=self.timeout) as response:
                answer = b"".join(self._blocks(response))
                if response.length:  # bytes that were promised and did not come
                    raise ConnectionError("the answer broke off")
                return answer
        except HTTPError as error:
            with error:
                raise self._refusal(error, key) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise HostedError(
                    f"{self.service.name}: the server's certificate is not trusted ({reason})"
                ) from None
            raise _TransientError(f"could not be reached ({reason})") from None

    def _blocks(self, response: IO[bytes]) -> Iterator[bytes]:
        """Yield the answer, unless it is too long or drips in too slowly."""
        size, until = 0, time.monotonic() + self.timeout
        while block := response.read1(4096):  # type: ignore[attr-defined]
            size += len(block)
            if size > MAX_ANSWER:
                raise HostedError(
                    f"{self.service.name}: the answer is longer than {MAX_ANSWER:,} bytes"
                )
            if time.monotonic() > until:
                raise TimeoutError(f"no whole answer within {self.timeout:g} s")
            yield block

    def _refusal(self, error: HTTPError, key: str) -> Exception:
        """Return what an HTTP error means."""
        name, code = self.service.name, error.code
        if code in _NO_KEY:
            return HostedError(
                f"{name}: refuses the key in {self.service.key_variable} "
                f"({code}: {_said(error, key)})"
            )
        if 300 <= code < 400:
            return HostedError(f"{name}: redirects ({code}); a key is sent to no other address")
        said = f"answers {code} ({_said(error, key)})"
        if code in RETRY_STATUSES:
            wait = _retry_after(error.headers.get("Retry-After"))
            return _TransientError(said, wait, quota=code in _QUOTA)
        return (QuotaError if code in _QUOTA else HostedError)(f"{name}: {said}")


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is an error: the key is meant for one address."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def key_of(service: Service) -> str:
    """Return the key from the environment; nothing that is raised holds it."""
    name = service.key_variable
    key = os.environ.get(name, "").strip()
    if not key:
        raise HostedError(f"{service.name}: needs a key; set the environment variable {name}")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise HostedError(f"{service.name}: what {name} holds is no key: spaces, or no plain text")
    return key


def _retry_after(value: str | None) -> float | None:
    """Return seconds from ``Retry-After``, which holds seconds or a date; None if neither."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        return None


def _said(error: HTTPError, key: str) -> str:
    try:
        return _shown(error.read1(4096), key)  # what is there: the rest may drip in for ever
    except (OSError, http.client.HTTPException):
        return error.reason if isinstance(error.reason, str) else ""


def _shown(answer: bytes, key: str) -> str:
    """Return the beginning of what a service says: one line, printable, without the key."""
    text = answer.decode("utf-8", "replace").replace(key, "***")
    return "".join(c if c.isprintable() else " " for c in text)[:200].strip()
