"""What clients are shown of a refusal, by the operator's rules (spec 1.14, 2.3)."""

from typing import Any

import pytest

from headgate.core.error_rules import READ_BYTES, Refusal, with_rule
from headgate.core.faults import Fault, FaultKind
from headgate.core.world import ErrorRule, Provider
from headgate.relay.dialects import HANDLERS

FAULT = Fault(kind=FaultKind.UPSTREAM_OVERLOADED, message="our words", upstream_status=529)
BODY = b'{"type":"error","error":{"type":"overloaded_error","message":"We are Full today"}}'


def shown(*rules: dict[str, Any], status: int = 529, body: bytes = BODY, **more: Any) -> tuple[Any, ...]:
    refusal = Refusal(
        **{"provider": Provider.ANTHROPIC, "status": status, "body": body, "credential": "", **more}
    )
    made = [ErrorRule(id=number, **facts) for number, facts in enumerate(rules)]
    found = with_rule(FAULT, made, refusal).shown
    return () if found is None else (found.rule_id, found.status, found.message)


CODE, WORD = frozenset({529}), ("full today",)


@pytest.mark.parametrize(
    ("rule", "applies"),
    [
        ({"codes": CODE}, True),
        ({"codes": frozenset({500})}, False),
        ({"keywords": WORD}, True),
        ({"keywords": ("empty",)}, False),
        ({"codes": CODE, "keywords": ("empty",)}, True),
        ({"codes": CODE, "keywords": ("empty",), "needs_both": True}, False),
        ({"codes": CODE, "keywords": WORD, "needs_both": True}, True),
        ({"codes": CODE, "needs_both": True}, True),
        ({"codes": CODE, "providers": frozenset({Provider.OPENAI})}, False),
        ({"codes": CODE, "providers": frozenset({Provider.ANTHROPIC})}, True),
        ({}, False),
    ],
)
def test_a_rule_matches_by_codes_and_words(rule: dict[str, Any], applies: bool) -> None:
    assert bool(shown(rule)) is applies


def test_words_count_in_the_first_8_kb_alone() -> None:
    assert shown({"keywords": ("full",)}, body=b" " * (READ_BYTES - 4) + b"full")
    assert not shown({"keywords": ("full",)}, body=b" " * READ_BYTES + b"full")


def test_the_first_rule_decides_and_says_what_is_shown() -> None:
    assert shown({"codes": CODE}, {"codes": CODE, "status": 418}) == (0, 529, "We are Full today")
    assert shown({"codes": CODE, "status": 418, "message": "tea"}) == (0, 418, "tea")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":"plain"}', "plain"),
        (b'{"message":"flat"}', "flat"),
        (
            b'{"error":{"message":"two\\nlines and key sk-abcdefghijklmnopqrstuvwxyz"}}',
            "two lines and key ***",
        ),
        (b'{"error":{"message":"your key secret-credential"}}', "your key ***"),
        (b'{"error":{"message":5}}', "our words"),
        (b"<html>", "our words"),
        (b"", "our words"),
    ],
)
def test_the_provider_s_message_is_shown_without_credentials(body: bytes, message: str) -> None:
    assert shown({"codes": CODE}, body=body, credential="secret-credential")[2] == message


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=lambda handler: handler.dialect.value)
def test_every_dialect_shows_status_message_and_type(handler: Any) -> None:
    body = b'{"error":{"message":"theirs"}}'
    fault = Fault(
        kind=FaultKind.UPSTREAM_REQUEST_REJECTED, message="", upstream_status=400, upstream_body=body
    )
    rule = ErrorRule(id=1, codes=frozenset({400}), status=503, message="come back")
    refusal = Refusal(provider=handler.provider, status=400, body=body, credential="")
    told = with_rule(fault, [rule], refusal)
    rendered = handler.render_fault(told, request_id="r")
    assert told.shown_status == 503
    assert b'"come back"' in rendered
    assert b"theirs" not in rendered
    assert (b"upstream_error" in rendered) or b'"code":503' in rendered
