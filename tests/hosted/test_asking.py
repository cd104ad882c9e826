"""Services that are busy, broken, slow or hostile, and keys that must not be seen."""

import pickle
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from similarity_lab.errors import HostedError, QuotaError
from similarity_lab.hosted import DEEPAI, Service, asking

from .conftest import KEY


@pytest.fixture
def ask(photos):
    return lambda comparator: comparator.distances(photos[:1], photos[1:2])


@pytest.fixture
def waits(monkeypatch):
    waited = []
    monkeypatch.setattr(asking.time, "sleep", waited.append)
    return waited


def test_busy_then_well(server, hosted, ask, waits):
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
    assert waits[2] == 2 * 2**2, "without an hour it doubles"


def test_broken_for_good(server, hosted, ask, waits):
    server.script = [500] * 9
    with pytest.raises(HostedError, match=r"answers 500 .*, 3 times; come back later"):
        ask(hosted(tries=3, backoff=1))
    assert len(server.headers) == 3 and waits == [1, 2]


def test_asked_to_wait_too_long(server, hosted, ask, waits):
    server.script = [(429, {"Retry-After": "86400"}, b'{"message": "20 a day"}')]
    with pytest.raises(QuotaError, match=r"429 .*20 a day.*wait 86,400 s"):
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
def test_answers_that_hold_no_distance(server, hosted, ask, answer):
    server.script = [(200, {}, answer)]
    with pytest.raises(HostedError, match="the answer (holds no number|expected a distance)") as no:
        ask(hosted())
    assert len(str(no.value)) < 400
    assert len(server.headers) == 1, "it may have been paid for: not asked again"


def test_an_answer_too_long(server, hosted, ask):
    server.script = [(200, {}, b" " * (asking.MAX_ANSWER + 1))]
    with pytest.raises(HostedError, match="longer than 65,536 bytes"):
        ask(hosted())


def slow(handler):
    time.sleep(0.5)


def dripping(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        time.sleep(0.05)


def breaking_off(handler):
    handler.answer(200, {"Content-Length": "1000"}, b'{"output": ')


@pytest.mark.parametrize("step", [slow, dripping, breaking_off], ids=lambda step: step.__name__)
def test_slow_and_broken_answers_are_asked_for_again(server, hosted, ask, step):
    server.script = [step]
    assert ask(hosted(timeout=0.2)) > 0
    assert len(server.headers) == 2
    server.script = [step, step]
    with pytest.raises(HostedError, match=r"could not be reached .*, 2 times"):
        ask(hosted(timeout=0.2, tries=2))


def test_nobody_there(server, hosted, ask, service):
    server.shutdown()
    server.server_close()
    with pytest.raises(HostedError, match="could not be reached"):
        ask(hosted(tries=2))


def test_a_redirect_gets_no_key(server, hosted, ask):
    server.script = [(302, {"Location": server.url}, b"")]
    with pytest.raises(HostedError, match="redirects"):
        ask(hosted())
    assert len(server.headers) == 1


def test_a_wrong_key_is_not_shown(server, hosted, ask, monkeypatch):
    wrong = "wr0ng-key"
    monkeypatch.setenv("TEST_SERVICE_KEY", wrong)
    comparator = hosted()
    with pytest.raises(HostedError, match="refuses the key in TEST_SERVICE_KEY") as refused:
        ask(comparator)
    assert wrong not in str(refused.value) and "***" in str(refused.value)
    assert refused.value.__cause__ is None and refused.value.__suppress_context__
    assert len(server.headers) == 1


def test_a_key_that_is_missing_or_no_key(server, hosted, ask, monkeypatch):
    monkeypatch.delenv("TEST_SERVICE_KEY")
    with pytest.raises(HostedError, match="set the environment variable TEST_SERVICE_KEY"):
        ask(hosted())
    for key in ("two words", "line\nX-Evil: 1", "schlüssel"):
        monkeypatch.setenv("TEST_SERVICE_KEY", key)
        with pytest.raises(HostedError, match="is no key") as refused:
            ask(hosted())
        assert key not in str(refused.value)
    assert not server.headers


def test_the_key_is_nowhere_in_the_object(hosted, ask):
    comparator = hosted()
    ask(comparator)
    assert KEY not in repr(comparator) + repr(comparator.usage) + repr(comparator.service)
    assert KEY.encode() not in pickle.dumps(comparator)


def test_answers_are_shown_on_one_printable_line(server, hosted, ask):
    server.script = [(400, {}, b"\x1b[31mno\npictures" + b"!" * 999)]
    with pytest.raises(HostedError, match=r"answers 400 \(\[31mno pictures!") as refused:
        ask(hosted())
    assert len(str(refused.value)) < 300 and str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://api.deepai.org/api", "expected an https address"),
        ("file:///etc/passwd", "expected an https address"),
        ("https:///path", "expected an https address"),
        ("https://me:secret@example.org/", "holds no credentials"),
    ],
)
def test_addresses_that_are_refused(url, said):
    with pytest.raises(ValueError, match=said) as refused:
        Service("x", url, "X_KEY", "key", ("a", "b"), ("distance",))
    assert "secret" not in str(refused.value)


def test_what_deepai_is_sent():
    kind, body = DEEPAI.body(b"\xff\xd8one", b"\xff\xd8two")
    assert kind.startswith("multipart/form-data; boundary=")
    assert b'name="image1"' in body and b'name="image2"' in body
    assert DEEPAI.distance(b'{"id": "1", "output": {"distance": 31}}') == 31
