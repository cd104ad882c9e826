"""Download one large file: resumes, retries, and checks every redirect.

Based on the standard library: an HTTP client would add retries, but neither resuming nor the check
of redirects, which are most of the work.
"""

import http.client
import ipaddress
import json
import ssl
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from similarity_lab._progress import tqdm
from similarity_lab._version import __version__
from similarity_lab.errors import DownloadError
from similarity_lab.files.atomic import atomic_write

__all__ = ["RETRY_STATUSES", "download", "is_secure_url", "working_files"]

MAX_BYTES = 2**30
BACKOFF = 1.0  # seconds before the second attempt, twice as long before the third and last
TIMEOUT = 30.0  # seconds without receiving a byte

RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP status codes after which the same request may succeed."""

_BLOCK = 2**16


class _TransientError(Exception):
    """An attempt failed in a way that justifies another one."""


def download(url: str, target: Path, *, progress: bool = True) -> None:
    """Download `url` to `target`, which appears only once it is complete.

    The bytes are written to ``<target>.part``, which remains if an attempt fails or the process
    ends: the next call resumes there with a range request, conditional on the ETag if the server
    sends one, and starts over if the server ignores ranges or has a newer file. ``<target>.json``
    records the url and the ETag; it remains, too.

    Parameters
    ----------
    url : str
        https, or http on this machine, which tests need; so must be every redirect.
    target : Path
        In a folder that exists.
    progress : bool
        Show a progress bar.

    Raises
    ------
    DownloadError
        Not https, larger than `MAX_BYTES`, a permanent HTTP error, an untrusted certificate; or
        three attempts that ended in no connection, a time-out, a broken transfer or a busy server.
    OSError
        `target` cannot be written.
    """
    _check_url(url)
    part, record = working_files(target)
    for wait in (BACKOFF, 2 * BACKOFF, None):
        try:
            _transfer(url, part, record, progress)
            break
        except (_TransientError, DownloadError) as error:
            if wait is None or isinstance(error, DownloadError):
                raise DownloadError(
                    f"{url}: {error}; try again (the download resumes if the server can), "
                    f"or download it yourself and put it at {target}"
                ) from error
        time.sleep(wait)
    part.replace(target)


def working_files(target: Path) -> tuple[Path, Path]:
    """Return the paths of the partial download of `target` and of its record of url and ETag."""
    return target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.json")


def _transfer(url: str, part: Path, record: Path, progress: bool) -> None:
    """Make one request; append its body to `part`, or start `part` over."""
    received, etag = _resumable(url, part, record)
    headers = {"User-Agent": f"similarity_lab/{__version__}"}
    if received:
        headers["Range"] = f"bytes={received}-"
        if etag.startswith('"'):  # weak ones (W/"...") are not allowed here
            headers["If-Range"] = etag
    request = Request(url, headers=headers)  # noqa: S310 (_check_url has checked the scheme)
    with _open(request, part) as response:
        new_etag = response.headers.get("ETag", "")
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            content_range = response.headers.get("Content-Range", "")
            if not content_range.startswith(f"bytes {received}-") or new_etag != etag:
                part.unlink()
                raise _TransientError(
                    f"requested bytes {received}- of {etag}, received {content_range} of {new_etag}"
                )
        else:  # the server has a newer file, or ignores ranges
            received = 0
            part.unlink(missing_ok=True)  # first: the new record must not describe old bytes
            with atomic_write(record) as file:
                file.write_text(json.dumps([url, new_etag]), encoding="utf-8")
        total = received + response.length if response.length else 0  # 0: unknown
        with (
            part.open("ab" if received else "wb") as stream,
            tqdm(
                initial=received,
                total=total or None,
                unit="B",
                unit_scale=True,
                disable=not progress,
            ) as bar,
        ):
            for block in _blocks(response):
                received += len(block)
                if max(received, total) > MAX_BYTES:
                    stream.truncate(0)
                    raise DownloadError(
                        f"{max(received, total):,} bytes, expected at most {MAX_BYTES:,}"
                    )
                stream.write(block)
                bar.update(len(block))
    if received < total:
        raise _TransientError(f"the transfer ended after {received:,} of {total:,} bytes")


def _resumable(url: str, part: Path, record: Path) -> tuple[int, str]:
    """Return how many bytes of this url are already in `part`, and their ETag."""
    try:
        origin, etag = json.loads(record.read_text(encoding="utf-8"))
        size = part.stat().st_size
    except (OSError, ValueError):
        return 0, ""
    return (size, etag) if origin == url else (0, "")


def _open(request: Request, part: Path) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = build_opener(_CheckedRedirects).open(
            request, timeout=TIMEOUT
        )
        return response
    except DownloadError:
        raise
    except HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
        elif error.code not in RETRY_STATUSES:
            raise DownloadError(f"HTTP status {error.code} {error.reason}") from error
        raise _TransientError(f"HTTP status {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DownloadError(f"the server's certificate is not trusted ({reason})") from error
        raise _TransientError(f"no connection ({reason})") from error


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    # Errors are caught here and not around the loop: a failure to write is not a reason to retry.
    try:
        while block := response.read(_BLOCK):
            yield block
    except (OSError, http.client.HTTPException) as error:
        raise _TransientError(f"the transfer broke off ({error})") from error


class _CheckedRedirects(HTTPRedirectHandler):
    """Checks every url of a chain of redirects, not only the first."""

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> Request | None:
        _check_url(newurl, previous=req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_url(url: str, previous: str = "http:") -> None:
    """Refuse urls that are not secure, and redirects from https to http."""
    leaves_https = urlsplit(url).scheme == "http" and urlsplit(previous).scheme != "http"
    if leaves_https or not is_secure_url(url):
        raise DownloadError(f"{url}: refused, expected an https url")


def is_secure_url(url: str) -> bool:
    """Return whether a url is https, or http on this machine (which tests need)."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and _is_local(parts.hostname)


def _is_local(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
