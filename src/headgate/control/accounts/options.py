"""An account's options about failures, checked where they come in (spec 1.4, 8.4); what they do is in
core/routing/account_policy.py."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from headgate.control.web.fields import RequestBody
from headgate.core.routing.account_policy import (
    MAX_ERROR_CODES,
    MAX_KEYWORD_CHARS,
    MAX_KEYWORDS,
    MAX_MINUTES,
    MAX_RULES,
    MOST_POOL_RETRIES,
)
from headgate.errors import BadRequest


def _clamped(value: Any) -> Any:
    return max(0, min(value, MOST_POOL_RETRIES)) if type(value) is int else value


Keyword = Annotated[str, Field(min_length=1, max_length=MAX_KEYWORD_CHARS, pattern=r"\S")]


class TemporaryRuleFields(RequestBody):
    error_code: Annotated[int, Field(strict=True, ge=100, le=599)]
    keywords: Annotated[list[Keyword], Field(min_length=1, max_length=MAX_KEYWORDS)]
    duration_minutes: Annotated[int, Field(strict=True, ge=1, le=MAX_MINUTES)]
    description: Annotated[str, Field(max_length=500)] = ""


class FailureOptions(RequestBody):
    intercept_warmup_requests: Annotated[bool, Field(strict=True)] = False
    """What Claude Code asks of itself is answered by the gateway."""
    temp_unschedulable_enabled: Annotated[bool, Field(strict=True)] = False
    temp_unschedulable_rules: Annotated[list[TemporaryRuleFields], Field(max_length=MAX_RULES)] = []
    custom_error_codes_enabled: Annotated[bool, Field(strict=True)] = False
    custom_error_codes: Annotated[
        list[Annotated[int, Field(strict=True, ge=100, le=599)]], Field(max_length=MAX_ERROR_CODES)
    ] = []
    pool_mode: Annotated[bool, Field(strict=True)] = False
    pool_mode_retry_count: Annotated[int, Field(strict=True), BeforeValidator(_clamped)] = 3
    """Clamped to 0..10."""


_API_KEY_ALONE = ("custom_error_codes_enabled", "pool_mode")


def checked_options(fields: dict[str, Any], kind: str) -> dict[str, Any]:
    """The fields with the options as they are stored. Raises INVALID_INPUT naming the field."""
    given = {name: fields[name] for name in FailureOptions.model_fields if name in fields}
    try:
        options = FailureOptions.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"credentials.{where}: {first['msg']}") from None
    for name in _API_KEY_ALONE:
        if getattr(options, name) and kind != "apikey":
            raise BadRequest(f"credentials.{name}: only accounts of type apikey have it")
    return {**fields, **options.model_dump(include=set(given))}
