"""Bodies and answers about many accounts at once (spec 8.4)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from headgate.control.accounts.schemas import AccountCreate, JsonObject, LoadFactor, Priority
from headgate.control.groups.schemas import Ids
from headgate.control.proxies.exchange_schemas import ExportedProxy, ImportedProxy
from headgate.control.web.fields import MAX_ID, Concurrency, Multiplier, Name, OptionalId, RequestBody

MAX_AT_ONCE = 500
Id = Annotated[int, Field(ge=1, le=MAX_ID)]
AccountIds = Annotated[list[Id], Field(min_length=1, max_length=MAX_AT_ONCE)]


class BatchBody(RequestBody):
    accounts: Annotated[list[AccountCreate], Field(min_length=1, max_length=MAX_AT_ONCE)]


class AccountIdsBody(RequestBody):
    account_ids: AccountIds


class BulkUpdateBody(RequestBody):
    """Absent fields stay; `credentials` and `extra` are merged by key; a load factor of 0 or less clears
    it."""

    account_ids: AccountIds
    name: Name | None = None
    proxy_id: OptionalId | None = None
    concurrency: Concurrency | None = None
    priority: Priority | None = None
    rate_multiplier: Multiplier | None = None
    load_factor: LoadFactor | None = None
    status: Literal["active", "inactive", "error"] | None = None
    schedulable: bool | None = None
    group_ids: Ids | None = None
    credentials: JsonObject | None = None
    extra: JsonObject | None = None


class CredentialFieldBody(RequestBody):
    account_ids: AccountIds
    field: Literal["account_uuid", "org_uuid", "intercept_warmup_requests"]
    value: str | bool


class CreateResult(BaseModel):
    name: str
    id: int | None = None
    success: bool
    error: str | None = None


class BatchView(BaseModel):
    success: int
    failed: int
    results: Sequence[CreateResult]


class AccountResult(BaseModel):
    account_id: int
    success: bool
    error: str | None = None


class BulkView(BaseModel):
    success: int
    failed: int
    success_ids: Sequence[int]
    failed_ids: Sequence[int]
    results: Sequence[AccountResult]


class MixedCheckBody(RequestBody):
    platform: Annotated[str, Field(max_length=20)]
    group_ids: Ids = Field(default_factory=list)
    account_id: Id | None = None


class MixedDetails(BaseModel):
    group_id: int
    group_name: str
    current_platform: str
    other_platform: str


class MixedCheckView(BaseModel):
    has_risk: bool
    error: str | None = None
    message: str | None = None
    details: MixedDetails | None = None


class ExportedAccount(BaseModel):
    """`credentials` are masked; `credentials_sealed` holds them, opens only under this installation's master
    key, and names the address and the proxy that they are for."""

    name: str
    notes: str
    platform: str
    type: str
    credentials: Mapping[str, Any]
    credentials_sealed: str
    extra: Mapping[str, Any]
    proxy_key: str | None
    concurrency: int
    priority: int
    rate_multiplier: float
    expires_at: int | None
    auto_pause_on_expired: bool


class ExportView(BaseModel):
    type: Literal["sub2api-data"] = "sub2api-data"
    version: int = 1
    exported_at: datetime
    proxies: Sequence[ExportedProxy]
    accounts: Sequence[ExportedAccount]


class ImportedAccount(RequestBody):
    name: Annotated[str, Field(max_length=100)] = ""
    notes: str | None = None
    platform: str = ""
    type: str = ""
    credentials: JsonObject = Field(default_factory=dict)
    credentials_sealed: str | None = None
    extra: JsonObject | None = None
    proxy_key: Annotated[str, Field(max_length=1000)] | None = None
    concurrency: Concurrency | None = None
    priority: Priority | None = None
    rate_multiplier: Multiplier | None = None
    expires_at: int | None = None
    auto_pause_on_expired: bool | None = None


class ImportedData(RequestBody):
    type: str = ""
    version: int = 0
    proxies: Annotated[list[ImportedProxy], Field(max_length=1000)] = Field(default_factory=list)
    accounts: Annotated[list[ImportedAccount], Field(max_length=1000)] = Field(default_factory=list)


class ImportBody(RequestBody):
    data: ImportedData
    group_ids: Ids = Field(default_factory=list)
    skip_default_group_bind: bool = True


class WindowStats(BaseModel):
    requests: int
    tokens: int
    cost: float
    """What the account cost, USD."""
    standard_cost: float
    user_cost: float


class TodayStatsView(BaseModel):
    stats: Mapping[int, WindowStats]


class DayStats(WindowStats):
    date: str


class ModelStats(WindowStats):
    model: str


class AccountStatsView(BaseModel):
    history: Sequence[DayStats]
    summary: WindowStats
    models: Sequence[ModelStats]
