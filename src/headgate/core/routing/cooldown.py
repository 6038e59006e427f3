"""What a failed attempt means for the account: a cooldown, an error mark, or nothing (spec 3.10).

Knows: the defaults per kind of fault and provider. Refuses to know: vendors' headers (the dialects read them
into a `CooldownHint`), stores. Invariants: a fault of the client or of ourselves never touches the account; a
cooldown is bounded, however far in the future an upstream claims its reset to be.
"""

from dataclasses import dataclass

from headgate.core.dialects.contract import CooldownHint
from headgate.core.faults import Fault, FaultKind
from headgate.core.routing.health import FAILING, SOFT_CAUSES, lengthened
from headgate.core.world import Provider

MAX_COOLDOWN_MS = 32 * 24 * 3600 * 1000
"""No provider has a longer window than a month; anything further is a broken or hostile header."""
ANTHROPIC_PAUSE_S = 5
"""Anthropic's 429 without reset information does not mean an exhausted window: pause only to avoid
hammering."""

_OUR_OWN = frozenset({"default", "no reset information"})
"""Evidence of durations that nobody told us."""
MODEL_UNAVAILABLE = "model_unavailable"
_MODEL_CAUSES = frozenset({MODEL_UNAVAILABLE, FAILING})
_PER_MODEL = (
    "x-ratelimit-reset-",
    "anthropic-ratelimit-requests-",
    "anthropic-ratelimit-tokens-",
    "anthropic-ratelimit-input-tokens-",
    "anthropic-ratelimit-output-tokens-",
    "error.details.",
)
"""Buckets that providers keep per model: the account's other models are not concerned."""

_ERROR_MARKS = {
    FaultKind.UPSTREAM_AUTH: "Authentication failed (401): the credential is invalid or was revoked",
    FaultKind.UPSTREAM_PAYMENT: "Payment required (402): no credit left or a billing problem",
    FaultKind.UPSTREAM_FORBIDDEN: "Access forbidden (403): the account or its credential may not do this",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CooldownDefaults:
    """Used when the provider says nothing; 0 = no cooldown."""

    rate_limit_s: int = 300
    overload_s: int = 600
    unreachable_s: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEffect:
    """What to do with the account: at most one of the two is set."""

    cooldown: CooldownHint | None = None
    error: str | None = None
    """Mark the account with this error; it stays off until an operator clears it."""


NO_EFFECT = AccountEffect()


def concerns_model_alone(hint: CooldownHint) -> bool:
    """The provider counts what ran out per model, or nothing is known of the account's other models."""
    return hint.reason in _MODEL_CAUSES or hint.evidence.startswith(_PER_MODEL)


def after_strikes(hint: CooldownHint, strikes: int, now_ms: int) -> CooldownHint:
    """The cooldown after so many failed trials: longer where only we have chosen how long, and where it is
    no mere preference."""
    if strikes <= 0 or hint.evidence not in _OUR_OWN or hint.reason in SOFT_CAUSES:
        return hint
    until = now_ms + lengthened(hint.until_ms - now_ms, strikes)
    return CooldownHint(until_ms=until, reason=hint.reason, evidence=hint.evidence)


def account_effect(
    fault: Fault, hint: CooldownHint | None, *, provider: Provider, defaults: CooldownDefaults, now_ms: int
) -> AccountEffect:
    """Judge a failed attempt. `hint` is what the dialect read from the answer; it wins over the defaults."""
    error = _ERROR_MARKS.get(fault.kind)
    if error is not None:
        return AccountEffect(error=error)
    if hint is not None:
        return _bounded(hint, now_ms)
    match fault.kind:
        case FaultKind.UPSTREAM_RATE_LIMITED:
            return _rate_limited(fault, provider, defaults, now_ms)
        case FaultKind.UPSTREAM_OVERLOADED:
            return _pause(defaults.overload_s, "overloaded", "default", now_ms)
        case FaultKind.UPSTREAM_UNREACHABLE:
            return _pause(defaults.unreachable_s, "unreachable", "default", now_ms)
        case _:
            return NO_EFFECT


def _rate_limited(fault: Fault, provider: Provider, defaults: CooldownDefaults, now_ms: int) -> AccountEffect:
    if fault.retry_after_s is not None:
        return _pause(fault.retry_after_s, "rate_limited", "retry-after", now_ms)
    if provider is Provider.ANTHROPIC:
        return _pause(ANTHROPIC_PAUSE_S, "rate_limited", "no reset information", now_ms)
    return _pause(defaults.rate_limit_s, "rate_limited", "default", now_ms)


def _pause(seconds: int, reason: str, evidence: str, now_ms: int) -> AccountEffect:
    return _bounded(CooldownHint(until_ms=now_ms + seconds * 1000, reason=reason, evidence=evidence), now_ms)


def _bounded(hint: CooldownHint, now_ms: int) -> AccountEffect:
    if hint.until_ms <= now_ms:
        return NO_EFFECT
    latest = now_ms + MAX_COOLDOWN_MS
    if hint.until_ms > latest:
        hint = CooldownHint(until_ms=latest, reason=hint.reason, evidence=hint.evidence)
    return AccountEffect(cooldown=hint)
