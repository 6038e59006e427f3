"""How far a subscription's windows are used (spec 4.8): pure, of a row and its group.

Usage is what `storage.directory_rows.subscription_used` says, which is what admission reserves against.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from headgate.control.subscriptions.schemas import (
    WINDOWS,
    ProgressView,
    SummaryItem,
    SummaryView,
    WindowProgress,
    shown_status,
)
from headgate.core.money import to_usd
from headgate.kit.clock import instant
from headgate.storage.directory_rows import subscription_used
from headgate.storage.journal_rows import SUBSCRIPTION_WINDOW_MS
from headgate.storage.models import GroupRow, SubscriptionRow

_DAY_S = 24 * 3600


def progress_view(row: SubscriptionRow, group: GroupRow, now_ms: int) -> ProgressView:
    left_s = (row.expires_at - instant(now_ms)).total_seconds()
    windows = {window: _window(row, group, window, now_ms) for window in WINDOWS}
    return ProgressView(
        id=row.id,
        group_id=group.id,
        group_name=group.name,
        expires_at=row.expires_at,
        expires_in_days=max(0, int(left_s // _DAY_S)),
        **windows,
    )


def summary_view(rows: Iterable[SubscriptionRow], groups: Mapping[int, GroupRow], now_ms: int) -> SummaryView:
    """Of running subscriptions."""
    running = list(rows)
    return SummaryView(
        active_count=len(running),
        total_used_usd=to_usd(sum(row.total_used_nano for row in running)),
        subscriptions=[_summary(row, groups[row.group_id], now_ms) for row in running],
    )


def _summary(row: SubscriptionRow, group: GroupRow, now_ms: int) -> SummaryItem:
    windows: dict[str, Any] = {}
    for window in WINDOWS:
        limit = _limit(group, window)
        windows[f"{window}_used_usd"] = to_usd(subscription_used(row, window, now_ms)[0])
        windows[f"{window}_limit_usd"] = to_usd(limit) if limit else None
    return SummaryItem(
        id=row.id,
        group_id=group.id,
        group_name=group.name,
        status=shown_status(row, now_ms),
        expires_at=row.expires_at,
        **windows,
    )


def _window(row: SubscriptionRow, group: GroupRow, window: str, now_ms: int) -> WindowProgress | None:
    limit = _limit(group, window)
    if not limit:
        return None
    used, started_ms = subscription_used(row, window, now_ms)
    end_ms = None if started_ms is None else started_ms + SUBSCRIPTION_WINDOW_MS[window]
    return WindowProgress(
        limit_usd=to_usd(limit),
        used_usd=to_usd(used),
        remaining_usd=to_usd(max(0, limit - used)),
        percentage=min(100.0, max(0, used) * 100 / limit),
        window_start=None if started_ms is None else instant(started_ms),
        resets_at=None if end_ms is None else instant(end_ms),
        resets_in_seconds=0 if end_ms is None else max(0, (end_ms - now_ms) // 1000),
    )


def _limit(group: GroupRow, window: str) -> int:
    """Nano-USD; 0: no limit (spec 1.3: null or nothing above 0)."""
    limit: int | None = getattr(group, f"{window}_limit_nano")
    return max(0, limit or 0)
