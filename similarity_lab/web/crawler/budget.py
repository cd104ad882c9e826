"""What a crawl may still spend on its site, and the limit that it has reached."""

import time

from similarity_lab.web.policy.limits import Limits
from similarity_lab.web.reasons import Code, Reason


class Budget:
    """The limits of one crawl, and what is used of them.

    Attributes
    ----------
    n_pages, n_sitemaps, n_bytes : int
        Used so far; a page counts when it is requested.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.n_pages = self.n_sitemaps = self.n_bytes = 0
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time since the start of the crawl."""
        return time.monotonic() - self._start

    @property
    def seconds_left(self) -> float:
        """Time until the crawl has to end."""
        return self.limits.seconds - self.seconds

    def exhausted(self, *, after: float = 0.0) -> Reason | None:
        """Return the limit that forbids a request in `after` seconds, or None."""
        if self.seconds + after > self.limits.seconds:
            return Reason(Code.LIMIT_SECONDS, f"{self.limits.seconds:g}")
        if self.n_bytes > self.limits.site_bytes:
            return Reason(Code.LIMIT_SITE_BYTES, f"{self.limits.site_bytes:,}")
        return None

    def exhausted_for_pages(self, *, after: float = 0.0) -> Reason | None:
        """Return the limit that forbids to find more images on pages, or None.

        Half of the time belongs to the images that were found.
        """
        if limit := self.exhausted(after=after):
            return limit
        if 2 * (self.seconds + after) > self.limits.seconds:
            return Reason(Code.LIMIT_SECONDS_FOR_PAGES, f"{self.limits.seconds:g}")
        if self.n_pages >= self.limits.pages:
            return Reason(Code.LIMIT_PAGES, self.limits.pages)
        return None
