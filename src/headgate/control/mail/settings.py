"""The mail server and the sender, as an operator sets them (spec 8.8, 8.10)."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.settings.values import (
    has_secret,
    read_secret,
    read_texts,
    write_secret,
    write_text,
)
from headgate.control.web.fields import RequestBody
from headgate.control.work import Work
from headgate.errors import BadRequest, Unavailable
from headgate.kit.secret import Secret
from headgate.upstream.mail import MailServer

PASSWORD = "smtp_password"  # noqa: S105 - the name of a setting
DEFAULT_PORT = 587
DEFAULT_SITE_NAME = "Headgate"
_KEYS = (
    "smtp_host", "smtp_port", "smtp_username", "smtp_from_email", "smtp_from_name", "smtp_use_tls",
    "site_name",
)  # fmt: skip
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?")
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
"""What may stand in a header of ours: no quoting, no spaces, ASCII."""

Host = Annotated[str, Field(max_length=253)]
Port = Annotated[int, Field(strict=True, le=65535)]
"""0 and below: the port of submission, 587."""
Short = Annotated[str, Field(max_length=255)]


class MailFields(RequestBody):
    """Absent ones stay; an empty password stays too."""

    smtp_host: Host | None = None
    """Empty: no mail."""
    smtp_port: Port | None = None
    smtp_username: Short | None = None
    smtp_password: Short | None = None
    smtp_from_email: Short | None = None
    smtp_from_name: Annotated[str, Field(max_length=100)] | None = None
    smtp_use_tls: bool | None = None
    """TLS from the first byte; otherwise STARTTLS where the server offers it."""
    site_name: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class MailSettingsView(BaseModel):
    smtp_host: str
    smtp_port: int
    smtp_username: str
    smtp_password_configured: bool
    smtp_from_email: str
    smtp_from_name: str
    smtp_use_tls: bool
    site_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    server: MailServer
    sender: str
    sender_name: str
    site_name: str


async def view_mail_settings(work: Work) -> MailSettingsView:
    found = await read_texts(work.session, _KEYS)
    return MailSettingsView(
        smtp_host=found.get("smtp_host", ""),
        smtp_port=int(found.get("smtp_port", DEFAULT_PORT)),
        smtp_username=found.get("smtp_username", ""),
        smtp_password_configured=await has_secret(work.session, PASSWORD),
        smtp_from_email=found.get("smtp_from_email", ""),
        smtp_from_name=found.get("smtp_from_name", ""),
        smtp_use_tls=found.get("smtp_use_tls") == "true",
        site_name=found.get("site_name", DEFAULT_SITE_NAME),
    )


async def change_mail_settings(work: Work, given: MailFields) -> None:
    """Raises INVALID_INPUT, and SECRET_REQUIRED when the stored password would go to another server."""
    before = await view_mail_settings(work)
    after = merged(before, given)
    _require_usable(after)
    for name in _KEYS:
        if getattr(after, name) != getattr(before, name):
            await write_text(work, name, _text(getattr(after, name)))
    is_moved = _place(after) != _place(before)
    if given.smtp_password:
        await write_secret(work, PASSWORD, given.smtp_password, place=_place(after))
    elif not after.smtp_username or not after.smtp_host:
        await write_secret(work, PASSWORD, "", place=_place(after))
    elif is_moved and before.smtp_password_configured:
        raise BadRequest(
            "smtp_host or smtp_port leads to another server; send smtp_password again: a stored secret is"
            " never sent to a new destination",
            reason="SECRET_REQUIRED",
        )


async def mail_config(work: Work, given: MailFields | None = None) -> MailConfig:
    """What mail is sent with now, or would be with `given` on top. Raises EMAIL_NOT_CONFIGURED (503),
    INVALID_INPUT."""
    shown = merged(await view_mail_settings(work), given or MailFields())
    if not shown.smtp_host or not shown.smtp_from_email:
        raise Unavailable("no mail server is configured", reason="EMAIL_NOT_CONFIGURED")
    _require_usable(shown)
    return MailConfig(
        server=await server_of(work, shown, given),
        sender=shown.smtp_from_email,
        sender_name=shown.smtp_from_name or shown.site_name,
        site_name=shown.site_name,
    )


async def is_mail_configured(session: AsyncSession) -> bool:
    """Whether letters have somewhere to go."""
    found = await read_texts(session, ("smtp_host", "smtp_from_email"))
    return bool(found.get("smtp_host")) and bool(found.get("smtp_from_email"))


async def server_of(work: Work, shown: MailSettingsView, given: MailFields | None = None) -> MailServer:
    """The stored password goes along only to the server that it was entered for."""
    sent = given.smtp_password if given is not None else None
    return MailServer(
        host=shown.smtp_host,
        port=shown.smtp_port,
        username=shown.smtp_username,
        password=Secret(sent) if sent else await read_secret(work, PASSWORD, place=_place(shown)),
        uses_tls=shown.smtp_use_tls,
    )


def merged(before: MailSettingsView, given: MailFields) -> MailSettingsView:
    changes: dict[str, Any] = {
        name: value.strip() if isinstance(value, str) else value
        for name in _KEYS
        if (value := getattr(given, name)) is not None
    }
    if changes.get("smtp_port", 1) <= 0:
        changes["smtp_port"] = DEFAULT_PORT
    return before.model_copy(update=changes)


def _require_usable(view: MailSettingsView) -> None:
    if view.smtp_host and not _HOST.fullmatch(view.smtp_host):
        raise BadRequest("smtp_host must be a host name or an address")
    if view.smtp_from_email and not ADDRESS.fullmatch(view.smtp_from_email):
        raise BadRequest("smtp_from_email must look like name@host", reason="INVALID_EMAIL")
    if not view.site_name:
        raise BadRequest("site_name must not be empty")


def _place(view: MailSettingsView) -> str:
    return f"{view.smtp_host.lower()}:{view.smtp_port}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
