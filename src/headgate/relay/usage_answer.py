"""GET /v1/usage in the shape that existing widgets read (spec 2.10). Amounts in USD, instants as RFC 3339."""

from typing import Any

from headgate.core.money import to_usd
from headgate.core.world import Caller
from headgate.kit.clock import instant
from headgate.storage.read_model import KeyUsage, UsageTotals

_DAY_MS = 86_400_000
_VALID_STATES = frozenset({"active", "quota_exhausted", "expired"})
_UNLIMITED = -1


def usage_answer(caller: Caller, usage: KeyUsage, *, now_ms: int) -> dict[str, Any]:
    """`quota_limited` for keys with a quota or windows, else the subscription or the wallet that pays."""
    key = caller.key
    common: dict[str, Any] = {
        "isValid": key.status in _VALID_STATES,
        "unit": "USD",
        "usage": {
            "today": _totals(usage.today),
            "total": _totals(usage.total),
            "average_duration_ms": usage.average_duration_ms,
            "rpm": usage.requests_last_minute,
            "tpm": usage.tokens_last_minute,
        },
        "model_stats": [{"model": model, **_totals(totals)} for model, totals in usage.models],
    }
    if key.quota_nano or key.windows:
        return {"mode": "quota_limited", "status": key.status, **_limits(caller, usage, now_ms), **common}
    if caller.group.is_subscription:
        return {"mode": "unrestricted", **common, **_subscription(caller, usage, now_ms)}
    balance = to_usd(usage.balance_nano)
    return {"mode": "unrestricted", "planName": "Wallet", "remaining": balance, "balance": balance, **common}


def _subscription(caller: Caller, usage: KeyUsage, now_ms: int) -> dict[str, Any]:
    """Without a running subscription nothing is left, and the answer is not valid: no request would pass."""
    group, subscription = caller.group, caller.user.subscriptions.get(caller.group.id)
    limits = (group.daily_limit_nano, group.weekly_limit_nano, group.monthly_limit_nano)
    used = usage.subscription_used_nano or (0, 0, 0)
    windows = list(zip(("daily", "weekly", "monthly"), limits, used, strict=True))
    is_running = subscription is not None and subscription.is_running(now_ms)
    shown: dict[str, Any] = {
        "planName": group.name,
        "remaining": _remaining(limits, used) if is_running else 0,
        "subscription": {
            **{f"{name}_usage_usd": to_usd(spent) for name, _, spent in windows},
            **{f"{name}_limit_usd": to_usd(limit) if limit > 0 else None for name, limit, _ in windows},
            "expires_at": None if subscription is None else _instant(subscription.expires_at_ms),
        },
    }
    return shown if is_running else {**shown, "isValid": False}


def _remaining(limits: tuple[int, ...], used: tuple[int, ...]) -> float:
    """What may still be spent before the first window is used up; -1: there is no limit."""
    left = [max(0, limit - spent) for limit, spent in zip(limits, used, strict=True) if limit > 0]
    return to_usd(min(left)) if left else _UNLIMITED


def _limits(caller: Caller, usage: KeyUsage, now_ms: int) -> dict[str, Any]:
    key = caller.key
    left = key.quota_nano - usage.quota_used_nano
    limits: dict[str, Any] = {
        "rate_limits": [
            {
                "window": window.name,
                "limit": to_usd(window.limit_nano),
                "used": to_usd(used),
                "remaining": to_usd(max(0, window.limit_nano - used)),
                "window_start": _instant(start),
                "reset_at": None if start is None else _instant(start + window.length_ms),
            }
            for window, (used, start) in zip(key.windows, usage.windows, strict=True)
        ],
        "expires_at": _instant(key.expires_at_ms),
        "days_until_expiry": None
        if key.expires_at_ms is None
        else max(0, (key.expires_at_ms - now_ms) // _DAY_MS),
    }
    if key.quota_nano:
        limits["quota"] = {
            "limit": to_usd(key.quota_nano),
            "used": to_usd(usage.quota_used_nano),
            "remaining": to_usd(max(0, left)),
            "unit": "USD",
        }
        limits["remaining"] = to_usd(max(0, left))
    return limits


def _instant(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return instant(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _totals(totals: UsageTotals) -> dict[str, Any]:
    cache_writes = totals.cache_write_5m + totals.cache_write_1h
    return {
        "requests": totals.requests,
        "input_tokens": totals.input,
        "output_tokens": totals.output,
        "cache_creation_tokens": cache_writes,
        "cache_read_tokens": totals.cache_read,
        "total_tokens": totals.input + totals.output + totals.cache_read + cache_writes,
        "cost": to_usd(totals.list_cost_nano),
        "actual_cost": to_usd(totals.charge_nano),
    }
