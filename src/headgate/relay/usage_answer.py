"""GET /v1/usage in the shape that existing widgets read (spec 2.10)."""

from typing import Any

from headgate.core.money import to_usd
from headgate.core.world import Caller
from headgate.storage.read_model import KeyUsage, UsageTotals

_DAY_MS = 86_400_000
_VALID_STATES = frozenset({"active", "quota_exhausted", "expired"})


def usage_answer(caller: Caller, usage: KeyUsage, *, now_ms: int) -> dict[str, Any]:
    """`quota_limited` for keys with a quota or windows, else the wallet view."""
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
    balance = to_usd(usage.balance_nano)
    return {"mode": "unrestricted", "planName": "Wallet", "remaining": balance, "balance": balance, **common}


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
                "window_start": start,
                "reset_at": None if start is None else start + window.length_ms,
            }
            for window, (used, start) in zip(key.windows, usage.windows, strict=True)
        ],
        "expires_at": key.expires_at_ms,
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
