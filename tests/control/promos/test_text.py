"""What a promo code may look like."""

import pytest

from headgate.control.promos.text import checked_promo, fresh_promo
from headgate.errors import BadRequest


@pytest.mark.parametrize(
    ("given", "kept"), [(" welcome ", "WELCOME"), ("x", "X"), ("a-1_%", "A-1_%"), ("Z" * 32, "Z" * 32)]
)
def test_a_code_is_trimmed_and_compared_in_upper_case(given: str, kept: str) -> None:
    assert checked_promo(given) == kept


@pytest.mark.parametrize("code", ["", " ", "x" * 33, "two words", "straße", "ﬁ", "a\x00", "ı"])
def test_everything_else_is_refused(code: str) -> None:
    with pytest.raises(BadRequest) as refused:
        checked_promo(code)
    assert refused.value.reason == "PROMO_CODE_INVALID"


def test_fresh_codes_are_sixteen_upper_case_hex_digits() -> None:
    code = fresh_promo()
    assert (len(code), code) == (16, checked_promo(code))
    assert int(code, 16) >= 0
