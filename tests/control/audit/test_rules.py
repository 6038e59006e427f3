"""What is hidden and what is shown."""

from datetime import UTC, datetime
from typing import Any

import pytest

from headgate.control.audit.rules import HIDDEN, MAX_ITEMS, MAX_TEXT, is_secret, safe


@pytest.mark.parametrize(
    "name",
    [
        "password", "old_password", "passwordHash", "api_key", "apiKey", "x-api-key", "custom_key", "key",
        "access_token", "refreshToken", "client_secret", "credentials", "credentials_sealed", "Authorization",
        "cookie", "value_sealed", "otp", "prompt", "PASSWORD", "signature",
    ],
)  # fmt: skip
def test_fields_with_these_names_are_secret(name: str) -> None:
    assert is_secret(name)
    assert safe(name, "anything at all") == HIDDEN
    assert safe(name, {"inner": "anything"}) == HIDDEN
    assert safe(name, b"bytes") == HIDDEN


@pytest.mark.parametrize(
    "name", ["name", "email", "monkey", "keyboard", "token_version", "key_prefix", "author", "notes"]
)
def test_fields_with_these_names_are_not(name: str) -> None:
    assert not is_secret(name)
    assert safe(name, "shown") == "shown"


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-api03-abcdefghijkl", "Bearer abcdefghij", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "a note: key-0123456789abcdef here", "http://user:hunter2@proxy.example:8080",
        "AIzaSyA0123456789abcdef", "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
        "$argon2id$v=19$m=8,t=1$c2FsdA$aGFzaA", "0123456789abcdef0123456789abcdef",
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(text: str) -> None:
    shown = safe("notes", text)
    assert HIDDEN in shown
    for part in ("abcdefgh", "hunter2", "MIIB", "eyJzdWIi", "aGFzaA", "89abcdef"):
        assert part not in shown


@pytest.mark.parametrize(
    "text", ["gpt-4o-realtime-preview-2024-12-17", "https://api.example.com/v1", "anna@example.com", "a + b"]
)
def test_ordinary_text_stays(text: str) -> None:
    assert safe("notes", text) == text


def test_documents_are_looked_into() -> None:
    value = {"base_url": "https://h.example", "headers": {"X-Api-Key": "abc"}, "list": [{"token": "abc"}]}
    assert safe("credentials_open", value) == {
        "base_url": "https://h.example", "headers": {"X-Api-Key": HIDDEN}, "list": [{"token": HIDDEN}],
    }  # fmt: skip


def test_codes_can_be_recognised_and_not_used() -> None:
    for name in ("code", "promo_code", "verify_code", "recoveryCodes"):
        assert safe(name, "WELCOME") == "…"
    assert safe("error_code", "INVALID_INPUT") == "INVALID_INPUT"
    assert safe("code", "0123456789abcdef0123456789abcdef") == "012345…cdef"


def test_everything_is_bounded() -> None:
    deep: Any = "x"
    for _ in range(60):
        deep = {"a": deep}
    assert HIDDEN in str(safe("extra", deep))
    assert len(safe("notes", "ab " * 10_000)) == MAX_TEXT + 1
    assert len(safe("names", ["x"] * 5_000)) == MAX_ITEMS
    assert len(safe("extra", {str(n): 1 for n in range(5_000)})) == MAX_ITEMS


def test_instants_and_numbers_are_shown() -> None:
    assert safe("expires_at", datetime(2025, 1, 2, tzinfo=UTC)) == "2025-01-02T00:00:00+00:00"
    assert safe("max_tokens", 5) == 5
    assert safe("password", None) is None
    assert safe("password", "") == ""
