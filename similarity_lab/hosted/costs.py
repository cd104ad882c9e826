"""What a service would cost: every pair of pictures is a request."""

import math
from dataclasses import dataclass

from similarity_lab.errors import InputError


@dataclass(frozen=True)
class Price:
    """What a service takes; what it takes today is on its own page.

    Attributes
    ----------
    per_request : float
        For each request beyond those that are included.
    per_month : float
        Subscription.
    included : int
        Requests a month that the subscription covers. With ``per_request=0`` there are no others:
        the rest has to wait for the next month.
    currency : str
    """

    per_request: float = 0.0
    per_month: float = 0.0
    included: int = 0
    currency: str = "USD"

    def __post_init__(self) -> None:
        numbers = (self.per_request, self.per_month, self.included)
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise InputError(f"prices and numbers of requests are 0 or more, got {numbers}")

    def months(self, requests: int) -> int:
        """Return how many monthly subscriptions these requests take, at least one if any do."""
        if not requests or not (self.per_month or self.included):
            return 0
        waits = self.included and not self.per_request
        return math.ceil(requests / self.included) if waits else 1

    def of(self, requests: int) -> float:
        """Return the money that so many requests take, in `currency`.

        Examples
        --------
        >>> Price(per_month=1.99, included=6000).of(12_001)
        5.97
        >>> Price(per_request=0.01).of(250)
        2.5
        """
        months = self.months(requests)
        beyond = max(0, requests - self.included) if self.per_request else 0
        return round(months * self.per_month + beyond * self.per_request, 6)


@dataclass(frozen=True)
class Estimate:
    """What it would take to decide on sites by a hosted service.

    Attributes
    ----------
    requests : int
    money : float
        In `currency`.
    months : int
        Of subscription; 0 where the price has none.
    days : float
        Of asking, one request at a time.
    currency : str
    """

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
    """Estimate what deciding on sites would cost; nothing is asked.

    A service compares pictures, it gives no vectors, so each image of a site is sent once for every
    reference it is compared with: ``sites × images_per_site × references`` requests.

    Parameters
    ----------
    sites : int
    images_per_site : float
    references : int
        The study draws 15.
    price : Price
    seconds_per_request : float

    Returns
    -------
    Estimate

    Examples
    --------
    >>> estimate = cost_of(sites=1000, images_per_site=40, references=15,
    ...                    price=Price(per_month=1.99, included=6000))
    >>> estimate.requests, estimate.months, estimate.money
    (600000, 100, 199.0)
    """
    for name, value in (
        ("sites", sites),
        ("images_per_site", images_per_site),
        ("references", references),
        ("seconds_per_request", seconds_per_request),
    ):
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{name} must be 0 or more, got {value}")
    requests = math.ceil(sites * images_per_site * references)
    days = requests * seconds_per_request / 86_400
    return Estimate(requests, price.of(requests), price.months(requests), days, price.currency)
