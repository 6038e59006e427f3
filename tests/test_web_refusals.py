"""Refusals that users meet have a sentence in every language of the web app (issue 6)."""

import re
from pathlib import Path

import pytest

from headgate.core.dialects.auth_codes import CODES
from headgate.kit import json

ROOT = Path(__file__).resolve().parents[1]
CONTROL = ROOT / "src/headgate/control"
USERS_SLICES = ("auth", "totp", "oauth", "registration")
OF_OPERATORS = frozenset(
    (
        "CONFIG_NOT_READY",
        "CONFLICT",
        "INVALID_REGISTRATION_EMAIL_SUFFIX_WHITELIST",
        "OAUTH_INVITATION_REQUIRED",
        "PROVIDER_NOT_FOUND",
        "REFRESH_TOKEN_ROTATED",
        "SECRET_REQUIRED",
        "TOTP_VERIFY_ERROR",
        "TURNSTILE_INVALID_SECRET_KEY",
        "TURNSTILE_NOT_CONFIGURED",
    )
)
"""Of administration, or never shown as a sentence: the page acts on them."""


def _messages(language: str, name: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(
        (ROOT / f"web/src/i18n/{language}/{name}.json").read_bytes()
    )
    return found


def _reasons(pattern: str, *places: Path) -> set[str]:
    files = [path for place in places for path in (place.rglob("*.py") if place.is_dir() else [place])]
    return {code for path in files for code in re.findall(pattern, path.read_text())}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_refusals_of_the_data_plane_have_a_sentence(language: str) -> None:
    admission = _reasons(r'"([A-Z]+(?:_[A-Z]+)+)"', ROOT / "src/headgate/core/limits/admission.py")
    wanted = set(CODES.values()) | admission | {"rate_limit_exceeded"}
    assert len(wanted) > 15
    assert wanted - set(_messages(language, "refusals")["gateway"]) == set()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_refusals_about_ones_own_account_have_a_sentence(language: str) -> None:
    wanted = _reasons(r'reason="([A-Z_]+)"', *(CONTROL / name for name in USERS_SLICES))
    assert wanted > OF_OPERATORS, "an exception is no longer needed"
    has = set(_messages(language, "refusals")["management"]) | set(_messages(language, "auth")["reason"])
    assert wanted - OF_OPERATORS - has == set()
