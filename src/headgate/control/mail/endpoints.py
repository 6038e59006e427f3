"""HTTP of trying the mail server out (spec 8.8)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Request
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from headgate.control.mail.letters import Kind, Letter, language_of
from headgate.control.mail.sending import send_now
from headgate.control.mail.settings import MailFields, mail_config, merged, server_of, view_mail_settings
from headgate.control.web.envelope import MessageView
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.errors import BadRequest
from headgate.kit.clock import instant
from headgate.storage.models import MailOutboxRow
from headgate.upstream.mail import MailFailed, probe

routes = RouteTable("/admin/settings", tag="settings")

MAX_SHOWN = 50


class TestMailBody(MailFields):
    email: Annotated[str, Field(min_length=3, max_length=255)]
    """Who gets the test mail."""


class OutboxLetter(BaseModel):
    """A letter that has not left; neither what it says nor who gets it is shown."""

    id: int
    kind: str
    status: str
    """waiting | failed"""
    attempts: int
    reason: str
    """Of the last failure, such as MAIL_UNREACHABLE; empty before the first."""
    created_at: datetime
    next_at: datetime
    expires_at: datetime


class OutboxView(BaseModel):
    waiting: int
    failed: int
    items: Sequence[OutboxLetter]
    """The 50 newest."""


@routes.route("GET", "/mail-outbox", Permission.READ)
async def mail_outbox(work: CurrentWork) -> OutboxView:
    """Letters that wait for the mail server, and those that could not be sent in the last days."""
    row = MailOutboxRow
    counts = await work.session.execute(select(row.status, func.count()).group_by(row.status))
    by_status = {status: count for status, count in counts}
    newest = await work.session.scalars(select(row).order_by(row.id.desc()).limit(MAX_SHOWN))
    return OutboxView(
        waiting=by_status.get("waiting", 0),
        failed=by_status.get("failed", 0),
        items=[
            OutboxLetter(
                id=found.id,
                kind=found.kind,
                status=found.status,
                attempts=found.attempts,
                reason=found.reason,
                created_at=found.created_at,
                next_at=instant(found.next_at_ms),
                expires_at=instant(found.expires_at_ms),
            )
            for found in newest
        ],
    )


@routes.route("POST", "/test-smtp", Permission.SECRETS)
async def test_smtp(body: MailFields, work: CurrentWork) -> MessageView:
    """Connect to the mail server and log in, with what is stored and the given fields on top. The stored
    password is used only with the stored server."""
    shown = merged(await view_mail_settings(work), body)
    if not shown.smtp_host:
        raise BadRequest("smtp_host is empty")
    server = await server_of(work, shown, body)
    await work.release_connection()
    try:
        await probe(server, work.deps.mail.settings)
    except MailFailed as failure:
        raise BadRequest(failure.message, reason=failure.reason) from None
    return MessageView(message="the mail server takes our login")


@routes.route("POST", "/send-test-email", Permission.SECRETS)
async def send_test_email(body: TestMailBody, work: CurrentWork, request: Request) -> MessageView:
    """Send a test mail now, and say how it went."""
    language = language_of(request.headers.get("accept-language", ""))
    config = await mail_config(work, body)
    letter = Letter(kind=Kind.TEST, language=language)
    try:
        await send_now(work, config, body.email.strip(), letter)
    except MailFailed as failure:
        raise BadRequest(failure.message, reason=failure.reason) from None
    return MessageView(message="the mail server has taken the test mail")
