"""An account's own rules about failed answers (spec 1.4, 3.10): temporary exclusion by status and words,
error codes that alone concern it, pool mode. And the installation's rules about overload and silent
streams (8.8).

Knows: the rules and their order. Refuses to know: stores, clocks, what an exclusion does. Invariant: a rule
that cannot be understood is no rule; nothing here raises for a stored value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import msgspec

from headgate.core.faults import FaultKind

TEMPORARY = "temp_unschedulable"
READ_BYTES = 64 * 1024
"""Of an answer, in which keywords are looked for."""
MAX_RULES, MAX_KEYWORDS, MAX_KEYWORD_CHARS = 50, 50, 200
MAX_MINUTES = 31 * 24 * 60
MAX_ERROR_CODES = 100
POOL_RETRIES, MOST_POOL_RETRIES = 3, 10
POOL_PAUSE_S = 0.5
"""Between two tries of an account that is a pool of its own."""
POOLED = frozenset({FaultKind.UPSTREAM_AUTH, FaultKind.UPSTREAM_FORBIDDEN, FaultKind.UPSTREAM_RATE_LIMITED})
"""Faults of one member of a pool: the next try meets another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryRule:
    index: int
    """Place in the operator's list."""
    status: int
    keywords: tuple[str, ...]
    """Lower case; one of them suffices."""
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPolicy:
    rules: tuple[TemporaryRule, ...] = ()
    error_codes: frozenset[int] | None = None
    """Only these statuses concern the account, and each marks it; None: not switched on."""
    pool_retries: int | None = None
    """How often an account that is a pool is tried again; None: it is no pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A rule that applies, and the word that made it."""

    rule: TemporaryRule
    keyword: str


@dataclass(frozen=True, slots=True)
class MarkedByCode:
    """Mark the account with an error."""

    status: int


Verdict = Matched | MarkedByCode | Literal["ignore", "usual"]


def policy_from(stored: Mapping[str, Any]) -> AccountPolicy | None:
    """The policy in an account's stored options; None: it has none, like nearly all."""
    rules = _rules(stored.get("temp_unschedulable_rules")) if stored.get("temp_unschedulable_enabled") else ()
    codes = None
    if stored.get("custom_error_codes_enabled"):
        codes = frozenset(code for code in _list(stored.get("custom_error_codes")) if _is_status(code))
    retries = _pool_retries(stored.get("pool_mode_retry_count")) if stored.get("pool_mode") else None
    if not rules and codes is None and retries is None:
        return None
    return AccountPolicy(rules=rules, error_codes=codes, pool_retries=retries)


def judge_by_policy(policy: AccountPolicy, status: int, body: bytes) -> Verdict:
    """What the account's own rules say about a refusal, in the order of spec 3.10."""
    if policy.error_codes is None and policy.pool_retries is not None:
        return "ignore"
    if policy.error_codes is not None and status not in policy.error_codes:
        return "ignore"
    matched = matching(policy.rules, status, body)
    if matched is not None:
        return matched
    return "usual" if policy.error_codes is None else MarkedByCode(status)


def matching(rules: Sequence[TemporaryRule], status: int, body: bytes) -> Matched | None:
    """The first rule for the status with a keyword in the answer."""
    candidates = [rule for rule in rules if rule.status == status]
    if not candidates:
        return None
    text = body[:READ_BYTES].decode("utf-8", "replace").lower()
    for rule in candidates:
        for keyword in rule.keywords:
            if keyword in text:
                return Matched(rule=rule, keyword=keyword)
    return None


def _rules(value: Any) -> tuple[TemporaryRule, ...]:
    found = []
    for index, given in enumerate(_list(value)[:MAX_RULES]):
        if not isinstance(given, dict):
            continue
        status: Any = given.get("error_code")
        minutes: Any = given.get("duration_minutes")
        keywords = tuple(
            word.strip().lower()[:MAX_KEYWORD_CHARS]
            for word in _list(given.get("keywords"))[:MAX_KEYWORDS]
            if isinstance(word, str) and word.strip()
        )
        if _is_positive(status) and _is_positive(minutes) and keywords:
            found.append(
                TemporaryRule(
                    index=index, status=status, keywords=keywords, minutes=min(minutes, MAX_MINUTES)
                )
            )
    return tuple(found)


def _pool_retries(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        return POOL_RETRIES
    return max(0, min(value, MOST_POOL_RETRIES))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_status(value: Any) -> bool:
    return _is_positive(value) and value < 1000


class SilenceAction(StrEnum):
    """What too many silent streams do to an account."""

    TEMPORARY = "temp_unsched"
    ERROR = "error"
    NONE = "none"


class StreamTimeoutPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Setting `stream_timeout_settings`: accounts whose streams fall silent too often."""

    enabled: bool = False
    action: SilenceAction = SilenceAction.TEMPORARY
    temp_unsched_minutes: int = 5
    threshold_count: int = 3
    threshold_window_minutes: int = 10


class OverloadPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Setting `overload_cooldown_settings`: how long an account is avoided after a 529 without a time."""

    enabled: bool = True
    cooldown_minutes: int = 10


STREAM_TIMEOUT_SETTING = "stream_timeout_settings"
OVERLOAD_SETTING = "overload_cooldown_settings"


def stream_timeout_from(stored: str | None) -> StreamTimeoutPolicy:
    """The default for what is not stored or cannot be read."""
    try:
        return msgspec.json.decode(stored or "{}", type=StreamTimeoutPolicy)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return StreamTimeoutPolicy()


def overload_from(stored: str | None) -> OverloadPolicy | None:
    """None: nobody has said anything, so boot configuration decides."""
    if stored is None:
        return None
    try:
        return msgspec.json.decode(stored, type=OverloadPolicy)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
