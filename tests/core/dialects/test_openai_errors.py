"""OpenAI's errors, reset times and envelope."""

import json
from typing import Any

import pytest

from headgate.core.dialects.openai_errors import (
    ErrorObject,
    classify,
    cooldown,
    fault_of_error,
    render_fault,
)
from headgate.core.faults import Fault, FaultKind

NOW = 1_750_000_000_000


def body(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (400, body(message="bad"), FaultKind.UPSTREAM_REQUEST_REJECTED),
        (
            400,
            body(message="An error occurred while processing your request. Retry."),
            FaultKind.UPSTREAM_ERROR,
        ),
        (503, body(message="The engine is currently overloaded"), FaultKind.UPSTREAM_OVERLOADED),
        (500, body(message="overloaded"), FaultKind.UPSTREAM_ERROR),
        (503, body(code="server_is_overloaded"), FaultKind.UPSTREAM_OVERLOADED),
        (500, body(type="overloaded_error"), FaultKind.UPSTREAM_OVERLOADED),
        (429, body(code="insufficient_quota"), FaultKind.UPSTREAM_RATE_LIMITED),
        (404, body(code="model_not_found"), FaultKind.UPSTREAM_NOT_FOUND),
        (502, b"<html>", FaultKind.UPSTREAM_ERROR),
    ],
)
def test_classification(status: int, answer: bytes, kind: FaultKind) -> None:
    assert classify(status, {}, answer).kind is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ErrorObject(code="rate_limit_exceeded"), FaultKind.UPSTREAM_RATE_LIMITED),
        (ErrorObject(code="context_length_exceeded"), FaultKind.UPSTREAM_REQUEST_REJECTED),
        (ErrorObject(code="image_too_large"), FaultKind.UPSTREAM_REQUEST_REJECTED),
        (ErrorObject(code="unheard_of", type="authentication_error"), FaultKind.UPSTREAM_AUTH),
        (ErrorObject(code=402), FaultKind.UPSTREAM_PAYMENT),
        (ErrorObject(type=529), FaultKind.UPSTREAM_OVERLOADED),
        (ErrorObject(code="unheard_of", type="unheard_of"), FaultKind.UPSTREAM_ERROR),
        (ErrorObject(), FaultKind.UPSTREAM_ERROR),
        ("text", FaultKind.UPSTREAM_ERROR),
    ],
)
def test_errors_inside_answers(error: ErrorObject | str, kind: FaultKind) -> None:
    assert fault_of_error(error, envelope=b"{}").kind is kind


@pytest.mark.parametrize(
    ("headers", "answer", "expected"),
    [
        ({}, b"", None),
        (
            {
                "x-codex-primary-used-percent": "100",
                "x-codex-primary-window-minutes": "300",
                "x-codex-primary-reset-after-seconds": "600",
                "x-codex-secondary-used-percent": "100",
                "x-codex-secondary-window-minutes": "10080",
                "x-codex-secondary-reset-after-seconds": "90",
                "retry-after": "5",
            },
            b"",
            (90, "x-codex-secondary-reset-after-seconds"),
        ),
        (
            {
                "x-codex-primary-used-percent": "100",
                "x-codex-primary-reset-at": "1750000060",
                "x-codex-secondary-used-percent": "50",
                "x-codex-secondary-reset-after-seconds": "9000",
            },
            b"",
            (60, "x-codex-primary-reset-at"),
        ),
        (
            {"x-codex-primary-reset-after-seconds": "60", "x-codex-secondary-reset-after-seconds": "90"},
            b"",
            (90, "x-codex-secondary-reset-after-seconds"),
        ),
        (
            {"retry-after": "5"},
            body(type="usage_limit_reached", resets_at=1750000030),
            (30, "error.resets_at"),
        ),
        ({"retry-after": "5"}, body(resets_in_seconds=45.5), (45, "error.resets_in_seconds")),
        ({"retry-after": "5"}, body(resets_at=-1, resets_in_seconds=-1), (5, "retry-after")),
        ({"retry-after-ms": "2500"}, b"", (2, "retry-after-ms")),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1m30s",
                "x-ratelimit-remaining-tokens": "9",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            b"",
            (90, "x-ratelimit-reset-requests"),
        ),
        (
            {"x-ratelimit-reset-requests": "2m0s", "x-ratelimit-reset-tokens": "20s"},
            b"",
            (20, "x-ratelimit-reset-tokens"),
        ),
    ],
)
def test_cooldown_after_a_429(
    headers: dict[str, str], answer: bytes, expected: tuple[int, str] | None
) -> None:
    fault = Fault(kind=FaultKind.UPSTREAM_RATE_LIMITED, message="")
    found = cooldown(fault, headers, answer, now_ms=NOW)
    assert (None if found is None else ((found.until_ms - NOW) // 1000, found.evidence)) == expected


def test_cooldown_of_other_kinds() -> None:
    headers = {"retry-after": "9"}
    overloaded = cooldown(Fault(kind=FaultKind.UPSTREAM_OVERLOADED, message=""), headers, b"", now_ms=NOW)
    assert overloaded is not None
    assert overloaded.reason == "overloaded"
    assert cooldown(Fault(kind=FaultKind.UPSTREAM_ERROR, message=""), headers, b"", now_ms=NOW) is None


def rendered(kind: FaultKind, **more: Any) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(render_fault(Fault(kind=kind, message="why", **more)))
    assert envelope["error"]["message"] == "why"
    assert envelope["error"]["param"] is None
    return envelope


@pytest.mark.parametrize(
    ("kind", "error_type", "code"),
    [
        (FaultKind.REQUEST_INVALID, "invalid_request_error", None),
        (FaultKind.MODEL_NOT_FOUND, "invalid_request_error", "model_not_found"),
        (FaultKind.KEY_INVALID, "authentication_error", "INVALID_API_KEY"),
        (FaultKind.BALANCE_INSUFFICIENT, "insufficient_quota", "INSUFFICIENT_BALANCE"),
        (FaultKind.RATE_LIMITED, "rate_limit_error", "rate_limit_exceeded"),
        (FaultKind.UPSTREAM_OVERLOADED, "api_error", "server_is_overloaded"),
        (FaultKind.NO_ACCOUNT, "api_error", None),
    ],
)
def test_types_and_codes(kind: FaultKind, error_type: str, code: str | None) -> None:
    error = rendered(kind)["error"]
    assert (error["type"], error["code"]) == (error_type, code)


def test_auth_errors_are_flat_as_well_and_others_are_not() -> None:
    envelope = rendered(FaultKind.KEY_MISSING)
    assert (envelope["code"], envelope["message"]) == ("API_KEY_REQUIRED", "why")
    assert rendered(FaultKind.NO_ACCOUNT, code="own")["error"]["code"] == "own"
    assert rendered(FaultKind.NO_ACCOUNT).keys() == {"error"}


def test_every_kind_can_be_rendered() -> None:
    for kind in FaultKind:
        rendered(kind)


def test_providers_own_error_passes_verbatim() -> None:
    assert render_fault(classify(400, {}, b'{"error": 1}')) == b'{"error": 1}'
