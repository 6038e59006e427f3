"""Bodies and answers of scheduled tests (spec 1.21, 8.4)."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from headgate.control.web.fields import MAX_ID, RequestBody
from headgate.core.cron import MAX_CHARS, parse_cron

MAX_RESULTS = 1000


def _cron(text: str) -> str:
    parse_cron(text)  # CronInvalid is a ValueError: its message becomes the answer's
    return text.strip()


CronText = Annotated[str, Field(max_length=MAX_CHARS), AfterValidator(_cron)]
ModelId = Annotated[str, Field(max_length=100)]
Kept = Annotated[int, Field(strict=True, ge=1, le=MAX_RESULTS)]


class PlanCreate(RequestBody):
    account_id: Annotated[int, Field(ge=1, le=MAX_ID)]
    model_id: ModelId = ""
    """Empty: the platform's default test model."""
    cron_expression: CronText = "*/30 * * * *"
    """Five fields, in the installation's time zone."""
    enabled: bool = True
    max_results: Kept = 50
    auto_recover: bool = False
    """A success ends the account's error mark and cooldowns. Who was switched off by hand stays off."""


class PlanUpdate(RequestBody):
    """Absent fields stay."""

    model_id: ModelId | None = None
    cron_expression: CronText | None = None
    enabled: bool | None = None
    max_results: Kept | None = None
    auto_recover: bool | None = None


class PlanView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    account_id: int
    model_id: str
    cron_expression: str
    enabled: bool
    max_results: int
    auto_recover: bool
    last_run_at: datetime | None
    next_run_at: datetime
    created_at: datetime
    updated_at: datetime


class ResultView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    plan_id: int
    status: str
    """success | failed"""
    response_text: str
    error_message: str
    latency_ms: int
    started_at: datetime
    finished_at: datetime
    created_at: datetime
