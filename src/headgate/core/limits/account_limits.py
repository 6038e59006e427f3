"""Limits that an operator sets on one upstream account (spec 3.7): cost per five-hour window with a reserve
for conversations that live there, requests a minute in tiers, conversations at a time, and requests and
tokens a minute of the account or of one model on it.

Knows: the rules, their stored form, which buckets an attempt draws from. Refuses to know: counters, stores,
clocks. Invariants: an account without limits has none of this (`None`); a stored value that cannot be
understood is no limit; whoever is at home somewhere is never held to less than a newcomer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from headgate.core.ids import AccountId
from headgate.core.limits.quota_pacing import QUOTA_PACING
from headgate.core.limits.quota_windows import QuotaReading
from headgate.core.limits.rate_limit import UNLIMITED_RATE, RateLimit
from headgate.core.limits.token_bucket import RateCharge
from headgate.core.money import from_usd
from headgate.core.routing.model_mapping import best_prefix

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
RESERVE_USD = 10
IDLE_MINUTES = 5
MAX_RPM = 10_000
MAX_SESSIONS = 10_000
MAX_MODELS = 100

WINDOW_COST = "window_cost_limit"
RPM = "base_rpm"
SESSIONS = "max_sessions"
RATE = "account_rate_limit"
LIMIT_CAUSES = frozenset({WINDOW_COST, RPM, SESSIONS, RATE, QUOTA_PACING})
"""Why an account that could serve is left alone for now."""


class Pacing(StrEnum):
    """Of messages that people write, one account at a time."""

    NONE = ""
    SERIALIZE = "serialize"
    """The next when the provider has accepted the one before, and a pause later."""
    THROTTLE = "throttle"
    """Only the pause."""


LEAST_PAUSE_MS, MOST_PAUSE_MS = 200, 2000
_CALM, _BUSY = 0.5, 0.8
"""Shares of `base_rpm` between which the pause grows."""
_JITTER = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """0 is no limit throughout."""

    window_cost_nano: int = 0
    """List cost since the account's five-hour window began."""
    window_reserve_nano: int = RESERVE_USD * 1_000_000_000
    """Beyond the limit, for conversations that live here."""
    base_rpm: int = 0
    rpm_buffer: int = 0
    """Beyond it, for conversations that live here."""
    is_rpm_exempt: bool = False
    """Conversations that live here are not limited at all."""
    max_sessions: int = 0
    session_idle_ms: int = IDLE_MINUTES * 60_000
    rate: RateLimit = UNLIMITED_RATE
    model_rates: Mapping[str, RateLimit] = field(default_factory=dict)
    """By upstream model, or `prefix*`."""
    pacing: Pacing = Pacing.NONE


def limits_from(extra: Mapping[str, Any]) -> AccountLimits | None:
    """The limits in an account's stored `extra`; None: it has none, like most."""
    base = min(_whole(extra.get("base_rpm")), MAX_RPM)
    buffer = _whole(extra.get("rpm_sticky_buffer"))
    limits = AccountLimits(
        window_cost_nano=_nano(extra.get("window_cost_limit")),
        window_reserve_nano=_nano(extra.get("window_cost_sticky_reserve", RESERVE_USD)),
        base_rpm=base,
        rpm_buffer=buffer or max(1, base // 5),
        is_rpm_exempt=extra.get("rpm_strategy") == "sticky_exempt",
        max_sessions=_whole(extra.get("max_sessions")),
        session_idle_ms=(_whole(extra.get("session_idle_timeout_minutes")) or IDLE_MINUTES) * 60_000,
        rate=_rate(extra),
        model_rates=_model_rates(extra.get("model_limits")),
        pacing=_pacing(extra),
    )
    is_any = (
        limits.window_cost_nano
        or limits.base_rpm
        or limits.max_sessions
        or limits.model_rates
        or limits.pacing
        or not limits.rate.is_unlimited
    )
    return limits if is_any else None


def rpm_counter(account_id: AccountId, now_ms: int) -> str:
    """Name of the counter of attempts in this minute of the clock."""
    return f"rpm:{account_id}:{now_ms // MINUTE_MS}"


def requests_allowed(limits: AccountLimits, *, is_home: bool) -> int | None:
    """Attempts in one minute of the clock; None: as many as come."""
    if limits.base_rpm <= 0 or (is_home and limits.is_rpm_exempt):
        return None
    return limits.base_rpm + (limits.rpm_buffer if is_home else 0)


def pause_ms(requests: int, base_rpm: int, *, dice: float) -> int:
    """Between two messages: short while the account is calm, longer the nearer it is to its requests a
    minute; spread by `dice` (0 to 1)."""
    share = requests / base_rpm if base_rpm > 0 else 0.0
    grown = min(max((share - _CALM) / (_BUSY - _CALM), 0.0), 1.0)
    pause = LEAST_PAUSE_MS + grown * (MOST_PAUSE_MS - LEAST_PAUSE_MS)
    return round(pause * (1 - _JITTER + 2 * _JITTER * dice))


def window_admits(limits: AccountLimits, spent_nano: int, *, is_home: bool) -> bool:
    """Below the limit everybody; within the reserve only who lives here."""
    if limits.window_cost_nano <= 0:
        return True
    reserve = limits.window_reserve_nano if is_home else 0
    return spent_nano < limits.window_cost_nano + reserve


def window_start_ms(readings: Iterable[QuotaReading], now_ms: int) -> int:
    """Since when cost counts: the open five-hour window that the provider told of, else the current hour."""
    for reading in readings:
        is_open = reading.starts_at_ms <= now_ms < reading.resets_at_ms
        if reading.window == "5h" and not reading.model and is_open:
            return reading.starts_at_ms
    return now_ms - now_ms % HOUR_MS


def rate_charges(account_id: AccountId, limits: AccountLimits, model: str, tokens: int) -> list[RateCharge]:
    """One request and so many tokens from the buckets of the account and of the model on it."""
    holders = [(f"account:{account_id}", limits.rate)]
    rates = limits.model_rates
    pattern = model if model in rates else best_prefix(rates, model) if rates else None
    if pattern is not None:
        holders.append((f"account:{account_id}:{pattern}", rates[pattern]))
    charges = []
    for holder, rate in holders:
        if rate.requests > 0:
            charges.append(RateCharge(bucket=f"{holder}:rpm", limit=rate.requests, amount=1))
        if rate.tokens > 0:
            charges.append(RateCharge(bucket=f"{holder}:tpm", limit=rate.tokens, amount=tokens))
    return charges


def corrections(
    charges: Iterable[RateCharge], drawn_tokens: int, used_tokens: int | None
) -> list[RateCharge]:
    """What settles the draws. `used_tokens` None: the attempt was never made, everything goes back."""
    found = []
    for charge in charges:
        if charge.bucket.endswith(":tpm"):
            amount = (used_tokens or 0) - drawn_tokens
        else:
            amount = -1 if used_tokens is None else 0
        if amount:
            found.append(RateCharge(bucket=charge.bucket, limit=charge.limit, amount=amount))
    return found


def _pacing(stored: Mapping[str, Any]) -> Pacing:
    mode = stored.get("user_msg_queue_mode")
    if mode in ("serialize", "throttle"):
        return Pacing(mode)
    return Pacing.SERIALIZE if not mode and stored.get("user_msg_queue_enabled") is True else Pacing.NONE


def _rate(stored: Mapping[str, Any]) -> RateLimit:
    requests, tokens = _whole(stored.get("rpm_limit")), _whole(stored.get("tpm_limit"))
    return RateLimit(requests=requests, tokens=tokens) if requests or tokens else UNLIMITED_RATE


def _model_rates(stored: Any) -> Mapping[str, RateLimit]:
    if not isinstance(stored, dict):
        return {}
    found = {
        pattern: _rate(limits)
        for pattern, limits in list(stored.items())[:MAX_MODELS]
        if isinstance(limits, dict)
    }
    return {pattern: rate for pattern, rate in found.items() if not rate.is_unlimited}


def _whole(value: Any) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e12
    return int(value) if is_number else 0


def _nano(value: Any) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9
    return max(1, from_usd(value)) if is_number else 0
