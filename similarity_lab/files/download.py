"""Download one large file: goes on where it stopped, tries again, looks at every redirect.

With the standard library: a third-party client would bring the tries, but neither the going on
nor the look at redirects, which are most of the work.
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

from tqdm.auto import tqdm

from similarity_lab._version import __version__
from similarity_lab.errors import DownloadError

MAX_BYTES = 2**30
BACKOFF = 1.0  # seconds before the second try, twice as long before the third and last
TIMEOUT = 30.0  # seconds without a byte

_BLOCK = 2**16
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class _TransientError(Exception):
    """Worth another try."""


def download(url: str, target: Path, *, progress: bool = True) -> None:
    """Download `url` to `target`, which is there only once it is complete.

    Until then the bytes lie in ``<target>.part``. The next call goes on from there with a range
    request, tied to the same ETag where there is one, and starts again if the server ignores
    ranges or has something newer. ``<target>.json`` notes where the bytes came from, and stays.

    Parameters
    ----------
    url : str
        https; http is accepted for this machine only, which tests need. The same holds for every
        address it redirects to.
    target : Path
        In a folder that exists.
    progress : bool
        Show a bar.

    Raises
    ------
    DownloadError
        Not https, more than `MAX_BYTES`, an HTTP error that will not pass, a certificate that is
        not trusted; no connection, a time-out, a broken transfer or a busy server three times.
    OSError
        `target` cannot be written.
    """
    _check_url(url)
    part, note = beside(target)
    for wait in (BACKOFF, 2 * BACKOFF, None):
        try:
            _transfer(url, part, note, progress)
            break
        except (_TransientError, DownloadError) as error:
            if wait is None or isinstance(error, DownloadError):
                raise DownloadError(
                    f"{url}: {error}; try again (it goes on where it stopped, if the server can), "
                    f"or download it by hand and put it at {target}"
                ) from error
        time.sleep(wait)
    part.replace(target)


def beside(target: Path) -> tuple[Path, Path]:
    """Return where an unfinished download lies, and the note where it came from."""
    return target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.json")


def _transfer(url: str, part: Path, note: Path, progress: bool) -> None:
    """Make one request; append what comes to `part`, or start it anew."""
    done, etag = _resumable(url, part, note)
    headers = {"User-Agent": f"similarity_lab/{__version__}"}
    if done:
        headers["Range"] = f"bytes={done}-"
        if etag.startswith('"'):  # a weak one (W/"...") is not allowed here
            headers["If-Range"] = etag
    request = Request(url, headers=headers)  # noqa: S310 (_check_url has seen the scheme)
    with _open(request, part) as response:
        came_etag = response.headers.get("ETag", "")
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            came = response.headers.get("Content-Range", "")
            if not came.startswith(f"bytes {done}-") or came_etag != etag:
                part.unlink()
                raise _TransientError(f"bytes {done}- of {etag} wanted, {came} of {came_etag} came")
        else:  # the server has something newer, or ignores ranges
            done = 0
            part.unlink(missing_ok=True)  # before the note changes, which must not speak for it
            note.write_text(json.dumps([url, came_etag]), encoding="utf-8")
        total = done + response.length if response.length else 0  # 0: not known
        with (
            part.open("ab" if done else "wb") as file,
            tqdm(
                initial=done, total=total or None, unit="B", unit_scale=True, disable=not progress
            ) as bar,
        ):
            for block in _blocks(response):
                done += len(block)
                if max(done, total) > MAX_BYTES:
                    file.truncate(0)
                    raise DownloadError(
                        f"{max(done, total):,} bytes, expected at most {MAX_BYTES:,}"
                    )
                file.write(block)
                bar.update(len(block))
    if done < total:
        raise _TransientError(f"broke off after {done:,} of {total:,} bytes")


def _resumable(url: str, part: Path, note: Path) -> tuple[int, str]:
    """Return how many bytes of this very address are there, and their ETag."""
    try:
        origin, etag = json.loads(note.read_text(encoding="utf-8"))
        size = part.stat().st_size
    except (OSError, ValueError):
        return 0, ""
    return (size, etag) if origin == url else (0, "")


def _open(request: Request, part: Path) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = build_opener(_Redirects).open(request, timeout=TIMEOUT)
        return response
    except DownloadError:
        raise
    except HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
        elif error.code not in TRANSIENT:
            raise DownloadError(f"the server answers {error.code} {error.reason}") from error
        raise _TransientError(f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DownloadError(f"the server's certificate is not trusted ({reason})") from error
        raise _TransientError(f"could not be reached ({reason})") from error


def _blocks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    # Here and not around the loop: an error while writing is no reason for another request.
    try:
        while block := response.read(_BLOCK):
            yield block
    except (OSError, http.client.HTTPException) as error:
        raise _TransientError(f"broke off ({error})") from error


class _Redirects(HTTPRedirectHandler):
    """Looks at every address on the way, not only at the first."""

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> Request | None:
        _check_url(newurl, before=req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_url(url: str, before: str = "http:") -> None:
    """Let pass https, and for tests http on this machine if it was http on this machine before."""
    leaves_https = urlsplit(url).scheme == "http" and urlsplit(before).scheme != "http"
    if leaves_https or not is_safe(url):
        raise DownloadError(f"{url}: refused, expected an https address")


def is_safe(url: str) -> bool:
    """Return whether an address is https, or http on this machine, which tests need."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and _is_local(parts.hostname)


def _is_local(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
