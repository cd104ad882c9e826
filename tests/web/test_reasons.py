import json
import pickle

import pytest

from similarity_lab.web.reasons import Code, Reason, code_of, read_reason


def test_every_code_has_a_text_of_one_line():
    for code in Code:
        reason = Reason(code, "3")
        assert reason and "{" not in reason and "\n" not in reason and reason.code is code


def test_facts_are_text_whatever_they_contain():
    reason = Reason(Code.NOT_HTML, "{what} {0} %s")
    assert reason == "Not HTML ({what} {0} %s)"


@pytest.mark.parametrize("status", [*range(300, 600)])
def test_every_http_status_has_a_code(status):
    reason = Reason.of_status(status)
    assert reason == f"HTTP status {status}"
    assert (reason.code is Code.SERVER_ERROR) == (status >= 500)


def test_reason_survives_a_log():
    reason = Reason(Code.ROBOTS).after("Could not read it: ")
    row = json.loads(json.dumps({"reason": reason, "reason_code": code_of(reason)}))
    again = read_reason(row)
    assert again == reason and again.code is Code.ROBOTS
    assert pickle.loads(pickle.dumps(reason)).code is Code.ROBOTS


@pytest.mark.parametrize(
    ("row", "code"),
    [({}, None), ({"reason": ""}, None), ({"reason": None, "reason_code": "icon"}, None),
     ({"reason": "x", "reason_code": "invented"}, Code.UNKNOWN), ({"reason": 5}, Code.UNKNOWN),
     ({"reason": "x", "reason_code": ["icon"]}, Code.UNKNOWN)],
)  # fmt: skip
def test_damaged_row_has_an_unknown_reason_or_none(row, code):
    reason = read_reason(row)
    assert (reason.code if reason else None) is code


def test_text_without_a_code_is_an_unknown_reason():
    assert (code_of(""), code_of(None), code_of("x")) == ("", "", "unknown")
