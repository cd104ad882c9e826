"""A hosted service as a comparator."""

from dataclasses import dataclass
from itertools import product
from os import PathLike

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from similarity_lab.distances.comparators import Distances
from similarity_lab.embedders.base import Images
from similarity_lab.errors import InputError, QuotaError
from similarity_lab.hosted.answers import Answers, Pair
from similarity_lab.hosted.asking import Asker, key_of
from similarity_lab.hosted.costs import Price
from similarity_lab.hosted.pictures import Pictures, digest_of
from similarity_lab.hosted.services import Service


@dataclass(frozen=True)
class Usage:
    """What a comparator has asked for so far.

    Attributes
    ----------
    requests : int
        Sent, tries after a refusal included.
    answers : int
        Distances that came back.
    looked_up : int
        Distances that were known already and not asked for.
    money : float or None
        What `requests` cost by the price given, in `currency`; an upper limit, since a refusal is
        mostly free. None without a price.
    currency : str
    """

    requests: int
    answers: int
    looked_up: int
    money: float | None
    currency: str


class HostedComparator:
    """Compares two pictures by asking a service that somebody else runs.

    It plugs in where every comparator does, with ``rule="mean-distance"`` in `RelevanceScorer`:
    a service gives no vectors, so nothing can be learned on it. **Your pictures leave your
    machine**: scaled down to `side` pixels, as JPEGs without EXIF or names. Whether you may send
    them is for you to know.

    Nothing is asked when it is made. Before the first request of a call it counts the pairs nobody
    has answered yet, and refuses if they are more than `max_requests` leaves. Each answer is kept
    as it comes: an interrupted call goes on where it stopped, the same two pictures are never paid
    for twice, and a picture beside itself has distance 0 without asking. Only where a server breaks
    off or times out may a request have been counted there that is sent again.

    Parameters
    ----------
    service : Service
        `DEEPAI`, `rapidapi` (…), or one you describe.
    max_requests : int
        A hard limit for this object, tries included.
    answers : path, optional
        File of JSON lines in which answers are kept; without it, for as long as this object lives.
    price : Price, optional
        For `usage`; default: the service's.
    side : int
        Longest side in pixels of what is sent.
    timeout, tries, backoff, max_wait
        Seconds to wait for an answer; how often a busy or unreachable service is asked; seconds
        before the second try, doubling, unless the service says how long (``Retry-After``); the
        longest it waits.
    progress : bool
        Show a bar while asking.

    Attributes
    ----------
    embedder : Pictures
        Its vectors tell which picture it is, nothing more.
    usage : Usage
    only_distances : bool
        True: there are no vectors to learn on, so the learned rule refuses it.

    Raises
    ------
    ValueError
        If a limit cannot be meant, or `answers` is a file of something else.
    OSError
        If `answers` cannot be written.

    Examples
    --------
    >>> from similarity_lab.hosted import DEEPAI
    >>> comparator = HostedComparator(DEEPAI, max_requests=20)
    >>> comparator.usage.requests, comparator.remaining
    (0, 20)
    >>> compare("a.jpg", "b.jpg", comparator=comparator)    # doctest: +SKIP
    31.0
    """

    only_distances = True

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
        max_wait: float = 60.0,
        progress: bool = True,
    ) -> None:
        if max_requests < 0 or side < 16 or tries < 1:
            raise InputError(
                "expected max_requests of 0 or more, a side of at least 16 pixels and at least one "
                f"try; got {max_requests}, {side} and {tries}"
            )
        if timeout <= 0 or backoff < 0 or max_wait < 0:
            raise InputError(
                "expected a timeout above 0 and waits of 0 or more, in seconds; "
                f"got {timeout}, {backoff} and {max_wait}"
            )
        self.service, self.progress = service, progress
        self.price = service.price if price is None else price
        self.embedder = Pictures(f"{service.name} at {service.url}, {side} px", side)
        self.answers = Answers(self.embedder.name, answers)
        self._asker = Asker(
            service,
            max_requests,
            timeout=timeout,
            tries=tries,
            backoff=backoff,
            max_wait=max_wait,
        )
        self._answered = self._looked_up = 0

    def __repr__(self) -> str:
        return (
            f"<comparator {self.service.name}: {self._asker.requests:,} of "
            f"{self._asker.max_requests:,} requests made, {len(self.answers):,} answers known>"
        )

    @property
    def remaining(self) -> int:
        """How many requests `max_requests` still allows."""
        return self._asker.max_requests - self._asker.requests

    @property
    def usage(self) -> Usage:
        """What was asked for so far, and what that costs at most."""
        requests, price = self._asker.requests, self.price
        money, currency = (None, "") if price is None else (price.of(requests), price.currency)
        return Usage(requests, self._answered, self._looked_up, money, currency)

    def distances(self, a: Images, b: Images) -> Distances:
        """Return distances of images, float32 ``(len(a), len(b))``, smaller = more alike.

        Raises
        ------
        QuotaError
            Before anything is asked, if the unknown pairs are more than `max_requests` leaves; or
            when the service wants no more. What was answered is kept.
        HostedError
            For a missing or wrong key, an unreachable service, an answer that holds no distance.
        ImageError
            If one of them is no picture.
        """
        return self.between(
            self.embedder.embed(a, progress=False), self.embedder.embed(b, progress=False)
        )

    def between(self, a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> Distances:
        """Return distances of pictures by the vectors of `embedder`, ``(n, 16), (m, 16) → (n, m)``.

        Raises what `distances` raises.
        """
        left, right = ([digest_of(vector) for vector in vectors] for vectors in (a, b))
        pairs = list(product(left, right))
        unknown = list(
            {frozenset(pair): pair for pair in pairs if self.answers.get(pair) is None}.values()
        )
        self._check(len(unknown))
        self._looked_up += len(pairs) - len(unknown)
        bar = tqdm(unknown, desc=self.service.name, unit="pair", disable=not self.progress)
        for pair in bar:
            self._ask(pair)
        found = [self.answers.get(pair) for pair in pairs]
        return np.array(found, np.float32).reshape(len(left), len(right))

    def _check(self, wanted: int) -> None:
        """Raise before the first request rather than in the middle."""
        if wanted > self.remaining:
            before, price = self._asker.requests, self.price
            more = price and price.of(before + wanted) - price.of(before)
            said = f" ({more:,.2f} {price.currency} by the price given)" if price else ""
            raise QuotaError(
                f"{self.service.name}: {wanted:,} pairs are not answered yet and max_requests "
                f"leaves {self.remaining:,} requests; nothing was asked. Pass fewer images, or "
                f"raise max_requests{said}"
            )
        if wanted:
            key_of(self.service)

    def _ask(self, pair: Pair) -> None:
        first, second = (self.embedder.jpeg(digest) for digest in pair)
        self.answers.keep(pair, self._asker.ask(first, second))
        self._answered += 1
