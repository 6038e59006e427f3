"""Versions of Claude Code that may be used here (spec 2.4, 8.10); empty: all."""

from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.settings.values import read_texts, write_text
from headgate.control.web.fields import RequestBody
from headgate.control.work import Work
from headgate.core.client_rules.claude_code import (
    MAX_VERSION_SETTING,
    MIN_VERSION_SETTING,
    bounds_from,
    parse_version,
)
from headgate.errors import BadRequest

VersionText = Annotated[str, Field(max_length=32)]


class ClientVersionFields(RequestBody):
    """Absent ones stay. `1.2.3`, or empty for no bound."""

    min_claude_code_version: VersionText | None = None
    max_claude_code_version: VersionText | None = None


class ClientVersionView(BaseModel):
    min_claude_code_version: str
    max_claude_code_version: str


async def view_client_versions(session: AsyncSession) -> ClientVersionView:
    found = await read_texts(session, (MIN_VERSION_SETTING, MAX_VERSION_SETTING))
    return ClientVersionView(
        min_claude_code_version=found.get(MIN_VERSION_SETTING, ""),
        max_claude_code_version=found.get(MAX_VERSION_SETTING, ""),
    )


async def change_client_versions(work: Work, given: ClientVersionFields) -> None:
    """Raises INVALID_INPUT: not a version, or bounds that let nobody in."""
    for name in (MIN_VERSION_SETTING, MAX_VERSION_SETTING):
        text = getattr(given, name)
        if text is None:
            continue
        if text.strip() and parse_version(text) is None:
            raise BadRequest(f"{name}: {text!r} is no version; write it like 1.2.3, or empty for no bound")
        await write_text(work, name, text.strip())
        work.touch_directory()
    lowest, highest = bounds_from(await read_texts(work.session, (MIN_VERSION_SETTING, MAX_VERSION_SETTING)))
    if lowest is not None and highest is not None and lowest > highest:
        raise BadRequest(f"{MIN_VERSION_SETTING} {lowest} is above {MAX_VERSION_SETTING} {highest}")
