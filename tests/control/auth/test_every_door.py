"""Every endpoint around signing in is slowed: per address, where a password or code is guessed also per
account, and nobody passes while the counters are away (PAINS S14, spec 7.1).

The routes are enumerated: one that is new and not in these tables fails the test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from headgate.control.app import create_control_app
from headgate.settings import AuthSettings
from headgate.state.protocols import StateUnavailable
from headgate.storage.engine import DatabaseTarget
from headgate.upstream.web import WebFailed
from tests.control.mail.conftest import smtp
from tests.control.web.test_routing import ROUTES
from tests.support.asgi import Answer, AsgiClient

LIMIT = 3
TRIES = 9
"""More than any limit here."""
TOKEN = {"login_token": "x"}


@dataclass(frozen=True)
class Door:
    body: Mapping[str, Any] = field(default_factory=dict)
    by_account: bool = False
    """Also when every try comes from another address."""


GUESS = {"password": "a wrong guess"}
DOORS = {
    "POST /v1/auth/login": Door({"email": "anna@example.com", **GUESS}, by_account=True),
    "POST /v1/auth/login/2fa": Door({"temp_token": "x", "totp_code": "000000"}),
    "POST /v1/auth/refresh": Door({"refresh_token": "rt_" + "0" * 64}),
    "POST /v1/auth/logout": Door({"refresh_token": "rt_" + "0" * 64}),
    "POST /v1/auth/register": Door({"email": "new@example.com", "password": "a long password 7"}),
    "POST /v1/auth/send-verify-code": Door({"email": "new@example.com"}, by_account=True),
    "POST /v1/auth/forgot-password": Door({"email": "anna@example.com"}),
    "POST /v1/auth/reset-password": Door(
        {"email": "anna@example.com", "token": "0" * 64, "new_password": "a long password 7"}
    ),
    "POST /v1/auth/validate-promo-code": Door({"code": "NONE"}),
    "POST /v1/auth/validate-invitation-code": Door({"code": "NONE"}),
    "GET /v1/auth/oauth/{provider}/start": Door(),
    "GET /v1/auth/oauth/{provider}/callback": Door(),
    "POST /v1/auth/oauth/{provider}/complete": Door(TOKEN),
    "POST /v1/auth/oauth/{provider}/link": Door(TOKEN),
    "POST /v1/auth/oauth/{provider}/prove": Door(TOKEN),
    "POST /v1/user/identities/{provider}/start": Door(GUESS),
    "POST /v1/user/identities/{provider}/prove": Door(),
    "POST /v1/user/identities/{identity_id}/remove": Door(GUESS, by_account=True),
    "PUT /v1/user/password": Door(
        {"old_password": "a wrong guess", "new_password": "a long password 7"}, by_account=True
    ),
    "POST /v1/user/totp/send-code": Door(by_account=True),
    "POST /v1/user/totp/setup": Door(GUESS, by_account=True),
    "POST /v1/user/totp/disable": Door(GUESS, by_account=True),
    "POST /v1/user/totp/recovery-codes": Door(GUESS, by_account=True),
    "POST /v1/user/totp/enable": Door({"totp_code": "000000", "setup_token": "?"}, by_account=True),
}
NOTHING_TO_GUESS = {
    "GET /v1/auth/me", "GET /v1/auth/sessions", "DELETE /v1/auth/sessions/{session_id}",
    "POST /v1/auth/revoke-all-sessions", "GET /v1/user/identities", "GET /v1/user/totp/status",
    "GET /v1/user/totp/verification-method", "PUT /v1/user", "GET /v1/user/profile",
}  # fmt: skip
"""Of somebody signed in, about its own session: no secret is judged, no letter sent, nobody outside asked."""


class CountersAway:
    async def add(self, name: str, amount: int, *, window_s: int) -> int:
        raise StateUnavailable

    async def value(self, name: str) -> int:
        raise StateUnavailable

    async def reset(self, name: str) -> None:
        raise StateUnavailable


@pytest.fixture
def target(sqlite_target: DatabaseTarget) -> DatabaseTarget:
    return sqlite_target


@pytest.fixture
async def control(make_control: Any) -> Any:
    """Everything that strangers may do is switched on."""
    made = await make_control()
    wanted = smtp(
        9, registration_enabled=True, email_verify_enabled=True, password_reset_enabled=True,
        totp_enabled=True, invitation_code_enabled=False, promo_code_enabled=True,
        frontend_url="https://gate.example.com",
    )  # fmt: skip
    assert (await made.admin("PUT", "/admin/settings", wanted)).status == 200
    provider = {"name": "Corp", "issuer": "https://id.example.com", "client_id": "c", "client_secret": "s"}
    made.deps.web.problem_with, made.deps.web.send = nobody_minds, nobody_answers
    assert (await made.admin("PUT", "/admin/settings/oauth-providers/corp", provider)).status == 200
    limits = AuthSettings(
        login_limit_per_minute=LIMIT, login_failures_per_account=LIMIT, register_limit_per_minute=LIMIT,
        refresh_limit_per_minute=LIMIT, password_change_limit_per_minute=LIMIT,
        code_check_limit_per_minute=LIMIT,
    )  # fmt: skip
    object.__setattr__(made.deps.settings, "auth", limits)
    made.deps.mail.wake = lambda _: None
    yield made
    await made.deps.web.close()


async def nobody_minds(_url: str) -> None:
    return None


async def nobody_answers(_request: Any) -> None:
    raise WebFailed("no answer")


def paths() -> set[str]:
    """All that begin, end or change how somebody signs in."""
    return {
        f"{method} {path}"
        for method, path, _ in ROUTES
        if path.startswith(("/v1/auth/", "/v1/user/")) or path == "/v1/user"
    }


async def knock(control: Any, name: str, app: Any, *, peer: str = "203.0.113.7") -> Answer:
    method, path = name.split(" ")
    path = path.replace("{provider}", "corp").replace("{identity_id}", "1")
    is_own = name.startswith(("POST /v1/user", "PUT /v1/user")) or path.endswith(("/link", "/prove"))
    headers = control.anna.headers if is_own else {}
    body = None if method == "GET" else dict(DOORS[name].body)
    if body and body.get("setup_token") == "?":
        body["setup_token"] = await setup_token(control)
    return await AsgiClient(app, root_path="/api", peer=peer).call(method, path, body, headers=headers)


async def setup_token(control: Any) -> str:
    if not hasattr(control, "setup"):
        proof = {"password": "correct horse battery"}
        control.setup = (await control.anna("POST", "/user/totp/setup", proof)).data["setup_token"]
    return str(control.setup)


def test_every_route_is_in_one_of_the_tables():
    assert paths() == set(DOORS) | NOTHING_TO_GUESS
    assert not set(DOORS) & NOTHING_TO_GUESS


@pytest.mark.parametrize("name", DOORS)
async def test_one_address_is_slowed(control, name):
    answers = [await knock(control, name, control.app) for _ in range(TRIES)]
    assert answers[0].status != 429, answers[0].body
    assert answers[-1].status == 429, answers[-1].body


@pytest.mark.parametrize("name", [name for name, door in DOORS.items() if door.by_account])
async def test_one_account_is_slowed_from_wherever_it_is_tried(control, name):
    answers = [
        await knock(control, name, control.app, peer=f"198.51.100.{number}") for number in range(TRIES)
    ]
    assert answers[0].status != 429, answers[0].body
    assert answers[-1].status == 429, answers[-1].body


@pytest.mark.parametrize("name", DOORS)
async def test_nobody_passes_while_the_counters_are_away(control, name):
    if name == "POST /v1/user/totp/enable":
        await setup_token(control)
    deps = replace(control.deps, state=replace(control.deps.state, counters=CountersAway()))
    answer = await knock(control, name, create_control_app(deps))
    assert answer.status == 429, answer.body


async def test_a_slowed_address_does_not_slow_others(control):
    name = "POST /v1/auth/login/2fa"
    for _ in range(TRIES):
        await knock(control, name, control.app)
    assert (await knock(control, name, control.app, peer="198.51.100.9")).status == 400
