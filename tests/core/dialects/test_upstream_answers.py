"""Kinds by status, what passes verbatim, and that no secret does."""

import msgspec
import pytest

from headgate.core.dialects.upstream_answers import (
    answer_fault,
    decode_answer,
    event_fault,
    is_passable,
    kind_of_status,
    redact,
    without_credential,
)
from headgate.core.faults import Fault, FaultKind


@pytest.mark.parametrize(
    ("status", "kind", "shown", "message"),
    [
        (400, FaultKind.UPSTREAM_REQUEST_REJECTED, 400, "Upstream rejected the request"),
        (401, FaultKind.UPSTREAM_AUTH, 502, "Upstream authentication failed, please contact administrator"),
        (
            402,
            FaultKind.UPSTREAM_PAYMENT,
            502,
            "Upstream payment required: insufficient balance or billing issue",
        ),
        (403, FaultKind.UPSTREAM_FORBIDDEN, 502, "Upstream access forbidden, please contact administrator"),
        (404, FaultKind.UPSTREAM_NOT_FOUND, 404, "Upstream does not know this model or object"),
        (413, FaultKind.UPSTREAM_REQUEST_REJECTED, 400, "Upstream rejected the request"),
        (422, FaultKind.UPSTREAM_REQUEST_REJECTED, 400, "Upstream rejected the request"),
        (429, FaultKind.UPSTREAM_RATE_LIMITED, 429, "Upstream rate limit exceeded, please retry later"),
        (529, FaultKind.UPSTREAM_OVERLOADED, 503, "Upstream service overloaded, please retry later"),
        (500, FaultKind.UPSTREAM_ERROR, 502, "Upstream service temporarily unavailable"),
        (503, FaultKind.UPSTREAM_ERROR, 502, "Upstream service temporarily unavailable"),
        (302, FaultKind.UPSTREAM_ERROR, 502, "Upstream request failed"),
        (418, FaultKind.UPSTREAM_ERROR, 502, "Upstream request failed"),
    ],
)
def test_status_decides_kind_and_message(status: int, kind: FaultKind, shown: int, message: str) -> None:
    fault = answer_fault(kind_of_status(status), status=status, headers={}, body=b"<html>")
    assert (fault.kind, fault.kind.http_status, fault.message) == (kind, shown, message)
    assert (fault.upstream_status, fault.upstream_body) == (status, None)


def test_json_body_of_a_rejected_request_passes_verbatim() -> None:
    body = b'{"error": {"message": "max_tokens: required"}}'
    fault = answer_fault(
        FaultKind.UPSTREAM_REQUEST_REJECTED,
        status=400,
        headers={"content-type": "application/json"},
        body=body,
    )
    assert (fault.upstream_body, fault.upstream_content_type) == (body, "application/json")


def test_body_of_an_account_fault_never_passes() -> None:
    fault = answer_fault(FaultKind.UPSTREAM_AUTH, status=401, headers={}, body=b'{"error":"key sk-ant-1"}')
    assert fault.upstream_body is None


def test_in_band_errors_pass_as_an_error_body() -> None:
    envelope = b'{"error":{"message":"too long"}}'
    rejected = event_fault(FaultKind.UPSTREAM_REQUEST_REJECTED, envelope=envelope)
    assert (rejected.upstream_body, rejected.upstream_content_type) == (envelope, "application/json")
    assert event_fault(FaultKind.UPSTREAM_OVERLOADED, envelope=envelope).upstream_body is None


def test_only_bearable_json_objects_and_arrays_are_passable() -> None:
    assert is_passable(b"{}")
    assert is_passable(b"[]")
    for body in (b"", b'"text"', b"{", b"[" * 10_000, b'{"a":"\xff"}', b'{"a":"' + b"x" * 70_000 + b'"}'):
        assert not is_passable(body)


def test_secrets_are_taken_out() -> None:
    body = (
        b'{"u":"https://x/v1?key=AIzaSecret&alt=sse&access_token=abc","k":"sk-' + b"a1b2" * 6 + b'",'
        b'"g":"AIzaSyA1234567890abcdefghijklmnopqrstuv","keyboard=1":"monkey=2"}'
    )
    clean = redact(body)
    assert clean == (
        b'{"u":"https://x/v1?key=***&alt=sse&access_token=***","k":"***","g":"***","keyboard=1":"monkey=2"}'
    )


@pytest.mark.parametrize("credential", ["house-key-of-any-shape", 'with"quote\\and-backslash'])
def test_the_accounts_own_credential_is_taken_out_whatever_its_shape(credential: str) -> None:
    body = msgspec.json.encode({"error": f"the key {credential} may not use m"})
    fault = answer_fault(FaultKind.UPSTREAM_NOT_FOUND, status=404, headers={}, body=body)
    assert without_credential(fault, credential).upstream_body == b'{"error":"the key *** may not use m"}'


def test_a_fault_without_a_passed_body_stays_as_it_is() -> None:
    fault = answer_fault(FaultKind.UPSTREAM_AUTH, status=401, headers={}, body=b'{"error":"house-key"}')
    assert without_credential(fault, "house-key") is fault


def test_retry_after_is_kept_where_waiting_helps() -> None:
    waiting = answer_fault(
        FaultKind.UPSTREAM_RATE_LIMITED, status=429, headers={"retry-after": "7"}, body=b""
    )
    assert waiting.retry_after_s == 7
    failed = answer_fault(FaultKind.UPSTREAM_ERROR, status=500, headers={"retry-after": "7"}, body=b"")
    assert failed.retry_after_s is None


class Shape(msgspec.Struct):
    usage: int = 0


def test_answers_are_read_leniently_but_must_be_json_objects() -> None:
    decoder = msgspec.json.Decoder(Shape)
    assert decode_answer(decoder, b'{"usage":3}') == Shape(3)
    assert decode_answer(decoder, b'{"usage":"3"}') == Shape(3)
    assert decode_answer(decoder, b'{"usage":"many"}') == Shape()
    for body in (b"[]", b"oops", b'{"usage":"x"', b'{"a":' * 9999):
        fault = decode_answer(decoder, body)
        assert isinstance(fault, Fault), body
        assert fault.kind is FaultKind.UPSTREAM_MALFORMED
