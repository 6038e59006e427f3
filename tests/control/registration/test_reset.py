"""Forgotten passwords (spec 7.6); the link never comes from the request (PAINS S4)."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

ANNA, NEW = "anna@example.com", "a new password 12"


@pytest.fixture
async def forgetful(door):
    await door.set(email_verify_enabled=True, password_reset_enabled=True)
    return door


async def ask(door, email=ANNA, **headers):
    return await door.control.nobody("POST", "/auth/forgot-password", {"email": email}, headers=headers)


async def link(door):
    await door.control.deps.mail.join()
    found = re.search(r"^https?://\S+$", door.box.text(), re.MULTILINE)
    assert found is not None
    return found[0]


async def token(door):
    parts = urlsplit(await link(door))
    assert parts.query == ""  # no log and no Referer of any server sees the token
    return parse_qs(parts.fragment)["token"][0]


async def reset(door, given, email=ANNA, password=NEW):
    body = {"email": email, "token": given, "new_password": password}
    return await door.control.nobody("POST", "/auth/reset-password", body)


async def login(door, password):
    return await door.control.nobody("POST", "/auth/login", {"email": ANNA, "password": password})


async def test_the_link_sets_a_new_password_once_and_ends_every_session(forgetful):
    before = (await login(forgetful, "correct horse battery")).data
    await ask(forgetful, "Anna@Example.com")
    given = await token(forgetful)
    assert (await reset(forgetful, given)).status == 200
    old = {"authorization": f"Bearer {before['access_token']}"}
    assert (await forgetful.control.nobody("GET", "/auth/me", headers=old)).json["code"] == "TOKEN_REVOKED"
    again = await forgetful.control.nobody(
        "POST", "/auth/refresh", {"refresh_token": before["refresh_token"]}
    )
    assert again.status == 401
    assert (await login(forgetful, NEW)).status == 200
    assert (await reset(forgetful, given, password="another password 3")).json[
        "reason"
    ] == "INVALID_RESET_TOKEN"


async def test_nobody_learns_who_is_known(forgetful):
    await forgetful.control.admin(
        "PUT", f"/admin/users/{forgetful.control.ben.user_id}", {"status": "disabled"}
    )
    answers = [
        await ask(forgetful, email) for email in (ANNA, "who@example.com", "ben@example.com", "no address")
    ]
    assert len({answer.body for answer in answers}) == 1
    await forgetful.control.deps.mail.join()
    assert [letter["To"] for letter in forgetful.box.letters] == [ANNA]


async def test_the_link_leads_to_the_configured_address_whatever_the_request_says(forgetful):
    evil = {"host": "evil.example", "x-forwarded-host": "evil.example", "origin": "https://evil.example"}
    await ask(forgetful, **evil)
    assert (await link(forgetful)).startswith(
        "https://gate.example.com/reset-password#email=anna%40example.com&"
    )


@pytest.mark.parametrize("seconds", [30 * 60])
async def test_a_link_is_over_after_half_an_hour(forgetful, seconds):
    await ask(forgetful)
    given = await token(forgetful)
    forgetful.control.clock.advance(seconds)
    assert (await reset(forgetful, given)).json["reason"] == "INVALID_RESET_TOKEN"


async def test_a_token_is_for_its_address_and_cannot_be_guessed_for_long(forgetful):
    await ask(forgetful)
    given = await token(forgetful)
    assert (await reset(forgetful, given, email="ben@example.com")).json["reason"] == "INVALID_RESET_TOKEN"
    for _ in range(5):
        assert (await reset(forgetful, "0" * 64)).json["reason"] == "INVALID_RESET_TOKEN"
    assert (await reset(forgetful, given)).json["reason"] == "INVALID_RESET_TOKEN"


async def test_a_second_letter_at_once_is_not_sent(forgetful):
    first, second = await ask(forgetful), await ask(forgetful)
    assert first.body == second.body
    await forgetful.control.deps.mail.join()
    assert len(forgetful.box.letters) == 1


async def test_a_weak_new_password_leaves_the_link_usable(forgetful):
    await ask(forgetful)
    given = await token(forgetful)
    assert (await reset(forgetful, given, password="password")).json["reason"] == "PASSWORD_TOO_WEAK"
    assert (await reset(forgetful, given)).status == 200


async def test_a_reset_lets_an_account_that_was_locked_in_again(forgetful):
    for _ in range(10):
        await login(forgetful, "wrong")
    forgetful.control.clock.advance(61)
    assert (await login(forgetful, "correct horse battery")).status == 429
    await ask(forgetful)
    await reset(forgetful, await token(forgetful))
    assert (await login(forgetful, NEW)).status == 200


async def test_reset_is_off_until_both_settings_say_otherwise(door):
    assert (await ask(door)).json["reason"] == "PASSWORD_RESET_DISABLED"
    assert (await reset(door, "0" * 64)).json["reason"] == "PASSWORD_RESET_DISABLED"


async def test_reset_needs_an_address_for_its_links(door):
    answer = await door.set(email_verify_enabled=True, password_reset_enabled=True, frontend_url="")
    assert (answer.status, answer.json["reason"]) == (400, "CONFIG_NOT_READY")


@pytest.mark.parametrize(
    "url", ["gate.example.com", "javascript:alert(1)", "https://u:p@x.example", "https://x/?a=1"]
)
async def test_an_unusable_frontend_url_is_refused(door, url):
    assert (await door.set(frontend_url=url)).status == 400
