"""Bodies and answers about upstream accounts (spec 1.25, 8.4, appendix A)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from headgate.control.accounts.credentials import unsealed
from headgate.control.accounts.quota import shown_quota
from headgate.control.groups.schemas import GroupView, Ids
from headgate.control.proxies.schemas import ProxyView
from headgate.control.web.fields import Concurrency, Multiplier, Name, Notes, OptionalId, RequestBody
from headgate.core.money import MULTIPLIER_ONE
from headgate.kit.crypto import Vault
from headgate.storage.models import AccountRow

Priority = Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
LoadFactor = Annotated[int, Field(ge=-1_000_000, le=10_000)]
UnixSeconds = Annotated[int, Field(ge=-1, le=4_102_444_800)]
"""Up to the year 2100; 0 or less means never."""
AccountType = Annotated[str, Field(max_length=20)]
JsonObject = Annotated[dict[str, Any], Field(max_length=200)]


class AccountFields(RequestBody):
    notes: Notes | None = None
    extra: JsonObject | None = None
    proxy_id: OptionalId | None = None
    concurrency: Concurrency | None = None
    priority: Priority | None = None
    rate_multiplier: Multiplier | None = None
    load_factor: LoadFactor | None = None
    group_ids: Ids | None = None
    expires_at: UnixSeconds | None = None
    auto_pause_on_expired: bool | None = None


class AccountCreate(AccountFields):
    name: Name
    platform: Annotated[str, Field(max_length=20)]
    type: AccountType
    credentials: JsonObject


class AccountUpdate(AccountFields):
    """Absent fields stay; `credentials` and `extra` are replaced as sent, secrets that are masked or absent
    stay."""

    name: Name | None = None
    type: AccountType | None = None
    credentials: JsonObject | None = None
    status: Literal["active", "inactive", "error"] | None = None


class SchedulableBody(RequestBody):
    schedulable: bool


class TestBody(RequestBody):
    model_id: Annotated[str, Field(max_length=200)] = ""
    prompt: Annotated[str, Field(max_length=4000)] = ""


class AccountGroupView(BaseModel):
    account_id: int
    group_id: int
    priority: int


class AccountView(BaseModel):
    """For admins only. Secrets in `credentials` are masked."""

    id: int
    name: str
    notes: str
    platform: str
    type: str
    credentials: Mapping[str, Any]
    extra: Mapping[str, Any]
    proxy_id: int | None
    concurrency: int
    load_factor: int | None
    priority: int
    rate_multiplier: float
    status: str
    error_message: str
    last_used_at: datetime | None
    expires_at: int | None
    """Unix seconds."""
    auto_pause_on_expired: bool
    created_at: datetime
    updated_at: datetime
    schedulable: bool
    rate_limited_at: datetime | None
    rate_limit_reset_at: datetime | None
    overload_until: datetime | None
    temp_unschedulable_until: datetime | None
    temp_unschedulable_reason: str
    session_window_start: datetime | None
    session_window_end: datetime | None
    session_window_status: str
    quota_limit: float | None = None
    """USD of account cost; these are None where no such limit is set, and stand in `extra` as well."""
    quota_used: float | None = None
    quota_daily_limit: float | None = None
    quota_daily_used: float | None = None
    quota_daily_start: datetime | None = None
    quota_daily_reset_mode: str | None = None
    quota_daily_reset_hour: int | None = None
    quota_daily_reset_at: datetime | None = None
    quota_weekly_limit: float | None = None
    quota_weekly_used: float | None = None
    quota_weekly_start: datetime | None = None
    quota_weekly_reset_mode: str | None = None
    quota_weekly_reset_day: int | None = None
    quota_weekly_reset_hour: int | None = None
    quota_weekly_reset_at: datetime | None = None
    quota_reset_timezone: str | None = None
    proxy: ProxyView | None = None
    account_groups: Sequence[AccountGroupView] = ()
    group_ids: Sequence[int] = ()
    groups: Sequence[GroupView] = ()
    current_concurrency: int = 0
    current_window_cost: float | None = None
    """USD at list prices since the five-hour window began; this and the next two are None without such a
    limit, and with `lite`."""
    active_sessions: int | None = None
    current_rpm: int | None = None


class TempUnschedulableState(BaseModel):
    until_unix: int
    triggered_at_unix: int | None = None
    status_code: int | None = None
    matched_keyword: str | None = None
    rule_index: int | None = None
    error_message: str | None = None


class TempUnschedulableView(BaseModel):
    active: bool
    state: TempUnschedulableState | None = None


class ModelView(BaseModel):
    id: str
    type: str = "model"
    display_name: str


def account_view(
    row: AccountRow,
    vault: Vault,
    *,
    links: Sequence[AccountGroupView] = (),
    groups: Sequence[GroupView] = (),
    proxy: ProxyView | None = None,
    in_use: int = 0,
    now_ms: int,
) -> AccountView:
    quota = shown_quota(row, now_ms)
    return AccountView(
        id=row.id,
        name=row.name,
        notes=row.notes,
        platform=row.platform,
        type=row.type,
        credentials=unsealed(vault, row.credentials_sealed, row.credentials_open).shown(),
        extra={**(row.extra or {}), **quota},
        proxy_id=row.proxy_id,
        concurrency=row.concurrency,
        load_factor=row.load_factor,
        priority=row.priority,
        rate_multiplier=row.cost_multiplier / MULTIPLIER_ONE,
        status=row.status,
        error_message=row.error_message,
        last_used_at=row.last_used_at,
        expires_at=None if row.expires_at is None else int(row.expires_at.timestamp()),
        auto_pause_on_expired=row.auto_pause_on_expired,
        created_at=row.created_at,
        updated_at=row.updated_at,
        schedulable=row.schedulable,
        rate_limited_at=row.rate_limited_at,
        rate_limit_reset_at=row.rate_limit_reset_at,
        overload_until=row.overload_until,
        temp_unschedulable_until=row.temp_unschedulable_until,
        temp_unschedulable_reason=row.temp_unschedulable_reason,
        session_window_start=row.session_window_start,
        session_window_end=row.session_window_end,
        session_window_status=row.session_window_status,
        **quota,
        proxy=proxy,
        account_groups=links,
        group_ids=[link.group_id for link in links],
        groups=groups,
        current_concurrency=in_use,
    )
