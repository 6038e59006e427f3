"""What a code may look like."""

import pytest

from headgate.control.codes.text import checked_code, fresh_code
from headgate.errors import BadRequest


@pytest.mark.parametrize(
    "code", ["abc", "x" * 128, "s2p_20260101-0007", "Order #7 / 100%", "<script>'\"\\", "=SUM(A1)", "a b"]
)
def test_printable_ascii_is_kept_as_it_is(code: str) -> None:
    assert checked_code(f"  {code}\n") == code


def test_case_makes_a_difference() -> None:
    assert checked_code("abC") != checked_code("abc")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "  ",
        "ab",
        " ab ",
        "x" * 129,
        "naïve",
        "ｆｕｌｌ",
        "код",
        "a\nb",
        "a\tbc",
        "a\x00bc",
        "a\x7fbc",
        "zero\u200bwidth",
    ],
)
def test_everything_else_is_refused(code: str) -> None:
    with pytest.raises(BadRequest) as refused:
        checked_code(code)
    assert refused.value.reason == "REDEEM_CODE_INVALID"


def test_fresh_codes_are_long_and_differ() -> None:
    codes = {fresh_code() for _ in range(1000)}
    assert len(codes) == 1000
    assert {len(code) for code in codes} == {32}
    assert {checked_code(code) for code in codes} == codes
