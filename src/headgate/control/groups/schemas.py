"""Bodies and answers about groups (spec 1.25, 8.3, appendix A)."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from headgate.control.web.fields import (
    MAX_ID,
    MAX_USD,
    Multiplier,
    Name,
    Notes,
    OptionalId,
    PerMinute,
    RequestBody,
    Usd,
)
from headgate.core.limits.fair_share import MAX_SLOTS, MAX_USERS, MAX_WEIGHT
from headgate.core.limits.model_rates import MAX_MODELS
from headgate.core.money import MULTIPLIER_ONE, to_usd
from headgate.storage.models import GroupRow

Platform = Literal["anthropic", "openai", "gemini"]
Ids = Annotated[list[Annotated[int, Field(ge=1, le=MAX_ID)]], Field(max_length=1000)]


_NUMERIC = r"^(-?[0-9]{1,9}(\.[0-9]{1,10})?)?$"
_Given = Annotated[float, Field(le=MAX_USD)] | Annotated[str, Field(pattern=_NUMERIC)] | None


def _limit(value: Any) -> Any:
    """A number, a numeric string or null; negative and empty mean "no limit" (spec 8.3)."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and re.fullmatch(_NUMERIC, value):
        value = float(value)
    return None if type(value) in (int, float) and value < 0 else value


Limit = Annotated[
    Annotated[float, Field(ge=0, le=MAX_USD, allow_inf_nan=False)] | None,
    BeforeValidator(_limit, json_schema_input_type=_Given),
    Field(),
]
ModelRouting = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=200)], Ids], Field(max_length=500)
]


class KeyModelLimitFields(RequestBody):
    """0 is no limit. Strict about names: a limit that is misspelled would be none."""

    model_config = ConfigDict(extra="forbid")

    rpm_limit: PerMinute = 0
    tpm_limit: PerMinute = 0
    """Of the key, or of all users of the group together."""


class ModelLimitFields(KeyModelLimitFields):
    user_rpm_limit: PerMinute = 0
    user_tpm_limit: PerMinute = 0
    """Of every single user of the group."""


ModelPattern = Annotated[str, Field(pattern=r"^[^*\x00-\x20]{1,199}\*?$")]
ModelLimits = Annotated[dict[ModelPattern, ModelLimitFields], Field(max_length=MAX_MODELS)]
KeyModelLimits = Annotated[dict[ModelPattern, KeyModelLimitFields], Field(max_length=MAX_MODELS)]


def stored_limits(limits: Mapping[str, KeyModelLimitFields]) -> dict[str, dict[str, int]]:
    """Only what is a limit."""
    set_ones = {name: entry.model_dump(exclude_defaults=True) for name, entry in limits.items()}
    return {name: entry for name, entry in set_ones.items() if entry}


class UserShareFields(RequestBody):
    weight: Annotated[int, Field(strict=True, ge=1, le=MAX_WEIGHT)] = 1
    guaranteed: Annotated[int, Field(strict=True, ge=0, le=MAX_SLOTS)] | None = None
    """Null: what the group guarantees everybody."""


UserIdText = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,17}$")]


class FairSharingFields(RequestBody):
    slots: Annotated[int, Field(strict=True, ge=0, le=MAX_SLOTS)]
    guaranteed: Annotated[int, Field(strict=True, ge=0, le=MAX_SLOTS)] = 0
    """To every user; what is not used is lent to others until it is asked for."""
    users: Annotated[dict[UserIdText, UserShareFields], Field(max_length=MAX_USERS)] = {}
    """By user id."""

    @model_validator(mode="after")
    def _can_be_kept(self) -> "FairSharingFields":
        promised = sum(share.guaranteed or 0 for share in self.users.values())
        if self.slots and max(promised, self.guaranteed) > self.slots:
            raise ValueError(f"guarantees come to more than the {self.slots} slots")
        return self


class GroupFields(RequestBody):
    """What create and update share. Absent limits and image prices are cleared, other absent fields stay."""

    description: Notes | None = None
    rate_multiplier: Multiplier | None = None
    is_exclusive: bool | None = None
    subscription_type: Literal["standard", "subscription"] | None = None
    daily_limit_usd: Limit = None
    weekly_limit_usd: Limit = None
    monthly_limit_usd: Limit = None
    image_price_1k: Limit = None
    image_price_2k: Limit = None
    image_price_4k: Limit = None
    default_validity_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    claude_code_only: bool | None = None
    fallback_group_id: OptionalId | None = None
    fallback_group_id_on_invalid_request: OptionalId | None = None
    default_proxy_id: OptionalId | None = None
    model_routing: ModelRouting | None = None
    model_routing_enabled: bool | None = None
    supported_model_scopes: Annotated[list[Name], Field(max_length=100)] | None = None
    allow_messages_dispatch: bool | None = None
    default_mapped_model: Annotated[str, Field(max_length=100)] | None = None
    sort_order: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] | None = None
    disconnect_policy: Literal["drain", "cancel"] | None = None
    """Ours: what happens upstream when a client leaves mid-answer."""
    overrun_policy: Literal["strict", "overdraft"] | None = None
    """Ours: whether an answer that the money no longer covers ends, or goes on until the balance is
    `overdraft_limit_usd` below zero."""
    overdraft_limit_usd: Usd | None = None
    unknown_price: Literal["inherit", "refuse", "default"] | None = None
    """Ours: a model without a price is handled as the installation says, refused, or charged at the default
    price."""
    quota_basis: Literal["charge", "list_cost"] | None = None
    """Ours: what subscription windows and key quotas count; a balance always pays the charge (ADR 15)."""
    scheduling_policy: Literal["layered", "scored"] | None = None
    """Ours: how an account is chosen (docs/operations/scheduling.md)."""
    fair_sharing: FairSharingFields | None = None
    """Ours: slots of the group and how its users share them (docs/operations/fair-sharing.md); `slots` 0:
    they do not."""
    rpm_limit: PerMinute | None = None
    tpm_limit: PerMinute | None = None
    """Ours: of all users of the group together."""
    model_limits: ModelLimits | None = None
    """Ours: the same of single models, by the model's name or `prefix*`; {} takes them away."""
    copy_accounts_from_group_ids: Ids = Field(default_factory=list)


class GroupCreate(GroupFields):
    name: Name
    platform: Platform = "anthropic"


class GroupUpdate(GroupFields):
    name: Name | None = None
    platform: Platform | None = None
    status: Literal["active", "inactive"] | None = None


class SortEntry(RequestBody):
    id: Annotated[int, Field(ge=1, le=MAX_ID)]
    sort_order: Annotated[int, Field(ge=-1_000_000, le=1_000_000)]


class SortBody(RequestBody):
    updates: Annotated[list[SortEntry], Field(max_length=1000)]


class RateEntry(RequestBody):
    user_id: Annotated[int, Field(ge=1, le=MAX_ID)]
    rate_multiplier: Multiplier


class RatesBody(RequestBody):
    entries: Annotated[list[RateEntry], Field(max_length=10_000)]


class GroupView(BaseModel):
    """What users see."""

    id: int
    name: str
    description: str
    platform: str
    rate_multiplier: float
    is_exclusive: bool
    status: str
    subscription_type: str
    daily_limit_usd: float | None
    weekly_limit_usd: float | None
    monthly_limit_usd: float | None
    image_price_1k: float | None
    image_price_2k: float | None
    image_price_4k: float | None
    claude_code_only: bool
    fallback_group_id: int | None
    fallback_group_id_on_invalid_request: int | None
    allow_messages_dispatch: bool
    quota_basis: str
    rpm_limit: int
    tpm_limit: int
    created_at: datetime
    updated_at: datetime


class AdminGroupView(GroupView):
    default_proxy_id: int | None
    default_validity_days: int
    model_routing: Mapping[str, Sequence[int]]
    model_routing_enabled: bool
    default_mapped_model: str
    supported_model_scopes: Sequence[str]
    sort_order: int
    disconnect_policy: str
    overrun_policy: str
    overdraft_limit_usd: float
    unknown_price: str
    scheduling_policy: str
    fair_sharing: Mapping[str, Any] | None
    model_limits: Mapping[str, Mapping[str, int]]
    account_count: int = 0
    active_account_count: int = 0
    rate_limited_account_count: int = 0


class RateView(BaseModel):
    user_id: int
    user_name: str
    user_email: str
    user_notes: str
    user_status: str
    rate_multiplier: float


def group_view(row: GroupRow) -> GroupView:
    return GroupView(**_fields(row))


def admin_group_view(row: GroupRow, counts: Mapping[str, int] | None = None) -> AdminGroupView:
    return AdminGroupView(
        **_fields(row),
        default_proxy_id=row.default_proxy_id,
        default_validity_days=row.default_validity_days,
        model_routing=row.model_routing or {},
        model_routing_enabled=row.model_routing_enabled,
        default_mapped_model=row.default_mapped_model,
        supported_model_scopes=row.supported_model_scopes or [],
        sort_order=row.sort_order,
        disconnect_policy=row.disconnect_policy,
        overrun_policy=row.overrun_policy,
        overdraft_limit_usd=to_usd(row.overdraft_limit_nano),
        unknown_price=row.unknown_price,
        scheduling_policy=row.scheduling_policy,
        fair_sharing=row.fair_sharing,
        model_limits=row.model_limits or {},
        **(counts or {}),
    )


def _fields(row: GroupRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "platform": row.platform,
        "rate_multiplier": row.charge_multiplier / MULTIPLIER_ONE,
        "is_exclusive": row.is_exclusive,
        "status": row.status,
        "subscription_type": row.subscription_type,
        "daily_limit_usd": _usd(row.daily_limit_nano),
        "weekly_limit_usd": _usd(row.weekly_limit_nano),
        "monthly_limit_usd": _usd(row.monthly_limit_nano),
        "image_price_1k": _usd(row.image_price_1k_nano),
        "image_price_2k": _usd(row.image_price_2k_nano),
        "image_price_4k": _usd(row.image_price_4k_nano),
        "claude_code_only": row.claude_code_only,
        "fallback_group_id": row.fallback_group_id,
        "fallback_group_id_on_invalid_request": row.fallback_group_id_on_invalid_request,
        "allow_messages_dispatch": row.allow_messages_dispatch,
        "quota_basis": row.quota_basis,
        "rpm_limit": row.rpm_limit,
        "tpm_limit": row.tpm_limit,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _usd(amount: int | None) -> float | None:
    return None if amount is None else to_usd(amount)
