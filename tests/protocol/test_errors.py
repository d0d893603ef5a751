"""Errors and close codes are those of section 8 of the protocol, row by row."""

import re
from pathlib import Path

import pytest

from tideline.protocol.errors import (
    ERRORS,
    NO_RECONNECT,
    POSITION_ERRORS,
    Close,
    ConnectionClosed,
    RequestError,
    TidelineError,
    bad_request,
    too_large,
)

SECTION_8 = """
bad_request     400 no
unauthorized    401 no
forbidden       403 no
not_found       404 no
conflict        409 no
epoch_changed   410 no
cursor_ahead    410 no
cursor_too_old  410 no
too_large       413 no
rate_limited    429 yes
unavailable     503 yes
internal        500 yes
"""

STAY_AWAY = {4400, 4401, 4403, 4409, 4413}
COME_BACK = {4408, 1001, 1006, 1011, 1012, 1013}


def test_every_code_has_the_status_and_the_retry_of_section_8() -> None:
    rows = (line.split() for line in SECTION_8.strip().splitlines())
    expected = {code: (int(status), retry == "yes") for code, status, retry in rows}
    assert {code: tuple(trait) for code, trait in ERRORS.items()} == expected


def test_the_specification_says_the_same() -> None:
    """Its table of errors, and its table of close codes."""
    text = (Path(__file__).parents[2] / "spec" / "protocol.md").read_text()
    rows = re.findall(r"^\| (`.*?`) \| (\d{3}) \| (true|false) \|", text, re.MULTILINE)
    said = {code: (int(status), retry == "true") for names, status, retry in rows for code in re.findall(r"\w+", names)}
    assert said == {code: tuple(trait) for code, trait in ERRORS.items()}
    _, _, closes = text.partition("| close code |")
    found = re.findall(r"^\| ([\d, ]+) \|.*\| (yes|no|with another token only)\b", closes, re.MULTILINE)
    again = {int(code): back == "yes" for codes, back in found for code in codes.split(", ")}
    assert again == {code: code in COME_BACK for code in STAY_AWAY | COME_BACK}


def test_the_close_codes_are_those_of_section_8() -> None:
    assert {int(code) for code in Close} == STAY_AWAY | COME_BACK
    assert {int(code) for code in NO_RECONNECT} == STAY_AWAY


@pytest.mark.parametrize("code", sorted(STAY_AWAY | COME_BACK))
def test_a_close_code_says_whether_to_come_back(code: int) -> None:
    assert ConnectionClosed(code).reconnect == (code in COME_BACK)


def test_after_a_position_error_a_device_takes_a_snapshot() -> None:
    assert {code for code, trait in ERRORS.items() if trait.status == 410} == POSITION_ERRORS


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_carries_its_row(code: str) -> None:
    error = RequestError(code, "why")
    assert isinstance(error, TidelineError)
    assert (error.status, error.retry) == ERRORS[code]
    assert str(error) == f"{code}: why"


def test_a_code_of_a_later_version_obeys_the_retry_that_came_with_it() -> None:
    assert RequestError("tea_break", "why", retry=False).retry is False
    assert RequestError("tea_break", "why", retry=True, retry_after=3).retry_after == 3
    assert RequestError("tea_break", "why").status == 500


def test_what_is_over_a_limit_is_told_with_both_sizes() -> None:
    assert too_large("body", 40112, 32768, "bytes").message == "body is 40112 bytes, the limit is 32768"
    assert bad_request("`x` is wrong").code == "bad_request"
