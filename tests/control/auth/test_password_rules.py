"""What a new password must be."""

import pytest

from headgate.control.auth.password_rules import require_good_password
from headgate.errors import BadRequest


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("short-7", "at least 8 characters"),
        ("Password123", "among the first"),
        ("aaaaaaaaaaaa", "repeats"),
        ("abababababAB", "repeats"),
        ("Anna.Smith@Example.com", "e-mail"),
        ("anna.smith", "e-mail"),
    ],
)
def test_a_password_that_is_guessed_first_is_refused(password: str, problem: str) -> None:
    with pytest.raises(BadRequest, match=problem) as refused:
        require_good_password(password, email="Anna.Smith@example.com", min_chars=8)
    assert refused.value.reason == "PASSWORD_TOO_WEAK"
    assert password not in refused.value.message


@pytest.mark.parametrize(
    "password", ["correct horse battery", "密码不容易猜到的那种", "Tr0ub4dor&3", "pass word 1"]
)
def test_length_is_enough_otherwise(password: str) -> None:
    require_good_password(password, email="anna@example.com", min_chars=8)
