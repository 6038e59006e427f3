"""Bodies and answers about customer keys (spec 1.25, 7.12). The key is shown once; afterwards a mask."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from headgate.control.groups.schemas import GroupView, KeyModelLimits
from headgate.control.keys.rotation import MAX_OVERLAP_HOURS
from headgate.control.web.fields import MAX_ID, Name, OptionalId, PerMinute, RequestBody, Usd, storable
from headgate.core.money import to_usd
from headgate.kit.clock import instant
from headgate.storage.directory_rows import window_used
from headgate.storage.models import ApiKeyRow

IpList = Annotated[
    list[Annotated[str, Field(max_length=64), AfterValidator(storable)]], Field(max_length=200)
]
Slots = Annotated[int, Field(ge=0, le=1_000_000)]
WINDOW_LENGTHS = {"5h": timedelta(hours=5), "1d": timedelta(days=1), "7d": timedelta(days=7)}


KeyPriority = Literal["normal", "background"]


class KeyCreate(RequestBody):
    name: Name
    group_id: OptionalId | None = None
    parent_id: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None
    """A key of the caller: this one takes its budget from it, and ends with it."""
    custom_key: Annotated[str, Field(max_length=128)] | None = None
    ip_whitelist: IpList = Field(default_factory=list)
    ip_blacklist: IpList = Field(default_factory=list)
    quota: Usd = 0
    expires_in_days: Annotated[int, Field(ge=0, le=36_500)] | None = None
    rate_limit_5h: Usd = 0
    rate_limit_1d: Usd = 0
    rate_limit_7d: Usd = 0
    concurrency: Slots = 0
    """Requests under way at once, within the owner's own limit; 0: no limit of its own."""
    priority: KeyPriority = "normal"
    """Background requests let others go first where a group shares its slots."""
    rpm_limit: PerMinute = 0
    tpm_limit: PerMinute = 0
    model_limits: KeyModelLimits = Field(default_factory=dict)
    """By client model, exact or with a trailing `*`; of several entries the closest one counts."""


class KeyUpdate(RequestBody):
    """Absent fields stay, but for the IP lists: absent means empty (spec 1.5)."""

    name: Name | None = None
    group_id: OptionalId | None = None
    status: Literal["active", "inactive"] | None = None
    ip_whitelist: IpList = Field(default_factory=list)
    ip_blacklist: IpList = Field(default_factory=list)
    quota: Usd | None = None
    expires_at: datetime | Literal[""] | None = None
    """RFC 3339; "" clears."""
    reset_quota: bool = False
    rate_limit_5h: Usd | None = None
    rate_limit_1d: Usd | None = None
    rate_limit_7d: Usd | None = None
    concurrency: Slots | None = None
    priority: KeyPriority | None = None
    rpm_limit: PerMinute | None = None
    tpm_limit: PerMinute | None = None
    model_limits: KeyModelLimits | None = None
    """{} takes all away."""
    reset_rate_limit_usage: bool = False


class KeyRotate(RequestBody):
    overlap_hours: Annotated[float, Field(ge=0, le=MAX_OVERLAP_HOURS, allow_inf_nan=False)] = 24
    """How long the secret of now goes on working; 0: every older one stops at once."""


class KeyView(BaseModel):
    id: int
    user_id: int
    key: str
    """Masked, but for the answer that creates it."""
    name: str
    group_id: int | None
    parent_id: int | None
    status: str
    ip_whitelist: Sequence[str]
    ip_blacklist: Sequence[str]
    last_used_at: datetime | None
    quota: float
    quota_used: float
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    rate_limit_5h: float
    rate_limit_1d: float
    rate_limit_7d: float
    concurrency: int
    priority: str
    rpm_limit: int
    tpm_limit: int
    model_limits: Mapping[str, Mapping[str, int]]
    usage_5h: float
    usage_1d: float
    usage_7d: float
    window_5h_start: datetime | None
    window_1d_start: datetime | None
    window_7d_start: datetime | None
    reset_5h_at: datetime | None
    reset_1d_at: datetime | None
    reset_7d_at: datetime | None
    older_secrets_until: datetime | None = None
    """Until when a secret works that a rotation replaced."""
    group: GroupView | None = None


class KeyGroupAnswer(BaseModel):
    api_key: KeyView
    auto_granted_group_access: bool
    granted_group_id: int | None = None
    granted_group_name: str | None = None


def key_view(
    row: ApiKeyRow,
    *,
    now_ms: int,
    secret: str | None = None,
    group: GroupView | None = None,
    older_until: datetime | None = None,
) -> KeyView:
    """`secret` only in the answer that creates the key. A window that is over shows nothing used."""
    windows: dict[str, Any] = {}
    for window, length in WINDOW_LENGTHS.items():
        used, started_ms = window_used(row, window, now_ms)
        start = None if started_ms is None else instant(started_ms)
        windows[f"usage_{window}"] = to_usd(used)
        windows[f"window_{window}_start"] = start
        windows[f"reset_{window}_at"] = None if start is None else start + length
    return KeyView(
        id=row.id,
        user_id=row.user_id,
        key=secret or row.key_prefix,
        name=row.name,
        group_id=row.group_id,
        parent_id=row.parent_id,
        status=row.status,
        ip_whitelist=row.ip_whitelist or [],
        ip_blacklist=row.ip_blacklist or [],
        last_used_at=row.last_used_at,
        quota=to_usd(row.quota_nano),
        quota_used=to_usd(row.quota_used_nano),
        expires_at=row.expires_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        rate_limit_5h=to_usd(row.limit_5h_nano),
        rate_limit_1d=to_usd(row.limit_1d_nano),
        rate_limit_7d=to_usd(row.limit_7d_nano),
        concurrency=row.concurrency,
        priority=row.priority,
        rpm_limit=row.rpm_limit,
        tpm_limit=row.tpm_limit,
        model_limits=row.model_limits or {},
        **windows,
        older_secrets_until=older_until,
        group=group,
    )
