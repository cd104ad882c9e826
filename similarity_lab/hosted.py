"""Paid similarity services as a comparator, for those who hold a key.

The original study considered two such services and rejected them. Here they plug in where any
comparator does, so that they can be measured beside the others. Requires the extra ``hosted``.
"""

import base64
import io
import json
import math
import os
import time
from collections.abc import Mapping
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
from tqdm.auto import tqdm

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
from similarity_lab.images import check_image, read_image
from similarity_lab.images.decoding import errors_table
from similarity_lab.images.opened import OpenedImage
from similarity_lab.images.sources import Source, content_digest, describe, read_bytes

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

__all__ = [
    "DEEPAI", "Estimate", "HostedComparator", "Price", "Service", "Usage", "cost_of", "rapidapi",
]  # fmt: skip

MAX_ANSWER = 2**16  # bytes; one number is expected
MAX_WAIT = 60.0  # seconds that a service may ask us to wait
_JPEG_QUALITY = 90
_WORDS, _MIDDLE = 16, 32767.5  # a SHA-256 as 16-bit words, centred on zero


# Costs --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Price:
    """What a service charges: per request beyond the `included` ones, and per month.

    Without `per_request`, requests beyond `included` have to wait for the next month.
    """

    per_request: float = 0.0
    per_month: float = 0.0
    included: int = 0
    currency: str = "USD"

    def __post_init__(self) -> None:
        numbers = (self.per_request, self.per_month, self.included)
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise InputError(f"prices and numbers of requests must be 0 or more, got {numbers}")

    def months(self, requests: int) -> int:
        """Return the number of monthly subscriptions that `requests` take."""
        if not requests or not (self.per_month or self.included):
            return 0
        return math.ceil(requests / self.included) if self.included and not self.per_request else 1

    def of(self, requests: int) -> float:
        """Return the cost of `requests` in `currency`.

        Examples
        --------
        >>> Price(per_month=1.99, included=6000).of(12_001), Price(per_request=0.01).of(250)
        (5.97, 2.5)
        """
        extra = max(0, requests - self.included) if self.per_request else 0
        return round(self.months(requests) * self.per_month + extra * self.per_request, 6)


@dataclass(frozen=True)
class Estimate:
    """Requests, money, months of subscription and days of sequential requests."""

    requests: int
    money: float
    months: int
    days: float
    currency: str


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
    >>> estimate = cost_of(price=Price(per_month=1.99, included=6000))
    >>> estimate.requests, estimate.months, estimate.money
    (600000, 100, 199.0)
    """
    numbers = (sites, images_per_site, references, seconds_per_request)
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise InputError(
            "sites, images_per_site, references and seconds_per_request must be 0 or more, "
            f"got {numbers}"
        )
    requests = math.ceil(sites * images_per_site * references)
    days = requests * seconds_per_request / 86_400
    return Estimate(requests, price.of(requests), price.months(requests), days, price.currency)


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
    price: Price | None = None

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
            return {
                "json": {name: base64.b64encode(data).decode() for name, data in images.items()}
            }
        return {
            "files": {name: (f"{name}.jpg", data, "image/jpeg") for name, data in images.items()}
        }

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
"""DeepAI, as the study considered it; no price, because production use needs a contract."""


def rapidapi(host: str, path: str, **options: Any) -> Service:  # noqa: ANN401
    """Return a `Service` of the RapidAPI marketplace; the key is read from ``RAPIDAPI_KEY``.

    The defaults fit one provider; for others, `options` override any attribute of `Service`. The
    default price is the one the study found: 1.99 USD per month for 6,000 requests.

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
        "price": Price(per_month=1.99, included=6000),
    }
    return Service(**(defaults | options))


# The comparator -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Usage:
    """What a comparator has requested so far.

    `requests` counts retries, `cached` distances that needed none; `money` is an upper bound, as
    failed requests are mostly free, and None without a price.
    """

    requests: int
    answers: int
    cached: int
    money: float | None
    currency: str


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
        For `usage`; default: the service's.
    side : int
        Longest side in pixels of the images sent.
    timeout : float
        Seconds to connect, to wait for each part of a response, and for a whole response.
    tries : int
        Attempts per request while the service is busy or unreachable.
    backoff : float
        Seconds before the second attempt, doubling; ``Retry-After`` takes precedence.
    progress : bool
        Show a progress bar.

    Raises
    ------
    MissingExtraError
        The extra ``hosted`` is not installed.
    InputError
        An invalid limit, or `answers` is another kind of file.
    OSError
        `answers` cannot be written.

    Examples
    --------
    >>> comparator = HostedComparator(DEEPAI, max_requests=20)
    >>> comparator.usage.requests, comparator.remaining
    (0, 20)
    >>> compare("a.jpg", "b.jpg", comparator=comparator)    # doctest: +SKIP
    31.0
    """

    embedder: "ContentEmbedder"

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
        self.price = service.price if price is None else price
        self.embedder = ContentEmbedder(f"{service.name} at {service.url}, {side} px", side)
        self.answers = AnswerCache(self.embedder.name, answers)
        self._requests = self._received = self._cached = 0

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
        """Requests so far, and their cost at most."""
        price, sent = self.price, self._requests
        money, currency = (None, "") if price is None else (price.of(sent), price.currency)
        return Usage(sent, self._received, self._cached, money, currency)

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
        """Return distances by vectors of `embedder`, ``(n, 16), (m, 16) → (n, m)``.

        Raises what `distances` raises.
        """
        rows, columns = ([_digest(vector) for vector in vectors] for vectors in (a, b))
        pairs = list(product(rows, columns))
        unknown = {frozenset(pair): pair for pair in pairs if self.answers.get(*pair) is None}
        self._check_quota(len(unknown))
        self._cached += len(pairs) - len(unknown)
        if unknown:
            bar = tqdm(unknown.values(), self.service.name, unit="pair", disable=not self.progress)
            with self._client() as client:
                for pair in bar:
                    self.answers.add(*pair, self._request(client, *map(self.embedder.jpeg, pair)))
                    self._received += 1
        known = [self.answers.get(*pair) for pair in pairs]
        return np.array(known, np.float32).reshape(len(rows), len(columns))

    def _check_quota(self, n_pairs: int) -> None:
        if n_pairs > self.remaining:
            price, sent = self.price, self._requests
            more = price and price.of(sent + n_pairs) - price.of(sent)
            cost = f" (cost: {more:,.2f} {price.currency})" if price else ""
            raise QuotaError(
                f"{self.service.name}: {n_pairs:,} pairs need a request and max_requests leaves "
                f"{self.remaining:,}; nothing was sent. Pass fewer images, or raise "
                f"max_requests{cost}"
            )
        if n_pairs:
            self.service.key()

    def _client(self) -> "httpx.Client":
        import httpx

        headers = {
            **self.service.headers,
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # MAX_ANSWER holds for what arrives
            "User-Agent": f"similarity_lab/{__version__}",
        }
        # A redirect is an error: the key is meant for one URL
        return httpx.Client(headers=headers, timeout=self.timeout, follow_redirects=False)

    def _request(self, client: "httpx.Client", first: bytes, second: bytes) -> float:
        """Return the distance of two JPEG files; try again while that may help."""
        import tenacity

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TransientError),
            wait=self._wait,
            stop=lambda state: (
                state.attempt_number >= self.tries or state.upcoming_sleep > MAX_WAIT
            ),
            retry_error_callback=self._give_up,
        )
        return retrying(self._request_once, client, self.service.payload(first, second))

    def _request_once(self, client: "httpx.Client", payload: dict[str, Any]) -> float:
        import httpx

        name, key = self.service.name, self.service.key()
        if self.remaining < 1:
            raise QuotaError(
                f"{name}: max_requests={self.max_requests:,} requests were made; raise it to go on"
            )
        self._requests += 1  # counted before it is sent
        headers = {self.service.key_header: key}
        try:
            with client.stream("POST", self.service.url, headers=headers, **payload) as response:
                body = self._read(response)
        except httpx.TransportError as error:
            reason = _printable(str(error) or type(error).__name__, key)
            raise _TransientError(f"could not be reached ({reason})") from None
        said = _printable(body.decode("utf-8", "replace"), key)
        if not response.is_success:
            raise self._refusal(response, said)
        try:
            return self.service.distance(body)
        except InputError as error:
            raise HostedError(f"{name}: unusable response: {error}: {said}") from None

    def _read(self, response: "httpx.Response") -> bytes:
        """Return the body; of an error response only its first block."""
        import httpx

        body, deadline = b"", time.monotonic() + self.timeout
        try:
            for block in response.iter_raw():
                body += block
                if not response.is_success:
                    break
                if len(body) > MAX_ANSWER:
                    raise HostedError(
                        f"{self.service.name}: response larger than {MAX_ANSWER:,} bytes"
                    )
                if time.monotonic() > deadline:
                    raise _TransientError(f"no complete response within {self.timeout:g} s")
        except httpx.TransportError:
            if response.is_success:
                raise
        return body

    def _refusal(self, response: "httpx.Response", said: str) -> Exception:
        """Return the error for a status other than success."""
        name, status = self.service.name, response.status_code
        if status in (401, 403):
            return HostedError(
                f"{name}: the key in {self.service.key_variable} was refused ({status}: {said})"
            )
        if response.is_redirect:
            return HostedError(f"{name}: redirects ({status}); the key is sent to no other URL")
        kind = QuotaError if status in (402, 429) else HostedError
        reason = f"status {status} ({said})"
        if status in RETRY_STATUSES:
            return _TransientError(reason, _retry_after(response.headers.get("Retry-After")), kind)
        return kind(f"{name}: {reason}")

    def _wait(self, state: "RetryCallState") -> float:
        error = state.outcome and state.outcome.exception()
        if isinstance(error, _TransientError) and error.wait is not None:
            return error.wait
        return self.backoff * 2.0 ** (state.attempt_number - 1)

    def _give_up(self, state: "RetryCallState") -> float:
        error = state.outcome and state.outcome.exception()
        assert isinstance(error, _TransientError)  # noqa: S101 - nothing else is retried
        detail = f"{state.attempt_number} tries"
        if state.upcoming_sleep > MAX_WAIT:
            detail = f"retry after {state.upcoming_sleep:,.0f} s"
        raise error.kind(f"{self.service.name}: {error}; {detail}; try again later") from None


class ContentEmbedder:
    """An embedder whose vectors are the SHA-256 of an image's content, in sixteen numbers.

    They identify an image and say nothing about what it shows. Sources are remembered (files by
    path) until a request needs them, scaled to fit `input_size`.
    """

    dimension = _WORDS

    def __init__(self, name: str, side: int) -> None:
        self.name, self.input_size = name, (side, side)
        self._sources: dict[str, Source] = {}

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Embedded:
        """Return one vector per readable image, float32 ``(n, 16)``, and list the others."""
        vectors, kept, errors = [], [], {}
        for index, source in enumerate(as_sources(images)):
            try:
                vectors.append(_vector(self._remember(source)))
                kept.append(index)
            except ImageError as error:
                errors[index] = error
        return Embedded(np.reshape(vectors, (-1, _WORDS)), kept, errors_table(errors))

    def jpeg(self, digest: str) -> bytes:
        """Return an image as it is sent: scaled down, without EXIF data."""
        if digest not in self._sources:
            raise InputError(
                "unknown image: a hosted comparator can only compare images that it embedded "
                "itself, not vectors from a store or a saved scorer"
            )
        source = self._sources[digest]
        if content_digest(source) != digest:
            raise ImageError(describe(source), "has changed since it was embedded")
        image = Image.fromarray(read_image(source))
        image.thumbnail(self.input_size, Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=_JPEG_QUALITY)
        return buffer.getvalue()

    def _remember(self, source: Source) -> str:
        if isinstance(source, Image.Image):
            source = read_image(source)  # the digest of a palette image would ignore its palette
        elif isinstance(source, OpenedImage):
            source = source.source  # a file by its path
        if hasattr(source, "read"):
            source = read_bytes(source)  # a stream can be read only once
        check_image(source)
        digest = content_digest(source)
        self._sources[digest] = source
        return digest


class AnswerCache:
    """Distances by pair of content digests, in either order, appended to a JSON-lines file.

    A last line that a crash cut short is removed; any other unreadable line is an `InputError`,
    because it was paid for. Lines of other services are left alone.
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
                is_valid = math.isfinite(distance) and all(isinstance(each, str) for each in pair)
            except (ValueError, TypeError, KeyError, RecursionError):
                is_valid = False
            if not is_valid:
                raise InputError(
                    f"{path}, line {number}: not an answer of a hosted service; repair the line or "
                    "use another file"
                )
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


def _vector(digest: str) -> Vectors:
    """Return a digest as sixteen numbers, exact in float32."""
    return (np.frombuffer(bytes.fromhex(digest), ">u2") - _MIDDLE).astype(np.float32)


def _digest(vector: Vectors) -> str:
    """Return the digest that `_vector` was given."""
    words = np.asarray(vector, np.float64) + _MIDDLE
    if words.shape != (_WORDS,) or not np.isin(words, np.arange(2**16)).all():
        raise InputError("expected a vector made by the embedder of a hosted comparator")
    return words.astype(">u2").tobytes().hex()
