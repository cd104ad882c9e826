"""Paid similarity services as a comparator, for those who have a key.

The original study considered two such services and rejected them. Here they plug in where any
comparator does, so that they can be measured beside the others. Requires the extra ``hosted``.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from itertools import product
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from similarity_lab._progress import tqdm
from similarity_lab._version import __version__
from similarity_lab.distances.comparators import Distances, PairComparator
from similarity_lab.embedders import Embedded, embed_all
from similarity_lab.embedders.base import Images, Vectors, as_sources
from similarity_lab.errors import (
    HostedError,
    ImageError,
    InputError,
    MissingExtraError,
    QuotaError,
)
from similarity_lab.files.downloads import RETRY_STATUSES, is_secure_url
from similarity_lab.images import read_image
from similarity_lab.images.decoding import errors_table
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.sources import Source, content_digest

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

__all__ = [
    "DEEPAI", "Estimate", "HostedComparator", "Price", "Service", "Usage", "cost_of", "rapidapi",
]  # fmt: skip

MAX_ANSWER = 2**16  # bytes; one number is expected
MAX_WAIT = 60.0  # seconds that a service may ask us to wait
_JPEG_QUALITY = 90


# Costs --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Price:
    """What a service charges: per request beyond the `included` ones, and per month.

    Without `per_request`, requests beyond `included` have to wait for the next month.
    """

    per_request: float = 0.0
    per_month: float = 0.0
    included: int = 0

    def months(self, requests: int) -> int:
        """Return the number of monthly subscriptions that `requests` take."""
        if not requests or not (self.per_month or self.included):
            return 0
        return math.ceil(requests / self.included) if self.included and not self.per_request else 1

    def of(self, requests: int) -> float:
        """Return the cost of `requests`.

        Examples
        --------
        >>> Price(per_month=1.99, included=6000).of(12_001), Price(per_request=0.01).of(250)
        (5.97, 2.5)
        """
        extra = max(0, requests - self.included) if self.per_request else 0
        return round(self.months(requests) * self.per_month + extra * self.per_request, 6)


@dataclass(frozen=True)
class Estimate:
    """Requests, their cost, months of subscription and days of sequential requests."""

    requests: int
    cost: float
    months: int
    days: float


def cost_of(
    *,
    sites: int = 1000,
    images_per_site: float = 40,
    references: int = 15,
    price: Price,
    seconds_per_request: float = 1.0,
) -> Estimate:
    """Estimate the cost of deciding on sites with a hosted service; sends nothing.

    A service returns no vectors, so each image is sent once per reference:
    ``sites × images_per_site × references`` requests. The study used 15 references.

    Examples
    --------
    >>> cost_of(price=Price(per_month=1.99, included=6000), seconds_per_request=0.72)
    Estimate(requests=600000, cost=199.0, months=100, days=5.0)
    """
    requests = math.ceil(sites * images_per_site * references)
    days = requests * seconds_per_request / 86_400
    return Estimate(requests, price.of(requests), price.months(requests), days)


# Services -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Service:
    """A service that takes two images and returns one number.

    Attributes
    ----------
    url : str
        https; http only for this machine.
    key_variable, key_header : str
        Environment variable that holds the key, and the header that sends it. The key itself is
        never stored in objects or files and never shown in messages.
    fields : (str, str)
        Names of the two images in the request, a form upload or base64 in JSON (`form`).
    answer : tuple of str
        Path to the number in the JSON response: a distance, 0 = same, or with `is_similarity` a
        similarity from 0 to 1, whose distance is 1 - similarity.
    headers : mapping of str to str
        Further request headers.
    """

    name: str
    url: str
    key_variable: str
    key_header: str
    fields: tuple[str, str]
    answer: tuple[str, ...]
    form: Literal["multipart", "json"] = "multipart"
    is_similarity: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if "@" in urlsplit(self.url).netloc:
            raise InputError(f"{self.name}: no credentials in the URL; use {self.key_variable}")
        if not is_secure_url(self.url):
            raise InputError(f"{self.url}: expected an https URL")
        if self.form not in ("multipart", "json"):
            raise InputError(f'form must be "multipart" or "json", got {self.form!r}')

    def payload(self, first: bytes, second: bytes) -> dict[str, Any]:
        """Return the arguments of ``httpx.request`` that send two JPEG files."""
        images = dict(zip(self.fields, (first, second), strict=True))
        if self.form == "json":
            return {"json": {key: base64.b64encode(data).decode() for key, data in images.items()}}
        return {"files": {key: (f"{key}.jpg", data, "image/jpeg") for key, data in images.items()}}

    def distance(self, body: bytes) -> float:
        """Return the distance in a response, 0 = same; `InputError` if there is none."""
        try:
            value = json.loads(body)
            for name in self.answer:
                value = value[name]
            number = float(value)
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
            raise InputError(f"no number at {'.'.join(self.answer)}") from None
        largest = 1.0 if self.is_similarity else math.inf
        if isinstance(value, bool) or not (math.isfinite(number) and 0 <= number <= largest):
            expected = "a similarity from 0 to 1" if self.is_similarity else "a distance ≥ 0"
            raise InputError(f"expected {expected}, got {number}")
        return 1 - number if self.is_similarity else number

    def key(self) -> str:
        """Return the key from the environment; error messages never contain it."""
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise HostedError(f"{self.name}: set the environment variable {self.key_variable}")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise HostedError(
                f"{self.name}: {self.key_variable} is not a key (spaces or non-ASCII)"
            )
        return key


DEEPAI = Service(
    name="DeepAI image-similarity",
    url="https://api.deepai.org/api/image-similarity",
    key_variable="DEEPAI_API_KEY",
    key_header="api-key",
    fields=("image1", "image2"),
    answer=("output", "distance"),
)
"""DeepAI, as the study considered it."""


def rapidapi(host: str, path: str, **options: Any) -> Service:  # noqa: ANN401
    """Return a `Service` of the RapidAPI marketplace; the key is read from ``RAPIDAPI_KEY``.

    The defaults fit one provider; for others, `options` override any attribute of `Service`.

    Examples
    --------
    >>> rapidapi("compare-images.p.rapidapi.com", "/score", fields=("first", "second")).url
    'https://compare-images.p.rapidapi.com/score'
    """
    defaults: dict[str, Any] = {
        "name": f"RapidAPI {host}",
        "url": f"https://{host}{path}",
        "key_variable": "RAPIDAPI_KEY",
        "key_header": "X-RapidAPI-Key",
        "fields": ("image_a", "image_b"),
        "answer": ("similarity_score",),
        "form": "json",
        "is_similarity": True,
        "headers": {"X-RapidAPI-Host": host},
    }
    return Service(**(defaults | options))


# The comparator -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Usage:
    """What a comparator has requested so far.

    `requests` counts retries, `cached` distances that needed no request; `cost` is an upper bound,
    as failed requests are mostly free, and None without a price.
    """

    requests: int
    cached: int
    cost: float | None


class HostedComparator(PairComparator):
    """Compares two images by asking a hosted service.

    Use it with ``rule="mean-distance"`` in `RelevanceScorer`: a service returns no vectors, so the
    learned rule cannot use it. **Your images leave your machine**, scaled down to `side` pixels, as
    JPEG without EXIF data or file names. Whether you may send them is for you to know.

    Constructing one sends nothing. A call that needs more requests than `max_requests` leaves is
    refused before its first request. Each answer is stored as it arrives, so an interrupted call
    resumes where it stopped and no pair is paid for twice; an image compared with itself has
    distance 0 without a request.

    Parameters
    ----------
    service : Service
    max_requests : int
        Hard limit for this object; every try counts, before it is sent.
    answers : path, optional
        JSON-lines file that caches answers; by default they are cached in memory.
    price : Price, optional
        For `usage`.
    side : int
        Longest side in pixels of the images sent; these are held in memory.
    timeout : float
        Seconds to connect, to wait for each part of a response, and for a whole response.
    tries : int
        Attempts per request while the service is busy or unreachable.
    backoff : float
        Seconds before the second attempt, doubled with each, unless the service names a time.
    progress : bool
        Show a progress bar.

    Raises
    ------
    MissingExtraError
        The extra ``hosted`` is not installed.
    InputError
        An invalid limit, or `answers` is another kind of file.

    Examples
    --------
    >>> HostedComparator(DEEPAI, max_requests=20)
    <HostedComparator DeepAI image-similarity: 0 of 20 requests made, 0 answers cached>
    """

    embedder: ContentEmbedder

    def __init__(
        self,
        service: Service,
        *,
        max_requests: int,
        answers: str | PathLike[str] | None = None,
        price: Price | None = None,
        side: int = 256,
        timeout: float = 30.0,
        tries: int = 4,
        backoff: float = 1.0,
        progress: bool = True,
    ) -> None:
        if any(find_spec(name) is None for name in ("httpx", "tenacity")):
            raise MissingExtraError("Using hosted services", "httpx and tenacity", "hosted")
        if max_requests < 0 or side < 16 or tries < 1 or timeout <= 0 or backoff < 0:
            raise InputError(
                "expected max_requests ≥ 0, side ≥ 16, tries ≥ 1, timeout > 0 and backoff ≥ 0, got "
                f"{max_requests}, {side}, {tries}, {timeout} and {backoff}"
            )
        self.service, self.max_requests, self.progress = service, max_requests, progress
        self.timeout, self.tries, self.backoff = timeout, tries, backoff
        self.price = price
        self.embedder = ContentEmbedder(f"{service.name} at {service.url}, {side} px", side)
        self.answers = AnswerCache(self.embedder.name, answers)
        self._requests = self._cached = 0

    def __repr__(self) -> str:
        return (
            f"<HostedComparator {self.service.name}: {self._requests:,} of {self.max_requests:,} "
            f"requests made, {len(self.answers):,} answers cached>"
        )

    @property
    def remaining(self) -> int:
        """Number of requests that `max_requests` still allows."""
        return self.max_requests - self._requests

    @property
    def usage(self) -> Usage:
        """Requests so far, and their cost."""
        cost = None if self.price is None else self.price.of(self._requests)
        return Usage(self._requests, self._cached, cost)

    def distances(self, a: Images, b: Images) -> Distances:
        """Return distances of images, float32 ``(len(a), len(b))``, smaller = more alike.

        Raises
        ------
        QuotaError
            More unknown pairs than `remaining` (nothing is sent), or the service refuses more.
        HostedError
            Missing or refused key, unreachable service, unusable response.
        ImageError
            An image cannot be read.
        """
        return self.between(
            embed_all(self.embedder, a, progress=False), embed_all(self.embedder, b, progress=False)
        )

    def between(self, a: Vectors, b: Vectors) -> Distances:
        """Return distances by vectors of `embedder`, ``(n, 32), (m, 32) → (n, m)``.

        Raises what `distances` raises, and `InputError` for vectors of another embedder.
        """
        rows, columns = ([self.embedder.digest(vector) for vector in vectors] for vectors in (a, b))
        pairs = list(product(rows, columns))
        unknown = {frozenset(pair): pair for pair in pairs if self.answers.get(*pair) is None}
        if len(unknown) > self.remaining:
            raise QuotaError(
                f"{self.service.name}: {len(unknown):,} pairs need a request and max_requests "
                f"leaves {self.remaining:,}; nothing was sent. Pass fewer images, or raise "
                "max_requests"
            )
        self._cached += len(pairs) - len(unknown)
        if unknown:
            bar = tqdm(unknown.values(), self.service.name, unit="pair", disable=not self.progress)
            with self._client() as client:
                for pair in bar:
                    images = (self.embedder.jpegs[digest] for digest in pair)
                    self.answers.add(*pair, self._request(client, *images))
        distances = [self.answers.get(*pair) for pair in pairs]
        return np.array(distances, np.float32).reshape(len(rows), len(columns))

    def _client(self) -> httpx.Client:
        import httpx

        headers = {
            **self.service.headers,
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # MAX_ANSWER holds for what arrives
            "User-Agent": f"similarity_lab/{__version__}",
        }
        # A redirect is an error: the key is meant for one URL
        return httpx.Client(headers=headers, timeout=self.timeout, follow_redirects=False)

    def _request(self, client: httpx.Client, first: bytes, second: bytes) -> float:
        """Return the distance of two JPEG files; try again while that may help."""
        import tenacity

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TransientError),
            wait=self._wait,
            stop=tenacity.stop_after_attempt(self.tries),
            reraise=True,
        )
        try:
            return retrying(self._request_once, client, self.service.payload(first, second))
        except _TransientError as error:
            reason = f"{error}; {self.tries} tries; try again later"
            raise error.kind(f"{self.service.name}: {reason}") from None

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome and state.outcome.exception()
        if isinstance(error, _TransientError) and error.wait is not None:
            return error.wait
        return min(self.backoff * 2.0 ** (state.attempt_number - 1), MAX_WAIT)

    def _request_once(self, client: httpx.Client, payload: dict[str, Any]) -> float:
        import httpx

        name, key = self.service.name, self.service.key()
        if self.remaining < 1:
            raise QuotaError(
                f"{name}: max_requests={self.max_requests:,} requests were made; raise it to "
                "continue"
            )
        self._requests += 1  # counted before it is sent
        headers = {self.service.key_header: key}
        try:
            with client.stream("POST", self.service.url, headers=headers, **payload) as response:
                body = self._read(response)
        except httpx.TransportError as error:
            reason = _printable(str(error) or type(error).__name__, key)
            raise _TransientError(f"could not be reached ({reason})") from None
        text = _printable(body.decode("utf-8", "replace"), key)
        if not response.is_success:
            raise self._refusal(response, text)
        try:
            return self.service.distance(body)
        except InputError as error:
            raise HostedError(f"{name}: unusable response: {error}: {text}") from None

    def _read(self, response: httpx.Response) -> bytes:
        """Return the body; of an error response only its first block."""
        import httpx

        if not response.is_success:
            with suppress(httpx.TransportError):
                return next(response.iter_raw(), b"")
            return b""
        body, deadline = b"", time.monotonic() + self.timeout
        for block in response.iter_raw():
            body += block
            if len(body) > MAX_ANSWER:
                raise HostedError(f"{self.service.name}: response larger than {MAX_ANSWER:,} bytes")
            if time.monotonic() > deadline:
                raise _TransientError(f"no complete response within {self.timeout:g} s")
        return body

    def _refusal(self, response: httpx.Response, text: str) -> Exception:
        """Return the error for a status other than success."""
        name, status = self.service.name, response.status_code
        if status in (401, 403):
            return HostedError(
                f"{name}: the key in {self.service.key_variable} was refused ({status}: {text})"
            )
        if response.is_redirect:
            return HostedError(f"{name}: redirects ({status}); the key is sent to no other URL")
        kind = QuotaError if status in (402, 429) else HostedError
        reason = f"status {status} ({text})"
        if status not in RETRY_STATUSES:
            return kind(f"{name}: {reason}")
        wait = _retry_after(response.headers.get("Retry-After"))
        if wait is not None and wait > MAX_WAIT:
            return kind(f"{name}: {reason}; retry after {wait:,.0f} s")
        return _TransientError(reason, wait, kind)


class ContentEmbedder:
    """An embedder whose vectors are the SHA-256 of an image's content, a number per byte.

    They identify an image and say nothing about what it shows; with them, a rule that compares
    vectors can ask a service that compares images. Each image is kept as it is sent, by its digest
    in `jpegs`: scaled down, without EXIF data.
    """

    dimension = 32

    def __init__(self, name: str, side: int) -> None:
        self.name, self.input_size = name, (side, side)
        self.jpegs: dict[str, bytes] = {}

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Embedded:
        """Return one vector per readable image, float32 ``(n, 32)``, and list the others."""
        vectors, kept, errors = [], [], {}
        for index, source in enumerate(as_sources(images)):
            try:
                digest = self._encode(source)
            except ImageError as error:
                errors[index] = error
            else:
                vectors.append(np.frombuffer(bytes.fromhex(digest), np.int8))
                kept.append(index)
        return Embedded(np.reshape(vectors, (-1, self.dimension)), kept, errors_table(errors))

    def digest(self, vector: Vectors) -> str:
        """Return the content digest of an image by its vector."""
        with np.errstate(invalid="ignore"):  # NaN, in vectors of another embedder
            digest = np.asarray(vector).astype(np.int8).tobytes().hex()
        if digest not in self.jpegs:
            raise InputError(
                "unknown image: a hosted comparator can only compare images that it embedded "
                "itself, not vectors from a store or a saved scorer"
            )
        return digest

    def _encode(self, source: Source) -> str:
        """Store an image as JPEG and return its content digest."""
        if isinstance(source, Image.Image):
            source = read_image(source)  # the digest of a palette image would ignore its palette
        elif not isinstance(source, (np.ndarray, OpenedImage)):
            source = OpenedImage(source)  # read once
        digest = content_digest(source)
        if digest not in self.jpegs:
            image = Image.fromarray(read_image(source))
            image.thumbnail(self.input_size, Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=_JPEG_QUALITY)
            self.jpegs[digest] = buffer.getvalue()
        return digest


class AnswerCache:
    """Distances by pair of content digests, in either order, appended to a JSON-lines file.

    A last line that a crash truncated is removed; any other unreadable line is an `InputError`,
    because its answer was paid for. Lines of other services stay.
    """

    def __init__(self, service: str, path: str | PathLike[str] | None = None) -> None:
        self.service, self.path = service, None if path is None else Path(path)
        self._distances: dict[frozenset[str], float] = {}
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.open("a").close()  # fails now, not when the first answer is paid for
            self._load(self.path)

    def __len__(self) -> int:
        return len(self._distances)

    def get(self, a: str, b: str) -> float | None:
        """Return the distance of two images by their digests; None if unknown."""
        return 0.0 if a == b else self._distances.get(frozenset((a, b)))

    def add(self, a: str, b: str, distance: float) -> None:
        """Store an answer."""
        self._distances[frozenset((a, b))] = distance
        if self.path is not None:
            row = {"service": self.service, "a": a, "b": b, "distance": distance}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def _load(self, path: Path) -> None:
        *lines, partial = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                service, pair, distance = row["service"], [row["a"], row["b"]], row["distance"]
                if not math.isfinite(distance):
                    raise InputError
            except (ValueError, TypeError, KeyError, RecursionError):
                raise InputError(
                    f"{path}, line {number}: not an answer of a hosted service; repair the line or "
                    "use another file"
                ) from None
            if service == self.service:
                self._distances[frozenset(pair)] = float(distance)
        if partial:
            os.truncate(path, path.stat().st_size - len(partial))


class _TransientError(Exception):
    """A failure that another try may cure, after `wait` seconds if the service says so."""

    def __init__(
        self, reason: str, wait: float | None = None, kind: type[HostedError] = HostedError
    ) -> None:
        super().__init__(reason)
        self.wait, self.kind = wait, kind


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header, which holds seconds or a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # not a date, or one without a time zone
        return None


def _printable(text: str, key: str) -> str:
    """Return the start of a message on one printable line, without the key."""
    text = text.replace(key, "***")
    return "".join(c if c.isprintable() else " " for c in text)[:200].strip()
