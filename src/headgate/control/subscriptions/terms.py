"""How long a subscription runs (spec 1.6, 4.8): pure arithmetic on instants.

A day is 24 hours: daylight saving neither gives nor takes an hour of what was sold. Nothing runs beyond
`LATEST_EXPIRY`.
"""

from datetime import UTC, datetime, timedelta

from headgate.storage.models import SubscriptionRow

LATEST_EXPIRY = datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)
MAX_DAYS = 36_500
MAX_NOTES_CHARS = 20_000
"""Notes grow with every extension; the newest are kept."""


def expiry(start: datetime, days: int) -> datetime:
    """The end of `days` from `start`; negative days go back."""
    return min(start + timedelta(days=days), LATEST_EXPIRY)


def is_over(row: SubscriptionRow, now: datetime) -> bool:
    """By the calendar, or because the expiry job said so."""
    return row.expires_at <= now or row.status == "expired"


def is_running(row: SubscriptionRow, now: datetime) -> bool:
    """The same question as `core.world.Subscription.is_running`, asked of a row."""
    return row.status == "active" and row.starts_at <= now < row.expires_at


def joined_notes(old: str, new: str) -> str:
    """One under the other."""
    return "\n".join(part for part in (old, new.strip()) if part)[-MAX_NOTES_CHARS:]
