"""Codes by mail at registration (spec 7.2)."""

import pytest
from sqlalchemy import select

from headgate.storage.models import MailCodeRow


@pytest.fixture
async def verified(door):
    await door.set(email_verify_enabled=True)
    return door


async def test_the_mailed_code_lets_in_once(verified):
    assert await verified.reason() == (400, "EMAIL_VERIFY_REQUIRED")
    assert (await verified.ask()).data["countdown"] == 60
    code = await verified.mailed_code()
    assert await verified.reason(verify_code="000000" if code != "000000" else "1") == (
        400,
        "INVALID_VERIFY_CODE",
    )
    assert (await verified.register(verify_code=code)).status == 200
    async with verified.control.deps.uow() as uow:
        assert (await uow.session.scalars(select(MailCodeRow))).all() == []


async def test_a_code_is_for_the_address_that_it_went_to(verified):
    await verified.ask()
    code = await verified.mailed_code()
    assert await verified.reason(email="other@example.com", verify_code=code) == (400, "INVALID_VERIFY_CODE")


async def test_a_code_is_over_after_a_quarter_of_an_hour(verified):
    await verified.ask()
    code = await verified.mailed_code()
    verified.control.clock.advance(15 * 60)
    assert await verified.reason(verify_code=code) == (400, "INVALID_VERIFY_CODE")


async def test_guessing_ends_after_five_tries_even_with_the_right_code(verified):
    await verified.ask()
    code = await verified.mailed_code()
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(5):
        assert await verified.reason(verify_code=wrong) == (400, "INVALID_VERIFY_CODE")
    assert await verified.reason(verify_code=code) == (429, "VERIFY_CODE_MAX_ATTEMPTS")


async def test_another_code_may_be_asked_for_after_a_minute_and_replaces_the_first(verified):
    await verified.ask()
    first = await verified.mailed_code()
    soon = await verified.ask()
    assert (soon.status, soon.json["reason"]) == (429, "VERIFY_CODE_TOO_FREQUENT")
    assert soon.headers["retry-after"] == "60"
    verified.control.clock.advance(60)
    await verified.ask()
    second = await verified.mailed_code()
    if first != second:
        assert await verified.reason(verify_code=first) == (400, "INVALID_VERIFY_CODE")
    assert (await verified.register(verify_code=second)).status == 200


async def test_a_mailbox_is_not_filled_through_us(verified):
    for _ in range(5):
        assert (await verified.ask()).status == 200
        verified.control.clock.advance(61)
    assert (await verified.ask()).json["reason"] == "VERIFY_CODE_TOO_FREQUENT"


async def test_the_letter_is_in_the_language_of_the_browser(verified):
    await verified.ask(**{"accept-language": "zh-CN,zh;q=0.9"})
    await verified.mailed_code()
    assert "验证码" in verified.box.letters[-1]["Subject"]


async def test_the_code_is_kept_as_a_digest(verified):
    await verified.ask()
    code = await verified.mailed_code()
    async with verified.control.deps.uow() as uow:
        row = (await uow.session.scalars(select(MailCodeRow))).one()
    assert code.encode() not in row.code_hash
    assert b"new@example.com" not in row.subject


async def test_no_letter_where_none_is_needed_or_wanted(door):
    assert (await door.ask()).json["reason"] == "EMAIL_VERIFY_NOT_ENABLED"
    await door.set(email_verify_enabled=True)
    assert (await door.ask("anna@example.com")).json["reason"] == "EMAIL_EXISTS"
    await door.set(registration_enabled=False)
    assert (await door.ask()).json["reason"] == "REGISTRATION_DISABLED"
    assert door.box.letters == []


async def test_verification_needs_a_mail_server_first(control):
    answer = await control.admin("PUT", "/admin/settings", {"email_verify_enabled": True})
    assert (answer.status, answer.json["reason"]) == (400, "EMAIL_NOT_CONFIGURED")
