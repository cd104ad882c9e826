"""How long to wait between requests to a server: what it declares, and what it asks for."""

import time

_FIRST_DELAY, _MAX_DELAY = 1.0, 10.0  # seconds between requests to a server that was overloaded
_NO_DELAY = 0.1  # a shorter delay is none
_RECOVERY = 0.8  # factor of the delay with each response


class Politeness:
    """Delays and pauses of one crawl, by host."""

    def __init__(self) -> None:
        self._crawl_delays: dict[str, float] = {}  # of robots.txt
        self._slow_delays: dict[str, float] = {}
        self._pauses: dict[str, float] = {}  # time at which they end

    def set_crawl_delay(self, host: str, seconds: float) -> None:
        """Set the delay that a robots.txt demands."""
        self._crawl_delays[host] = seconds

    def delay(self, host: str) -> float:
        """Return the seconds between requests; 0 if it is up to the throttle."""
        return max(self._crawl_delays.get(host, 0.0), self._slow_delays.get(host, 0.0))

    def pause(self, host: str) -> float:
        """Return for how many seconds a server wants to be left alone; may be negative."""
        return self._pauses.get(host, 0.0) - time.monotonic()

    def on_overload(self, host: str, seconds: float) -> None:
        """Leave a server alone for some seconds, and be slower afterwards.

        Several requests that were on their way when it was overloaded count once.
        """
        if self.pause(host) <= 0:
            delay = 2 * self._slow_delays.get(host, 0.0)
            self._slow_delays[host] = min(_MAX_DELAY, max(delay, _FIRST_DELAY))
        self._pauses[host] = max(self._pauses.get(host, 0.0), time.monotonic() + seconds)

    def on_response(self, host: str) -> None:
        """Be a little faster again with a server that was overloaded."""
        if host in self._slow_delays:
            self._slow_delays[host] *= _RECOVERY
            if self._slow_delays[host] < _NO_DELAY:
                del self._slow_delays[host]
