"""Registration: every check in its order (spec 7.2)."""

import pytest

from headgate.settings import AuthSettings
from headgate.state.protocols import StateUnavailable
from tests.control.auth.browsers import Browser

INVITATIONS = "/admin/redeem-codes/generate"


async def test_nobody_registers_until_it_is_opened(control):
    answer = await control.nobody(
        "POST", "/auth/register", {"email": "x@y.example", "password": "p" * 3 + "qrstuv"}
    )
    assert (answer.status, answer.json["reason"]) == (403, "REGISTRATION_DISABLED")


async def test_a_role_cannot_be_asked_for(door):
    data = (await door.register(role="admin", balance=100, concurrency=99)).data
    assert (data["user"]["role"], data["user"]["balance"]) == ("user", 0)


async def test_a_browser_gets_its_session_as_cookies(door):
    browser = Browser(door.control.client)
    answer = await browser(
        "POST", "/auth/register", {"email": "b@example.com", "password": "a long password 7"}
    )
    assert "access_token" not in answer.data
    assert (await browser("GET", "/auth/me")).data["email"] == "b@example.com"


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("no-address", "INVALID_EMAIL"),
        ("a@b@c.example", "INVALID_EMAIL"),
        ("müller@example.com", "INVALID_EMAIL"),
        ("\u212aate@example.com", "INVALID_EMAIL"),  # the Kelvin sign: k, once lowered
        ("a@b.example\r\nBcc: c@d.example", "INVALID_EMAIL"),
        ("linuxdo-7@linuxdo-connect.invalid", "EMAIL_RESERVED"),
        ("x@INVALID", "EMAIL_RESERVED"),
        ("ANNA@example.com", "EMAIL_EXISTS"),
    ],
)
async def test_addresses_that_cannot_register(door, email, reason):
    assert (await door.reason(email=email))[1] == reason
    assert await door.users() == 3


async def test_only_addresses_of_the_listed_domains_and_not_of_domains_below(door):
    data = (await door.set(registration_email_suffix_whitelist=["Corp.example", "@corp.example"])).data
    assert data["registration_email_suffix_whitelist"] == ["@corp.example"]
    for email in ("x@other.example", "x@sub.corp.example", "x@notcorp.example"):
        assert await door.reason(email=email) == (400, "EMAIL_SUFFIX_NOT_ALLOWED")
    assert (await door.register(email="x@CORP.example")).status == 200


async def test_a_domain_list_with_nonsense_is_refused(door):
    for bad in ("corp", "@", "*.corp.example", "a b.example", "corp.example/x"):
        answer = await door.set(registration_email_suffix_whitelist=[bad])
        assert answer.json["reason"] == "INVALID_REGISTRATION_EMAIL_SUFFIX_WHITELIST", bad


async def test_a_weak_password_is_refused_and_not_repeated(door):
    answer = await door.register(password="password")
    assert answer.json["reason"] == "PASSWORD_TOO_WEAK"
    answer = await door.register(password="new@example.com")
    assert answer.json["reason"] == "PASSWORD_TOO_WEAK"
    assert "new@example.com" not in answer.json["message"]


async def test_registrations_from_one_address_are_throttled(door):
    object.__setattr__(door.control.deps.settings, "auth", AuthSettings(register_limit_per_minute=2))
    answers = [await door.register(email=f"u{n}@example.com") for n in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]


async def test_without_counters_nobody_registers(door, monkeypatch):
    async def away(*_, **__):
        raise StateUnavailable("away")

    monkeypatch.setattr(door.control.deps.state.counters, "add", away)
    assert (await door.register()).status == 429


async def test_the_log_names_the_newcomer_and_hides_the_password(door):
    await door.register()
    log = await door.control.admin("GET", "/admin/audit-log")
    entry = next(item for item in log.data["items"] if item["action"] == "POST /api/v1/auth/register")
    assert entry["actor_email"] == "new@example.com"
    assert b"a long password 7" not in log.body


async def test_what_the_page_needs_is_in_the_public_settings(door):
    await door.set(registration_email_suffix_whitelist=["corp.example"], registration_user_limit=9)
    data = (await door.control.nobody("GET", "/settings/public")).data
    assert data["registration_enabled"] is True
    assert data["registration_email_suffix_whitelist"] == ["@corp.example"]
    assert data["registration_user_limit"] == 9
