"""Bodies and answers about error passthrough rules (spec 1.14, 8.8)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.control.web.fields import Name, Notes, RequestBody

MAX_CODES, MAX_KEYWORDS, MAX_KEYWORD_CHARS = 100, 50, 200
HttpError = Annotated[int, Field(strict=True, ge=400, le=599)]
Keyword = Annotated[str, Field(min_length=1, max_length=MAX_KEYWORD_CHARS, pattern=r"\S")]
Codes = Annotated[list[HttpError], Field(max_length=MAX_CODES)]
Keywords = Annotated[list[Keyword], Field(max_length=MAX_KEYWORDS)]
Platforms = Annotated[list[Literal["anthropic", "openai", "gemini"]], Field(max_length=10)]
Priority = Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000)]
Message = Annotated[str, Field(max_length=2_000)]


class RuleCreate(RequestBody):
    name: Annotated[Name, Field(pattern=r"\S")]
    enabled: bool = True
    priority: Priority = 0
    """Lower first; the first rule that matches decides."""
    error_codes: Codes = []
    keywords: Keywords = []
    """One of them in the first 8 KB of the answer, in any case."""
    match_mode: Literal["any", "all"] = "any"
    """With codes and keywords: either, or both."""
    platforms: Platforms = []
    """Empty: all."""
    passthrough_code: bool = True
    response_code: HttpError | None = None
    passthrough_body: bool = True
    custom_message: Message | None = None
    skip_monitoring: bool = False
    """Counted as `expected_error`, not as a failure."""
    description: Notes = ""


class RuleUpdate(RequestBody):
    """Absent fields stay."""

    name: Annotated[Name, Field(pattern=r"\S")] | None = None
    enabled: bool | None = None
    priority: Priority | None = None
    error_codes: Codes | None = None
    keywords: Keywords | None = None
    match_mode: Literal["any", "all"] | None = None
    platforms: Platforms | None = None
    passthrough_code: bool | None = None
    response_code: HttpError | None = None
    passthrough_body: bool | None = None
    custom_message: Message | None = None
    skip_monitoring: bool | None = None
    description: Notes | None = None


class RuleView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    enabled: bool
    priority: int
    error_codes: Sequence[int]
    keywords: Sequence[str]
    match_mode: str
    platforms: Sequence[str]
    passthrough_code: bool
    response_code: int | None
    passthrough_body: bool
    custom_message: str | None
    skip_monitoring: bool
    description: str
    created_at: datetime
    updated_at: datetime
