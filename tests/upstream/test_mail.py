"""Mail is handed to real SMTP servers: plain, STARTTLS and TLS, with and without login (spec 7.2)."""

from datetime import UTC, datetime

import pytest

from headgate.control.mail.letters import Envelope, Kind, Letter, message_of
from headgate.kit.secret import Secret
from headgate.settings import MailSettings
from headgate.upstream.mail import MailFailed, MailServer, deliver, probe
from tests.support.mail_server import PASSWORD, USER, certificate, mail_server

SETTINGS = MailSettings(timeout_s=5)


def message(recipient="anna@example.com"):
    envelope = Envelope(
        sender="no-reply@site.example", sender_name="Site", recipient=recipient, site_name="Site",
        sent_at=datetime(2026, 1, 1, tzinfo=UTC), message_id="<1@site.example>",
    )  # fmt: skip
    return message_of(Letter(kind=Kind.TEST), envelope)


def server(port, **fields):
    return MailServer(host="127.0.0.1", port=port, **fields)


async def test_a_letter_arrives():
    async with mail_server() as box:
        await deliver(server(box.port), message(), SETTINGS)
    assert box.letters[0]["To"] == "anna@example.com"
    assert "arrives" in box.text()


@pytest.mark.parametrize("implicit", [False, True])
async def test_it_is_sent_over_tls_where_there_is_some(tmp_path, implicit):
    context, pem = certificate(tmp_path)
    settings = SETTINGS.model_copy(update={"ca_file": pem})
    async with mail_server(tls=context, implicit=implicit, login=True) as box:
        login = {"username": USER, "password": Secret(PASSWORD), "uses_tls": implicit}
        await deliver(server(box.port, **login), message(), settings)
    assert box.were_secure == [True]
    assert box.logins == [(USER, PASSWORD)]


@pytest.mark.parametrize("implicit", [False, True])
async def test_a_certificate_of_strangers_is_refused(tmp_path, implicit):
    context, _ = certificate(tmp_path)
    async with mail_server(tls=context, implicit=implicit, login=True) as box:
        with pytest.raises(MailFailed) as failed:
            await probe(
                server(box.port, username=USER, password=Secret(PASSWORD), uses_tls=implicit), SETTINGS
            )
    assert (failed.value.reason, failed.value.is_final) == ("MAIL_TLS_FAILED", True)
    assert box.logins == []


async def test_a_wrong_password_is_named_as_such_and_not_repeated():
    async with mail_server(login=True) as box:
        with pytest.raises(MailFailed) as failed:
            await probe(server(box.port, username=USER, password=Secret("canary-pass")), SETTINGS)
    assert failed.value.reason == "MAIL_LOGIN_FAILED"
    assert "canary" not in failed.value.message


@pytest.mark.parametrize(("answer", "is_final"), [("550 no", True), ("451 later", False)])
async def test_a_refusal_says_whether_trying_again_helps(answer, is_final):
    async with mail_server() as box:
        box.refusals = [answer]
        with pytest.raises(MailFailed) as failed:
            await deliver(server(box.port), message(), SETTINGS)
    assert (failed.value.reason, failed.value.is_final) == ("MAIL_REFUSED", is_final)


async def test_nobody_there_is_named_as_such(unused_tcp_port):
    with pytest.raises(MailFailed) as failed:
        await probe(server(unused_tcp_port), SETTINGS)
    assert (failed.value.reason, failed.value.is_final) == ("MAIL_UNREACHABLE", False)
