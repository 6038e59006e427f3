"""Turnstile in front of login, registration and letters, against a stub of its service (spec 7.7)."""

import pytest

from headgate.settings import AuthSettings, ServerSettings
from headgate.upstream.web import WebClient
from tests.support.turnstile import SECRET, siteverify

SETTINGS = "/admin/settings"
LOGIN = {"email": "anna@example.com", "password": "correct horse battery"}
KEYS = {"turnstile_site_key": "0x4AAA", "turnstile_secret_key": SECRET}


@pytest.fixture
async def stub(control):
    async with siteverify() as running:
        settings = AuthSettings(turnstile_url=running.url, private_identity_hosts=("127.0.0.1",))
        object.__setattr__(control.deps.settings, "auth", settings)
        object.__setattr__(control.deps, "web", WebClient(control.deps.settings))
        yield running
        await control.deps.web.close()


@pytest.fixture
async def guarded(control, stub):
    await control.admin("PUT", SETTINGS, {"turnstile_enabled": True, **KEYS})
    stub.asked.clear()
    return stub


async def login(control, **fields):
    answer = await control.nobody("POST", "/auth/login", LOGIN | fields)
    return answer.status, answer.json.get("reason")


async def test_a_login_needs_a_token_that_the_service_calls_good(control, guarded):
    assert await login(control) == (400, "TURNSTILE_VERIFICATION_FAILED")
    assert guarded.asked == []
    assert await login(control, turnstile_token="robot") == (400, "TURNSTILE_VERIFICATION_FAILED")
    assert (await login(control, turnstile_token="human"))[0] == 200
    assert guarded.asked[-1] == {"secret": SECRET, "response": "human", "remoteip": "127.0.0.1"}


@pytest.mark.parametrize("path", ["/auth/register", "/auth/send-verify-code", "/auth/forgot-password"])
async def test_what_strangers_may_do_is_behind_it(control, guarded, path):
    body = {"email": "new@example.com", "password": "a long password 7"}
    assert (await control.nobody("POST", path, body)).json["reason"] == "TURNSTILE_VERIFICATION_FAILED"


async def test_robots_lock_nobody_out(control, guarded):
    for _ in range(15):
        await login(control, password="wrong", turnstile_token="robot")
    assert (await login(control, turnstile_token="human"))[0] == 200


async def test_while_the_service_is_away_nobody_passes(control, guarded):
    guarded.status = 500
    assert await login(control, turnstile_token="human") == (503, "TURNSTILE_UNAVAILABLE")


async def test_a_secret_that_the_service_does_not_know_is_not_saved(control, stub):
    answer = await control.admin("PUT", SETTINGS, KEYS | {"turnstile_secret_key": "typo"})
    assert (answer.status, answer.json["reason"]) == (400, "TURNSTILE_INVALID_SECRET_KEY")
    assert (await control.admin("GET", SETTINGS)).data["turnstile_secret_key_configured"] is False


async def test_it_cannot_be_switched_on_without_its_keys(control, stub):
    answer = await control.admin("PUT", SETTINGS, {"turnstile_enabled": True})
    assert (answer.status, answer.json["reason"]) == (400, "TURNSTILE_NOT_CONFIGURED")
    assert (await login(control))[0] == 200


async def test_the_secret_is_shown_to_nobody_and_the_site_key_to_everybody(control, guarded):
    settings = await control.admin("GET", SETTINGS)
    public = await control.nobody("GET", "/settings/public")
    assert (public.data["turnstile_enabled"], public.data["turnstile_site_key"]) == (True, "0x4AAA")
    assert SECRET.encode() not in settings.body + public.body


async def test_where_it_is_required_nobody_logs_in_without_it(control, stub):
    settings = control.deps.settings.auth.model_copy(update={"turnstile_required": True})
    object.__setattr__(control.deps.settings, "auth", settings)
    assert await login(control) == (503, "TURNSTILE_NOT_CONFIGURED")
    object.__setattr__(control.deps.settings, "server", ServerSettings(mode="debug"))
    assert (await login(control))[0] == 200
