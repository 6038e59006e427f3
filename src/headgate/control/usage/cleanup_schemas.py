"""Bodies and answers of clean-up tasks (spec 8.7)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.control.web.fields import MAX_ID, RequestBody

Day = Annotated[str, Field(max_length=10)]
Id = Annotated[int, Field(strict=True, ge=1, le=MAX_ID)]


class CleanupBody(RequestBody):
    """Days of the time zone, both included. Filters are those of the list of usage."""

    start_date: Day = ""
    end_date: Day = ""
    timezone: Annotated[str, Field(max_length=64)] = ""
    user_id: Id | None = None
    api_key_id: Id | None = None
    account_id: Id | None = None
    group_id: Id | None = None
    model: Annotated[str, Field(max_length=200)] | None = None
    request_type: Literal["unknown", "sync", "stream", "ws_v2"] | None = None
    stream: bool | None = None
    billing_type: Annotated[int, Field(strict=True, ge=0, le=1)] | None = None
    """0: from the balance; 1: by a subscription."""


class CleanupTaskView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    status: str
    """pending, running, succeeded, failed, canceled"""
    filters: Mapping[str, Any]
    cleaned_rows: int
    """Records whose detail is gone. Their amounts and tokens stay."""
    deleted_traces: int
    error_message: str
    created_by: int | None
    canceled_by: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
