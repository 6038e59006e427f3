"""One-time codes and recovery codes."""

import pyotp
import pytest

from headgate.control.totp.codes import (
    accepted_step,
    new_recovery_codes,
    new_secret,
    normal_recovery_code,
    provisioning_uri,
)

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.mark.parametrize(
    ("now_s", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_vectors_of_the_rfc_are_accepted(now_s: int, code: str) -> None:
    """RFC 6238, appendix B, SHA-1, the last six digits."""
    assert accepted_step(RFC_SECRET, code, now_s=now_s, last_step=0) == now_s // 30


@pytest.mark.parametrize(
    ("skew_s", "is_accepted"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)]
)
def test_a_clock_may_differ_by_one_step(skew_s: int, is_accepted: bool) -> None:
    now_s = 30 * 1000
    code = pyotp.TOTP(RFC_SECRET).at(now_s + skew_s)
    assert (accepted_step(RFC_SECRET, code, now_s=now_s, last_step=0) is not None) is is_accepted


def test_a_step_counts_once_and_older_ones_no_more() -> None:
    now_s = 30 * 1000
    code = pyotp.TOTP(RFC_SECRET).at(now_s)
    assert accepted_step(RFC_SECRET, code, now_s=now_s, last_step=999) == 1000
    assert accepted_step(RFC_SECRET, code, now_s=now_s, last_step=1000) is None
    assert accepted_step(RFC_SECRET, code, now_s=now_s + 30, last_step=1000) is None
    older = pyotp.TOTP(RFC_SECRET).at(now_s - 30)
    assert accepted_step(RFC_SECRET, older, now_s=now_s, last_step=1000) is None


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "12 456", "１２３４５６", "-12345"])
def test_what_is_no_code_is_wrong(code: str) -> None:
    assert accepted_step(RFC_SECRET, code, now_s=30_000, last_step=0) is None


def test_a_secret_has_160_bits_and_goes_into_an_app() -> None:
    secret = new_secret()
    assert len(secret) == 32
    assert secret != new_secret()
    uri = provisioning_uri(secret, email="anna@example.com", issuer="Headgate")
    parsed = pyotp.parse_uri(uri)
    assert (parsed.name, parsed.issuer) == ("anna@example.com", "Headgate")
    assert f"secret={secret}" in uri


def test_recovery_codes_differ_and_can_be_typed_in_any_way() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == 10
    assert all(len(code) == 11 for code in codes)
    assert normal_recovery_code(f" {codes[0].upper().replace('-', ' - ')} ") == codes[0].replace("-", "")
