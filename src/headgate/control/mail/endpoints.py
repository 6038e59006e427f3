"""HTTP of trying the mail server out (spec 8.8)."""

from typing import Annotated

from fastapi import Request
from pydantic import Field

from headgate.control.mail.letters import Kind, Letter, language_of
from headgate.control.mail.sending import outgoing
from headgate.control.mail.settings import MailFields, mail_config, merged, server_of, view_mail_settings
from headgate.control.web.envelope import MessageView
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.errors import BadRequest
from headgate.upstream.mail import MailFailed, deliver, probe

routes = RouteTable("/admin/settings", tag="settings")


class TestMailBody(MailFields):
    email: Annotated[str, Field(min_length=3, max_length=255)]
    """Who gets the test mail."""


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
    mail = outgoing(work, config, body.email.strip(), Letter(kind=Kind.TEST, language=language))
    await work.release_connection()
    try:
        await deliver(mail.server, mail.message, work.deps.mail.settings)
    except MailFailed as failure:
        raise BadRequest(failure.message, reason=failure.reason) from None
    return MessageView(message="the mail server has taken the test mail")
