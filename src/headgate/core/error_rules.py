"""What clients are shown of a provider's refusal instead of our usual words (spec 1.14, 2.3).

Knows: the operator's rules and their order. Refuses to know: envelopes, stores. Invariants: a rule changes
what is shown, never what is done: retries, health and money follow the fault itself; what a provider says is
shown without credentials.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from headgate.core.dialects.upstream_answers import excerpt
from headgate.core.faults import Fault, ShownError
from headgate.core.world import ErrorRule, Provider

READ_BYTES = 8 * 1024
"""Of an answer, in which keywords are looked for."""
MAX_MESSAGE_CHARS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A provider's non-2xx answer."""

    provider: Provider
    status: int
    body: bytes
    credential: str
    """Of the account: it is never shown."""


class _Error(msgspec.Struct):
    message: str = ""


class _Nested(msgspec.Struct):
    error: _Error | str | None = None
    message: str = ""


_NESTED = msgspec.json.Decoder(_Nested)


def with_rule(fault: Fault, rules: Sequence[ErrorRule], refusal: Refusal) -> Fault:
    """The fault as the first rule that matches wants it shown; unchanged when none does. `rules`: enabled
    ones, in their order."""
    text = refusal.body[:READ_BYTES].decode("utf-8", "replace").lower()
    for rule in rules:
        if matches(rule, refusal.provider, refusal.status, text):
            shown = ShownError(
                status=rule.status or refusal.status,
                message=rule.message or _said(refusal) or fault.message,
                rule_id=rule.id,
                is_unmonitored=rule.is_unmonitored,
            )
            return replace(fault, shown=shown)
    return fault


def matches(rule: ErrorRule, provider: Provider, status: int, text: str) -> bool:
    """`text`: the beginning of the answer in lower case."""
    if rule.providers and provider not in rule.providers:
        return False
    has_code = status in rule.codes
    has_word = any(word in text for word in rule.keywords)
    if rule.codes and rule.keywords:
        return (has_code and has_word) if rule.needs_both else (has_code or has_word)
    return has_code or has_word


def _said(refusal: Refusal) -> str:
    """The provider's own message, on one line; empty when it cannot be found."""
    try:
        read = _NESTED.decode(refusal.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    nested = read.error.message if isinstance(read.error, _Error) else read.error
    return excerpt((nested or read.message).encode(), refusal.credential, MAX_MESSAGE_CHARS)
