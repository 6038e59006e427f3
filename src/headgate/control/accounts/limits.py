"""An account's limits inside `extra`, checked where they come in (spec 1.4, 3.7); what they do is in
core/limits/account_limits.py."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from headgate.control.web.fields import PerMinute, RequestBody, Usd
from headgate.core.limits.account_limits import IDLE_MINUTES, MAX_MODELS, MAX_RPM, MAX_SESSIONS, RESERVE_USD
from headgate.core.routing.model_routing import pattern_fault
from headgate.errors import BadRequest


def _clamped(value: Any) -> Any:
    return max(0, min(value, MAX_RPM)) if type(value) is int else value


def _pattern(pattern: str) -> str:
    fault = pattern_fault(pattern)
    if fault is not None:
        raise ValueError(fault)
    return pattern


class ModelLimits(RequestBody):
    rpm_limit: PerMinute = 0
    tpm_limit: PerMinute = 0


Pattern = Annotated[str, Field(max_length=200), AfterValidator(_pattern)]


class LimitSettings(RequestBody):
    """0 is no limit throughout."""

    window_cost_limit: Usd = 0
    window_cost_sticky_reserve: Usd = RESERVE_USD
    base_rpm: Annotated[int, Field(strict=True), BeforeValidator(_clamped)] = 0
    """Clamped to 0..10000."""
    rpm_strategy: Literal["tiered", "sticky_exempt"] = "tiered"
    rpm_sticky_buffer: Annotated[int, Field(strict=True, ge=0, le=MAX_RPM)] = 0
    """0: a fifth of `base_rpm`, at least 1."""
    max_sessions: Annotated[int, Field(strict=True, ge=0, le=MAX_SESSIONS)] = 0
    session_idle_timeout_minutes: Annotated[int, Field(strict=True, ge=1, le=24 * 60)] = IDLE_MINUTES
    user_msg_queue_mode: Literal["", "serialize", "throttle"] = ""
    rpm_limit: PerMinute = 0
    tpm_limit: PerMinute = 0
    model_limits: Annotated[dict[Pattern, ModelLimits], Field(max_length=MAX_MODELS)] = {}


def checked_limits(extra: Mapping[str, Any]) -> dict[str, Any]:
    """`extra` with its limits as they are stored. Raises INVALID_INPUT naming the field."""
    given = {name: extra[name] for name in LimitSettings.model_fields if extra.get(name) is not None}
    try:
        limits = LimitSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"extra.{where}: {first['msg']}") from None
    return {**extra, **limits.model_dump(include=set(given))}
