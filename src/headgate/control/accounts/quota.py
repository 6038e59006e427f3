"""Quotas of accounts on the wire: settings arrive inside `extra` and are shown there and lifted to the top
level (spec 1.4, 1.25, 8.4). Amounts are USD of account cost; counters and computed fields in `extra` are
never believed.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationError

from headgate.control.accounts.limits import checked_limits
from headgate.control.web.fields import RequestBody, Usd
from headgate.core.limits.windows import account_windows
from headgate.core.money import from_usd, to_usd
from headgate.errors import BadRequest
from headgate.kit.clock import instant
from headgate.storage.directory_rows import account_quota_used, quota_from
from headgate.storage.models import AccountRow

_PREFIX = "quota_"
_PERIODS = ("daily", "weekly")
_PLAIN = (
    "quota_daily_reset_mode",
    "quota_daily_reset_hour",
    "quota_weekly_reset_mode",
    "quota_weekly_reset_day",
    "quota_weekly_reset_hour",
    "quota_reset_timezone",
)


def _known_zone(name: str) -> str:
    """UTC needs no zone files, which small images lack."""
    if name.upper() == "UTC":
        return "UTC"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("should be an IANA time zone such as Europe/Berlin, or UTC") from None
    return name


Mode = Literal["rolling", "fixed"]
Hour = Annotated[int, Field(ge=0, le=23)]


class QuotaSettings(RequestBody):
    """Limits of 0 are none. A rolling window is 24 hours or 7 days long from the first cost in it; a fixed
    one ends when the clock of the zone shows the hour."""

    quota_limit: Usd = 0
    quota_daily_limit: Usd = 0
    quota_daily_reset_mode: Mode = "rolling"
    quota_daily_reset_hour: Hour = 0
    quota_weekly_limit: Usd = 0
    quota_weekly_reset_mode: Mode = "rolling"
    quota_weekly_reset_day: Annotated[int, Field(ge=0, le=6)] = 1
    """0 = Sunday."""
    quota_weekly_reset_hour: Hour = 0
    quota_reset_timezone: Annotated[str, Field(max_length=64), AfterValidator(_known_zone)] = "UTC"


def apply_extra(row: AccountRow, extra: Mapping[str, Any]) -> bool:
    """Replace the account's `extra` and the settings of its quota; what was used stays. Returns whether a
    limit moved. Raises INVALID_INPUT naming the field."""
    settings, extra = _settings(extra), checked_limits(extra)
    row.extra = {name: value for name, value in extra.items() if not name.startswith(_PREFIX)}
    before = _limits(row)
    row.quota_limit_nano = _limit(settings.quota_limit)
    row.quota_daily_limit_nano = _limit(settings.quota_daily_limit)
    row.quota_weekly_limit_nano = _limit(settings.quota_weekly_limit)
    for name in _PLAIN:
        setattr(row, name, getattr(settings, name))
    return before != _limits(row)


def reset_quota(row: AccountRow) -> None:
    """Nothing is used any more, and no window is open; the limits stay."""
    row.quota_used_nano = row.quota_daily_used_nano = row.quota_weekly_used_nano = 0
    row.quota_daily_start = row.quota_daily_end = None
    row.quota_weekly_start = row.quota_weekly_end = None


def bounds_of(account_id: int) -> list[str]:
    return [f"account:{account_id}:{what}" for what in ("quota", *_PERIODS)]


def shown_quota(row: AccountRow, now_ms: int) -> dict[str, Any]:
    """The fields that are set: nothing for an account without a quota."""
    quota = quota_from(row)
    if quota is None:
        return {}
    shown: dict[str, Any] = {"quota_reset_timezone": row.quota_reset_timezone}
    if row.quota_limit_nano > 0:
        shown |= {"quota_limit": to_usd(row.quota_limit_nano), "quota_used": to_usd(row.quota_used_nano)}
    _, next_day, _, next_week = account_windows(quota, now_ms)
    if row.quota_daily_limit_nano > 0:
        shown |= _period(row, "daily", now_ms, next_day) | {
            "quota_daily_reset_hour": row.quota_daily_reset_hour
        }
    if row.quota_weekly_limit_nano > 0:
        shown |= _period(row, "weekly", now_ms, next_week) | {
            "quota_weekly_reset_day": row.quota_weekly_reset_day,
            "quota_weekly_reset_hour": row.quota_weekly_reset_hour,
        }
    return shown


def _period(row: AccountRow, name: str, now_ms: int, next_ms: int) -> dict[str, Any]:
    """What is used in the running window and when it ends; without one, when a fixed window will."""
    used, ends_ms = account_quota_used(row, name, now_ms)
    mode: str = getattr(row, f"quota_{name}_reset_mode")
    resets_ms = next_ms if ends_ms is None and mode == "fixed" else ends_ms
    return {
        f"quota_{name}_limit": to_usd(getattr(row, f"quota_{name}_limit_nano")),
        f"quota_{name}_used": to_usd(used),
        f"quota_{name}_start": None if ends_ms is None else getattr(row, f"quota_{name}_start"),
        f"quota_{name}_reset_mode": mode,
        f"quota_{name}_reset_at": None if resets_ms is None else instant(resets_ms),
    }


def _settings(extra: Mapping[str, Any]) -> QuotaSettings:
    given = {name: extra[name] for name in QuotaSettings.model_fields if extra.get(name) is not None}
    try:
        return QuotaSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadRequest(f"extra.{first['loc'][0]}: {first['msg']}") from None


def _limit(usd: float) -> int:
    """0 is no limit; a limit too small for a nano-USD is still one."""
    return max(1, from_usd(usd)) if usd > 0 else 0


def _limits(row: AccountRow) -> tuple[int | None, ...]:
    return row.quota_limit_nano, row.quota_daily_limit_nano, row.quota_weekly_limit_nano
