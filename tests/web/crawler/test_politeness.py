"""Delays and pauses, on a clock of the test."""

import pytest

from similarity_lab.web.crawler import politeness
from similarity_lab.web.crawler.politeness import Politeness


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets: its only item is the time."""
    clock = [100.0]
    monkeypatch.setattr(politeness.time, "monotonic", lambda: clock[0])
    return clock


def test_crawl_delay_always_applies(clock):
    polite = Politeness()
    polite.set_crawl_delay("a", 7.0)
    polite.on_overload("a", 1.0)
    for _ in range(100):
        polite.on_response("a")
    assert polite.delay("a") == 7.0 and polite.delay("b") == 0.0


def test_pause_lasts_as_long_as_the_server_asks(clock):
    polite = Politeness()
    assert polite.pause("a") <= 0
    polite.on_overload("a", 30.0)
    polite.on_overload("a", 5.0)
    clock[0] += 10
    assert polite.pause("a") == 20.0 and polite.pause("b") <= 0


def test_requests_that_fail_at_once_count_once(clock):
    polite = Politeness()
    for _ in range(16):
        polite.on_overload("a", 2.0)
    assert polite.delay("a") == 1.0
    for expected in (2.0, 4.0, 8.0, 10.0, 10.0):
        clock[0] += 3
        polite.on_overload("a", 2.0)
        assert polite.delay("a") == expected


def test_server_that_responds_again_is_asked_faster_and_faster(clock):
    polite = Politeness()
    polite.on_overload("a", 2.0)
    delays = []
    while polite.delay("a"):
        delays.append(polite.delay("a"))
        polite.on_response("a")
    assert delays == sorted(delays, reverse=True) and 5 < len(delays) < 20
