"""Bodies and answers about subscriptions (spec 1.25, 4.8, 8.6). Money is USD here, nano-USD inside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from headgate.control.groups.schemas import GroupView
from headgate.control.subscriptions.terms import MAX_DAYS, is_over
from headgate.control.users.view import UserView
from headgate.control.web.fields import MAX_ID, Notes, RequestBody
from headgate.core.money import to_usd
from headgate.kit.clock import instant
from headgate.storage.directory_rows import subscription_used
from headgate.storage.journal_rows import SUBSCRIPTION_WINDOW_MS
from headgate.storage.models import SubscriptionRow

WINDOWS = tuple(SUBSCRIPTION_WINDOW_MS)
"""daily, weekly, monthly"""
Id = Annotated[int, Field(ge=1, le=MAX_ID)]
ValidityDays = Annotated[int, Field(ge=0, le=MAX_DAYS)]
"""0 or absent: the group's own period."""


class AssignBody(RequestBody):
    user_id: Id
    group_id: Id
    validity_days: ValidityDays = 0
    notes: Notes = ""


class BulkAssignBody(RequestBody):
    user_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)]
    group_id: Id
    validity_days: ValidityDays = 0
    notes: Notes = ""


class ExtendBody(RequestBody):
    """Negative days shorten."""

    days: Annotated[int, Field(ge=-MAX_DAYS, le=MAX_DAYS)]

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.days == 0:
            raise ValueError("days must not be 0")
        return self


class ResetBody(RequestBody):
    daily: bool = False
    weekly: bool = False
    monthly: bool = False


class SubscriptionView(BaseModel):
    """What its owner sees. A window that is over shows nothing used; an instant that has passed shows
    `expired`, also before the expiry job came by."""

    id: int
    user_id: int
    group_id: int
    starts_at: datetime
    expires_at: datetime
    status: str
    daily_window_start: datetime | None
    weekly_window_start: datetime | None
    monthly_window_start: datetime | None
    daily_usage_usd: float
    weekly_usage_usd: float
    monthly_usage_usd: float
    created_at: datetime
    updated_at: datetime
    user: UserView | None = None
    group: GroupView | None = None


class AdminSubscriptionView(SubscriptionView):
    assigned_by: int | None
    assigned_at: datetime
    notes: str
    assigned_by_user: UserView | None = None


class WindowProgress(BaseModel):
    """A limit and how much of it is used; without a start nothing was used yet."""

    limit_usd: float
    used_usd: float
    remaining_usd: float
    percentage: float
    """0 to 100."""
    window_start: datetime | None
    resets_at: datetime | None
    resets_in_seconds: int


class ProgressView(BaseModel):
    """Windows without a limit are null."""

    id: int
    group_id: int
    group_name: str
    expires_at: datetime
    expires_in_days: int
    daily: WindowProgress | None
    weekly: WindowProgress | None
    monthly: WindowProgress | None


class SummaryItem(BaseModel):
    id: int
    group_id: int
    group_name: str
    status: str
    daily_used_usd: float
    daily_limit_usd: float | None
    weekly_used_usd: float
    weekly_limit_usd: float | None
    monthly_used_usd: float
    monthly_limit_usd: float | None
    expires_at: datetime


class SummaryView(BaseModel):
    active_count: int
    total_used_usd: float
    """Of the active ones, since they were assigned."""
    subscriptions: Sequence[SummaryItem]


class BulkAssignView(BaseModel):
    success_count: int
    created_count: int
    reused_count: int
    failed_count: int
    subscriptions: Sequence[AdminSubscriptionView]
    errors: Sequence[str]
    statuses: Mapping[int, Literal["created", "reused", "failed"]]


def subscription_fields(row: SubscriptionRow, now_ms: int) -> dict[str, Any]:
    """The fields of `SubscriptionView`, without those that are other objects."""
    fields: dict[str, Any] = {
        name: getattr(row, name)
        for name in ("id", "user_id", "group_id", "starts_at", "expires_at", "created_at", "updated_at")
    }
    fields["status"] = shown_status(row, now_ms)
    for window in WINDOWS:
        used, started_ms = subscription_used(row, window, now_ms)
        fields[f"{window}_usage_usd"] = to_usd(used)
        fields[f"{window}_window_start"] = None if started_ms is None else instant(started_ms)
    return fields


def shown_status(row: SubscriptionRow, now_ms: int) -> str:
    return "expired" if row.status == "active" and is_over(row, instant(now_ms)) else row.status
