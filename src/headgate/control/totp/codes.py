"""One-time codes (RFC 6238: SHA-1, 6 digits, 30 s) and recovery codes. Pure: time and randomness come in.

A code counts in its own step and the ones beside it, because clocks differ; a step counts once, so a code
that was seen over a shoulder is worth nothing.
"""

import base64
import hmac
import re
import secrets

import pyotp

STEP_S = 30
SKEW_STEPS = 1
SECRET_BYTES = 20
"""160 bits, as RFC 4226 4 recommends."""
RECOVERY_CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without characters that are read for each other."""
_HALF = 5
_DIGITS = re.compile(r"[0-9]{6}")


def new_secret() -> str:
    """Base32, as apps take it."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def provisioning_uri(secret: str, *, email: str, issuer: str) -> str:
    """What the QR code says (`otpauth://totp/...`)."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=issuer)


def is_one_time_code(code: str) -> bool:
    return _DIGITS.fullmatch(code) is not None


def accepted_step(secret: str, code: str, *, now_s: int, last_step: int) -> int | None:
    """The step that the code belongs to; None when it is wrong, too old, too early, or of a step that is not
    newer than `last_step` (the newest accepted one)."""
    if not is_one_time_code(code):
        return None
    totp, current = pyotp.TOTP(secret, interval=STEP_S), now_s // STEP_S
    found = None
    for step in range(current - SKEW_STEPS, current + SKEW_STEPS + 1):  # all of them: no timing to learn from
        is_match = hmac.compare_digest(totp.generate_otp(max(step, 0)), code)
        if is_match and step > last_step:
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Ten of 49 bits each, such as `k7m2p-x9qrt`."""
    return [f"{_half()}-{_half()}" for _ in range(RECOVERY_CODES)]


def normal_recovery_code(code: str) -> str:
    """One spelling, however it was typed."""
    return code.lower().replace("-", "").replace(" ", "")


def _half() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_HALF))
