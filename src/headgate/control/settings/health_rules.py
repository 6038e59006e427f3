"""Settings about sick accounts (spec 8.8, 8.10): how long an overload counts, and what silent streams do."""

from typing import Annotated

import msgspec
from pydantic import Field

from headgate.control.web.fields import RequestBody
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.control.work import Work
from headgate.core.routing.account_policy import (
    OVERLOAD_SETTING,
    STREAM_TIMEOUT_SETTING,
    OverloadPolicy,
    SilenceAction,
    StreamTimeoutPolicy,
    overload_from,
    stream_timeout_from,
)
from headgate.storage.models import SettingRow

routes = RouteTable("/admin/settings", tag="settings")

Minutes = Annotated[int, Field(strict=True, ge=1, le=60)]


class OverloadCooldown(RequestBody):
    enabled: bool
    cooldown_minutes: Annotated[int, Field(strict=True, ge=1, le=120)] = 10
    """Used when a 529 says no time of its own; switched off, an overload is ignored."""


class StreamTimeout(RequestBody):
    enabled: bool
    action: SilenceAction = SilenceAction.TEMPORARY
    temp_unsched_minutes: Minutes = 5
    threshold_count: Annotated[int, Field(strict=True, ge=1, le=10)] = 3
    """Streams of an account that fall silent within the window."""
    threshold_window_minutes: Minutes = 10


@routes.route("GET", "/overload-cooldown", Permission.READ)
async def read_overload_cooldown(work: CurrentWork) -> OverloadCooldown:
    """How long an account is avoided after a 529."""
    stored = overload_from(await _stored(work, OVERLOAD_SETTING))
    if stored is None:
        seconds = work.deps.settings.gateway.overload_cooldown_s
        return OverloadCooldown(enabled=seconds > 0, cooldown_minutes=max(1, min(120, round(seconds / 60))))
    return OverloadCooldown(enabled=stored.enabled, cooldown_minutes=stored.cooldown_minutes)


@routes.route("PUT", "/overload-cooldown", Permission.ADMIN)
async def change_overload_cooldown(body: OverloadCooldown, work: CurrentWork) -> OverloadCooldown:
    """Change it; overrules `gateway.overload_cooldown_s`."""
    await _store(work, OVERLOAD_SETTING, OverloadPolicy(**body.model_dump()))
    return body


@routes.route("GET", "/stream-timeout", Permission.READ)
async def read_stream_timeout(work: CurrentWork) -> StreamTimeout:
    """What silent streams do to their account."""
    stored = stream_timeout_from(await _stored(work, STREAM_TIMEOUT_SETTING))
    return StreamTimeout(**msgspec.structs.asdict(stored))


@routes.route("PUT", "/stream-timeout", Permission.ADMIN)
async def change_stream_timeout(body: StreamTimeout, work: CurrentWork) -> StreamTimeout:
    """Change it."""
    await _store(work, STREAM_TIMEOUT_SETTING, StreamTimeoutPolicy(**body.model_dump()))
    return body


async def _stored(work: Work, key: str) -> str | None:
    row = await work.session.get(SettingRow, key)
    return None if row is None else row.value


async def _store(work: Work, key: str, value: OverloadPolicy | StreamTimeoutPolicy) -> None:
    text, row = msgspec.json.encode(value).decode(), await work.session.get(SettingRow, key)
    if row is None:
        work.session.add(SettingRow(key=key, value=text, updated_at=work.now()))
    else:
        row.value, row.updated_at = text, work.now()
    work.touch_directory()
