"""Busy, broken, slow and hostile services; and keys, which must never show up anywhere."""

import logging
import pickle
import time
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from similarity_lab.errors import HostedError, InputError, MissingExtraError, QuotaError
from similarity_lab.hosted import DEEPAI, MAX_ANSWER, HostedComparator, Service

from .conftest import KEY


@pytest.fixture
def ask(photos):
    """Return a function that requests one distance."""
    return lambda comparator: comparator.distances(photos[:1], photos[1:2])


@pytest.fixture
def waits(monkeypatch):
    """Replace sleeping by a list of the seconds asked for."""
    seconds = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


def test_busy_service_is_retried_after_the_wait_it_names(server, hosted, ask, waits):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    server.script = [
        (429, {"Retry-After": "7"}, b""),
        (503, {"Retry-After": soon}, b""),
        (500, {"Retry-After": "whenever"}, b""),
    ]
    comparator = hosted(backoff=2)
    assert ask(comparator) > 0
    assert comparator.usage.requests == 4 and len(server.headers) == 4
    assert waits[0] == 7 and waits[1] == pytest.approx(30, abs=3)
    assert waits[2] == 2 * 2**2, "exponential back-off if the header is unusable"


def test_broken_service_is_given_up_after_the_last_try(server, hosted, ask, waits):
    server.script = [500] * 9
    with pytest.raises(HostedError, match=r"status 500 .*; 3 tries; try again later"):
        ask(hosted(tries=3, backoff=1))
    assert len(server.headers) == 3 and waits == [1, 2]


def test_long_retry_after_is_not_waited_for(server, hosted, ask, waits):
    server.script = [(429, {"Retry-After": "86400"}, b'{"message": "20 a day"}')]
    with pytest.raises(QuotaError, match=r"429 .*20 a day.*retry after 86,400 s"):
        ask(hosted())
    assert len(server.headers) == 1 and not waits


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>busy</html>",
        b"",
        b"[1]",
        b'{"output": []}',
        b'{"output": {"distance": null}}',
        b'{"output": {"distance": true}}',
        b'{"output": {"distance": -1}}',
        b'{"output": {"distance": NaN}}',
        b'{"output": {"distance": 1e999}}',
        b'{"output": {"distance": ' + b"9" * 5000 + b"}}",
        b"[" * 60_000,
    ],
)
def test_response_without_a_distance_is_an_error(server, hosted, ask, answer):
    server.script = [(200, {}, answer)]
    match = "unusable response: (no number|expected a distance)"
    with pytest.raises(HostedError, match=match) as caught:
        ask(hosted())
    assert len(str(caught.value)) < 400
    assert len(server.headers) == 1, "it may have been paid for, so it is not retried"


def test_response_beyond_the_size_limit_is_an_error(server, hosted, ask):
    server.script = [(200, {}, b" " * (MAX_ANSWER + 1))]
    with pytest.raises(HostedError, match="larger than 65,536 bytes"):
        ask(hosted())


def test_compressed_response_is_not_unpacked(server, hosted, ask):
    server.script = [(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b" + b"x" * 100)]
    with pytest.raises(HostedError, match="unusable response: no number"):
        ask(hosted())
    assert server.headers[0]["Accept-Encoding"] == "identity"


def silent(handler):
    time.sleep(1.5)


def dripping(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(30):
        handler.wfile.write(b" ")
        time.sleep(0.05)


def truncated(handler):
    handler.answer(200, {"Content-Length": "1000"}, b'{"output": ')


@pytest.mark.parametrize("step", [silent, dripping, truncated], ids=lambda step: step.__name__)
def test_slow_or_truncated_response_is_retried(server, hosted, ask, step):
    server.script = [step]
    assert ask(hosted(timeout=0.6)) > 0
    assert len(server.headers) == 2
    server.script = [step, step]
    with pytest.raises(HostedError, match=r"(reached|no complete).* 2 tries"):
        ask(hosted(timeout=0.6, tries=2))


def test_unreachable_service_is_an_error(server, hosted, ask):
    server.shutdown()
    server.server_close()
    comparator = hosted(tries=2)
    with pytest.raises(HostedError, match="could not be reached"):
        ask(comparator)
    assert comparator.usage.requests == 2


def test_redirect_is_not_followed(server, hosted, ask):
    server.script = [(302, {"Location": server.url}, b"")]
    with pytest.raises(HostedError, match="redirects"):
        ask(hosted())
    assert len(server.headers) == 1


def test_refused_key_is_not_shown(server, hosted, ask, monkeypatch):
    wrong = "wr0ng-key"
    monkeypatch.setenv("TEST_SERVICE_KEY", wrong)
    with pytest.raises(HostedError, match="the key in TEST_SERVICE_KEY was refused") as caught:
        ask(hosted())
    assert wrong not in str(caught.value) and "***" in str(caught.value)
    assert len(server.headers) == 1


def test_missing_key_is_an_error_before_a_request(server, hosted, ask, monkeypatch):
    monkeypatch.delenv("TEST_SERVICE_KEY")
    with pytest.raises(HostedError, match="set the environment variable TEST_SERVICE_KEY"):
        ask(hosted())
    assert not server.headers


@pytest.mark.parametrize("key", ["two words", "line\nX-Evil: 1", "schlüssel"])
def test_malformed_key_is_an_error_and_not_shown(server, hosted, ask, monkeypatch, key):
    monkeypatch.setenv("TEST_SERVICE_KEY", key)
    with pytest.raises(HostedError, match="is not a key") as caught:
        ask(hosted())
    assert key not in str(caught.value)
    assert not server.headers


def test_key_is_not_in_the_object(hosted, ask):
    comparator = hosted()
    ask(comparator)
    assert KEY not in repr(comparator) + repr(comparator.usage) + repr(comparator.service)
    assert KEY.encode() not in pickle.dumps(comparator)


@pytest.mark.parametrize(
    "step", [None, 500, truncated, (400, {}, KEY.encode())], ids=["good", "500", "cut", "echo"]
)
def test_key_is_not_in_logs_and_tracebacks(server, hosted, ask, caplog, step):
    caplog.set_level(logging.DEBUG)
    server.script = [step]
    try:
        ask(hosted(tries=1))
    except HostedError as error:
        assert KEY not in "".join(traceback.format_exception(error))
    else:
        assert step is None
    assert caplog.records and KEY not in caplog.text


def test_error_text_of_a_service_is_one_printable_line(server, hosted, ask):
    server.script = [(400, {}, b"\x1b[31mno\nimages" + b"!" * 999)]
    with pytest.raises(HostedError, match=r"status 400 \(\[31mno images!") as caught:
        ask(hosted())
    assert len(str(caught.value)) < 300 and str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://api.deepai.org/api", "expected an https URL"),
        ("file:///etc/passwd", "expected an https URL"),
        ("https:///path", "expected an https URL"),
        ("https://me:secret@example.org/", "no credentials in the URL"),
        ("http://me:secret@example.org/", "no credentials in the URL"),
    ],
)
def test_unsafe_url_is_refused(url, message):
    with pytest.raises(InputError, match=message) as caught:
        Service("x", url, "X_KEY", "key", ("a", "b"), ("distance",))
    assert "secret" not in str(caught.value)


def test_deepai_request_and_response_follow_its_documentation():
    assert set(DEEPAI.payload(b"one", b"two")["files"]) == {"image1", "image2"}
    assert DEEPAI.distance(b'{"id": "1", "output": {"distance": 31}}') == 31


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr("similarity_lab.hosted.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "similarity_lab\[hosted\]"'):
        HostedComparator(DEEPAI, max_requests=1)
