"""Setting the mail server and trying it out (spec 8.8)."""

import pytest
from sqlalchemy import select

from headgate.storage.models import SecuritySecretRow, SettingRow
from tests.control.mail.conftest import smtp
from tests.support.mail_server import PASSWORD, USER, mail_server

SETTINGS, TEST, SEND = "/admin/settings", "/admin/settings/test-smtp", "/admin/settings/send-test-email"


async def test_the_password_is_sealed_and_shown_to_nobody(control, mailbox):
    answer = await control.admin("GET", SETTINGS)
    assert answer.data["smtp_password_configured"] is True
    assert PASSWORD.encode() not in answer.body
    async with control.deps.uow() as uow:
        texts = (await uow.session.scalars(select(SettingRow.value))).all()
        sealed = (await uow.session.scalars(select(SecuritySecretRow.value_sealed))).all()
    assert PASSWORD not in texts
    assert all(PASSWORD.encode() not in blob for blob in sealed)
    log = await control.admin("GET", "/admin/audit-log")
    assert PASSWORD.encode() not in log.body


async def test_the_connection_is_tried_with_what_is_stored(control, mailbox):
    assert (await control.admin("POST", TEST, {})).status == 200
    assert mailbox.logins == [(USER, PASSWORD)]


async def test_fields_of_the_call_are_tried_before_they_are_saved(control, mailbox):
    answer = await control.admin("POST", TEST, {"smtp_password": "wrong"})
    assert (answer.status, answer.json["reason"]) == (400, "MAIL_LOGIN_FAILED")
    assert (await control.admin("POST", TEST, {})).status == 200


async def test_the_stored_password_never_goes_to_another_server(control, mailbox):
    async with mail_server(login=True) as thief:
        tried = await control.admin("POST", TEST, {"smtp_port": thief.port})
        assert tried.json["reason"] == "MAIL_LOGIN_FAILED"
        moved = await control.admin("PUT", SETTINGS, {"smtp_port": thief.port})
        assert (moved.status, moved.json["reason"]) == (400, "SECRET_REQUIRED")
        assert all(password != PASSWORD for _, password in thief.logins)
    assert (await control.admin("GET", SETTINGS)).data["smtp_port"] == mailbox.port


async def test_a_test_mail_arrives_in_the_caller_s_language(control, mailbox):
    answer = await control.admin(
        "POST", SEND, {"email": "ops@example.com"}, headers={"accept-language": "zh-CN"}
    )
    assert answer.status == 200
    letter = mailbox.letters[0]
    assert letter["To"] == "ops@example.com"
    assert "测试邮件" in letter["Subject"]
    assert letter["From"] == "Site <no-reply@site.example>"


async def test_without_a_server_there_is_no_mail(control):
    answer = await control.admin("POST", SEND, {"email": "ops@example.com"})
    assert (answer.status, answer.json["reason"]) == (503, "EMAIL_NOT_CONFIGURED")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("smtp_host", "a b"),
        ("smtp_from_email", "x@y\r\nBcc: z@y.example"),
        ("smtp_port", 70_000),
        ("smtp_port", "25"),
    ],
)
async def test_unusable_settings_are_refused_and_change_nothing(control, mailbox, field, value):
    answer = await control.admin("PUT", SETTINGS, smtp(mailbox.port, **{field: value}))
    assert answer.status == 400
    assert (await control.admin("GET", SETTINGS)).data["smtp_host"] == "127.0.0.1"


async def test_the_recipient_cannot_add_header_lines(control, mailbox):
    answer = await control.admin("POST", SEND, {"email": "a@b.example\r\nBcc: c@d.example"})
    assert (answer.status, answer.json["reason"]) == (400, "INVALID_EMAIL")
    assert mailbox.letters == []


async def test_an_empty_host_switches_mail_off_and_forgets_the_password(control, mailbox):
    data = (await control.admin("PUT", SETTINGS, {"smtp_host": ""})).data
    assert data["smtp_password_configured"] is False
    assert (await control.admin("POST", SEND, {"email": "ops@example.com"})).status == 503
