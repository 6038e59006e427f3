"""Letters on their way: on record with what they are about, sealed, tried again, bounded, sent once."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from headgate.control.mail.delivery import delete_old_failures, deliver_due, retry_at_ms
from headgate.control.mail.letters import Kind, Letter
from headgate.control.mail.outbox import Posted, mail_alert, post
from headgate.control.mail.sending import send_after_commit
from headgate.control.work import SYSTEM, open_work
from headgate.errors import Unavailable
from headgate.settings import MailSettings
from headgate.storage.models import MailOutboxRow
from tests.control.mail.conftest import smtp

CODE, READER = "314159", "reader@example.com"
LETTER = Letter(kind=Kind.VERIFY_EMAIL, code=CODE, minutes=15)


async def write(control, *, lifetime_s=900, goes=True, fails=False):
    """As a use case does; `fails`: its transaction is rolled back."""
    async with open_work(control.deps, SYSTEM) as work:
        await send_after_commit(work, READER, LETTER, lifetime_s=lifetime_s, goes=goes)
        if fails:
            raise Unavailable("the rest did not work")


async def rows(control):
    async with control.deps.uow() as uow:
        return (await uow.session.scalars(select(MailOutboxRow).order_by(MailOutboxRow.id))).all()


async def drained(control):
    await control.deps.mail.join()
    return await rows(control)


async def test_a_letter_leaves_right_after_its_commit_and_is_forgotten(control, mailbox):
    await write(control)
    assert await drained(control) == []
    assert CODE in mailbox.text()
    assert control.deps.mail.counts["sent"] == 1


async def test_what_is_rolled_back_is_not_mailed(control, mailbox):
    with pytest.raises(Unavailable):
        await write(control, fails=True)
    assert await drained(control) == []
    assert mailbox.letters == []


async def test_a_server_that_asks_for_patience_gets_the_letter_later_under_the_same_id(control, mailbox):
    mailbox.refusals = ["451 greylisted", "451 greylisted"]
    await write(control)
    for pause_s in (5, 10):
        [row] = await drained(control)
        assert (row.status, row.reason) == ("waiting", "MAIL_REFUSED")
        assert await deliver_due(control.deps) == 0  # not before its time
        control.clock.advance(pause_s)
        assert await deliver_due(control.deps) == 1
    assert await rows(control) == []
    assert len(mailbox.letters) == 1
    assert mailbox.letters[0]["Message-ID"] == f"<{row.name}@site.example>"
    assert "15 minutes" in mailbox.text()


async def test_the_letter_says_how_long_its_code_is_still_good(control, mailbox):
    mailbox.refusals = ["451 greylisted"]
    await write(control)
    await drained(control)
    control.clock.advance(9 * 60)
    await deliver_due(control.deps)
    assert "6 minutes" in mailbox.text()


async def test_a_refusal_for_good_is_not_tried_again_and_keeps_no_secret(control, mailbox):
    mailbox.refusals = ["550 no such user"]
    await write(control)
    [row] = await drained(control)
    assert (row.status, row.reason, row.attempts, row.sealed) == ("failed", "MAIL_REFUSED", 1, b"")
    control.clock.advance(3600)
    assert await deliver_due(control.deps) == 0


async def test_a_letter_whose_code_is_over_is_not_sent(control, mailbox):
    mailbox.refusals = ["451 greylisted"]
    await write(control, lifetime_s=4)
    [row] = await drained(control)
    assert (row.status, row.sealed) == ("failed", b"")
    assert mailbox.letters == []


async def test_a_letter_that_only_pretends_to_go_is_written_alike_and_not_sent(control, mailbox):
    control.deps.mail.wake = lambda _: None
    await write(control, goes=False)
    await write(control, goes=True)
    silent, sent = await rows(control)
    assert (silent.kind, silent.status, silent.next_at_ms) == (sent.kind, sent.status, sent.next_at_ms)
    await deliver_due(control.deps)
    assert await rows(control) == []
    assert len(mailbox.letters) == 1


async def test_what_waits_is_sealed_for_its_row(control, mailbox):
    control.deps.mail.wake = lambda _: None
    await write(control)
    await write(control)
    first, second = await rows(control)
    for row in (first, second):
        assert CODE.encode() not in row.sealed
        assert READER.encode() not in row.sealed
    async with control.deps.uow() as uow:
        (await uow.session.get(MailOutboxRow, second.id)).sealed = first.sealed
    await deliver_due(control.deps)
    assert [(row.id, row.reason) for row in await rows(control)] == [(second.id, "MAIL_UNREADABLE")]
    assert len(mailbox.letters) == 1


async def test_two_processes_send_a_letter_once(control, mailbox):
    control.deps.mail.wake = lambda _: None
    for _ in range(5):
        await write(control)
    made = await asyncio.gather(deliver_due(control.deps), deliver_due(control.deps))
    assert sum(made) == 5
    assert len(mailbox.letters) == 5


async def test_who_dies_while_sending_leaves_the_letter_to_others(control, mailbox):
    control.deps.mail.wake = lambda _: None
    await write(control)
    async with control.deps.uow() as uow:  # claimed, and then nothing
        row = (await uow.session.scalars(select(MailOutboxRow))).one()
        row.next_at_ms += 230_000
    assert await deliver_due(control.deps) == 0
    control.clock.advance(230)
    assert await deliver_due(control.deps) == 1
    assert len(mailbox.letters) == 1


async def test_mail_waits_out_a_setting_that_is_missing(control, mailbox):
    control.deps.mail.wake = lambda _: None
    await write(control)
    await control.admin("PUT", "/admin/settings", {"smtp_from_email": ""})
    await deliver_due(control.deps)
    assert [(row.status, row.reason) for row in await rows(control)] == [("waiting", "EMAIL_NOT_CONFIGURED")]
    await control.admin("PUT", "/admin/settings", smtp(mailbox.port))
    control.clock.advance(5)
    await deliver_due(control.deps)
    assert len(mailbox.letters) == 1


async def test_a_full_outbox_says_so(make_control):
    control = await make_control(mail=MailSettings(max_waiting=2, timeout_s=5))
    await control.admin("PUT", "/admin/settings", smtp(9, smtp_host="127.0.0.1"))
    control.deps.mail.wake = lambda _: None
    await write(control)
    await write(control)
    with pytest.raises(Unavailable) as full:
        await write(control)
    assert full.value.reason == "EMAIL_QUEUE_FULL"
    async with control.deps.uow() as uow:
        assert await mail_alert(control.deps, uow.session, "Disk is full", ["99 %"]) == 0


async def test_an_alert_goes_to_the_active_administrators(control, mailbox):
    await control.add_user("second@example.com", role="admin")
    await control.add_user("auditor@example.com", role="auditor")
    async with control.deps.uow() as uow:
        lines = ["error rate 12 % > 5 %", "<b>since</b> 10:00 {minutes}"]
        assert await mail_alert(control.deps, uow.session, "Errors\r\nBcc: evil@example.com", lines) == 2
    assert await deliver_due(control.deps) == 2
    assert {letter["To"] for letter in mailbox.letters} == {"admin@example.com", "second@example.com"}
    letter = mailbox.letters[0]
    assert letter["Subject"] == "Errors Bcc: evil@example.com (Headgate)"
    assert letter["Bcc"] is None
    assert "error rate 12 % > 5 %\n<b>since</b> 10:00 {minutes}" in mailbox.text()
    assert "&lt;b&gt;since&lt;/b&gt; 10:00 {minutes}" in letter.get_body(("html",)).get_content()


async def test_an_alert_goes_to_whom_it_names_in_their_language(control, mailbox):
    async with control.deps.uow() as uow:
        named = ["ops@example.com", "ops@example.com", "no address"]
        await mail_alert(control.deps, uow.session, "磁盘", ["99 %"], recipients=named, language="zh")
    await deliver_due(control.deps)
    assert [letter["To"] for letter in mailbox.letters] == ["ops@example.com"]
    assert "告警" in mailbox.text()


async def test_without_a_mail_server_an_alert_is_no_error(control):
    async with control.deps.uow() as uow:
        assert await mail_alert(control.deps, uow.session, "Disk is full", []) == 0
    assert await rows(control) == []


async def test_administrators_see_what_waits_and_what_failed_but_not_what_it_says(control, mailbox):
    control.deps.mail.wake = lambda _: None
    mailbox.refusals = ["550 no such user"]
    await write(control)
    await deliver_due(control.deps)
    await write(control)
    answer = await control.admin("GET", "/admin/settings/mail-outbox")
    assert (answer.data["waiting"], answer.data["failed"]) == (1, 1)
    assert [item["status"] for item in answer.data["items"]] == ["waiting", "failed"]
    assert answer.data["items"][1]["reason"] == "MAIL_REFUSED"
    assert CODE.encode() not in answer.body
    assert READER.encode() not in answer.body
    assert (await control.anna("GET", "/admin/settings/mail-outbox")).status == 403


async def test_failed_letters_are_forgotten_after_their_days(control, mailbox):
    mailbox.refusals = ["550 no such user"]
    await write(control)
    await drained(control)
    settings = control.deps.settings.mail
    assert await delete_old_failures(control.deps.uow, control.clock, settings) == 0
    control.clock.advance(8 * 86_400)
    assert await delete_old_failures(control.deps.uow, control.clock, settings) == 1


def test_pauses_double_up_to_a_quarter_of_an_hour_and_end():
    settings = MailSettings(max_attempts=12)
    pauses = [retry_at_ms(settings, attempts, 0) for attempts in range(1, 13)]
    assert pauses[:4] == [5_000, 10_000, 20_000, 40_000]
    assert pauses[8:] == [900_000, 900_000, 900_000, None]


async def test_a_letter_of_another_key_is_given_up(control, mailbox):
    async with control.deps.uow() as uow:
        stranger = replace(control.deps, vault=type(control.deps.vault)(b"\1" * 32))
        post(stranger, uow.session, Posted(recipient=READER, letter=LETTER), lifetime_ms=1000)
    await deliver_due(control.deps)
    assert [row.reason for row in await rows(control)] == ["MAIL_UNREADABLE"]
