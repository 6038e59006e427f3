"""Bodies and answers of long work."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.control.accounts.bulk_schemas import BulkUpdateBody, Id
from headgate.control.web.fields import RequestBody

MAX_ACCOUNTS = 10_000
JobAccountIds = Annotated[list[Id], Field(min_length=1, max_length=MAX_ACCOUNTS)]
JobStatus = Literal["pending", "running", "succeeded", "failed", "canceled"]
AccountAction = Literal[
    "clear_error", "clear_rate_limit", "recover", "enable", "disable", "reset_quota", "delete"
]


class JobUpdateBody(BulkUpdateBody):
    """As `POST /admin/accounts/bulk-update`, of more accounts."""

    account_ids: JobAccountIds


class JobActionBody(RequestBody):
    """`enable` and `disable` switch scheduling."""

    account_ids: JobAccountIds
    action: AccountAction


class JobTestBody(RequestBody):
    """Without a model each account's platform has a usual one."""

    account_ids: JobAccountIds
    model_id: Annotated[str, Field(max_length=200)] = ""
    prompt: Annotated[str, Field(max_length=4000)] = ""


class JobExportBody(RequestBody):
    """Filters of the list of usage. Without days: everything until now."""

    start_date: Annotated[str, Field(max_length=10)] = ""
    end_date: Annotated[str, Field(max_length=10)] = ""
    timezone: Annotated[str, Field(max_length=64)] = ""
    user_id: Id | None = None
    api_key_id: Id | None = None
    account_id: Id | None = None
    group_id: Id | None = None
    model: Annotated[str, Field(max_length=200)] = ""
    request_type: Literal["", "unknown", "sync", "stream", "ws_v2"] = ""
    billing_type: Annotated[int, Field(strict=True, ge=0, le=1)] | None = None


class StoredExport(BaseModel):
    """What is kept of an export: what its filters mean."""

    wanted: dict[str, Any]


class JobView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    kind: str
    """account_import, account_update, account_action, account_test, usage_export"""
    status: JobStatus
    total: int
    """How many pieces there are: accounts (and proxies) or records."""
    done: int
    """How many of them were done, well or not."""
    failed: int
    reason: str
    """Why the job as a whole failed, as a stable word."""
    error_message: str
    file_name: str
    """Of an export; its content is at `/file` for a day after the end."""
    created_by: int | None
    canceled_by: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobItemView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    success: bool
    subject: str
    """account or proxy"""
    subject_id: int | None
    name: str
    message: str
