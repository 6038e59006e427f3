"""Login, tokens, profile, password (spec 7.3, 7.4, 7.6)."""

from dataclasses import replace

import jwt
import pytest

from headgate.control.app import create_control_app
from headgate.control.auth.passwords import Argon2Cost, Passwords
from headgate.control.auth.tokens import AccessTokens, Claims
from headgate.control.web.faults import AuthRefused
from headgate.kit.crypto import Vault
from headgate.settings import ServerSettings
from headgate.state.protocols import StateUnavailable
from headgate.storage.models import UserRow
from tests.support.asgi import AsgiClient

PASSWORD = "correct horse battery"


async def login(control, email="anna@example.com", password=PASSWORD):
    return await control.nobody("POST", "/auth/login", {"email": email, "password": password})


async def test_login_gives_a_token_that_works(control):
    data = (await login(control)).data
    assert data["token_type"] == "Bearer"
    assert data["expires_in"] == 86_400
    assert data["user"]["email"] == "anna@example.com"
    me = await control.nobody("GET", "/auth/me", headers={"authorization": f"Bearer {data['access_token']}"})
    assert me.data["email"] == "anna@example.com"
    assert me.data["run_mode"] == "standard"


async def test_an_address_is_the_same_in_any_case(control):
    assert (await login(control, " Anna@Example.COM ")).status == 200


@pytest.mark.parametrize(
    ("email", "password"), [("anna@example.com", "wrong"), ("who@example.com", PASSWORD)]
)
async def test_wrong_password_and_unknown_user_look_the_same(control, email, password):
    answer = await login(control, email, password)
    assert answer.status == 401
    assert answer.json == {
        "code": 401,
        "message": "invalid email or password",
        "reason": "INVALID_CREDENTIALS",
    }


async def test_a_disabled_user_learns_so_only_with_the_right_password(control):
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"status": "disabled"})
    assert (await login(control, password="wrong")).json["reason"] == "INVALID_CREDENTIALS"
    answer = await login(control)
    assert (answer.status, answer.json["reason"]) == (403, "USER_NOT_ACTIVE")


async def test_many_logins_from_one_address_are_throttled_in_the_flat_shape(control):
    answers = [await login(control, f"user{number}@example.com") for number in range(6)]
    assert [answer.status for answer in answers] == [401] * 5 + [429]
    assert answers[-1].json == {
        "error": "rate limit exceeded",
        "message": "Too many requests, please try again later",
        "reason": "RATE_LIMITED",
    }


async def test_an_account_is_locked_after_failures_from_anywhere(control):
    for number in range(3):
        stranger = AsgiClient(control.app, root_path="/api", peer=f"192.0.2.{number}")
        await stranger.call("POST", "/v1/auth/login", {"email": "anna@example.com", "password": "guess"})
    assert (await login(control)).status == 429
    control.clock.advance(15 * 60 + 1)
    assert (await login(control)).status == 200


async def test_a_success_forgets_the_failures(control):
    for _ in range(2):
        await login(control, password="wrong")
    assert (await login(control)).status == 200
    control.clock.advance(61)
    assert (await login(control, password="wrong")).status == 401
    assert (await login(control)).status == 200


async def test_a_forged_forwarding_header_does_not_escape_the_throttle(control):
    body = {"email": "x@example.com", "password": "guess"}
    answers = [
        await control.nobody("POST", "/auth/login", body, headers={"x-forwarded-for": f"192.0.2.{number}"})
        for number in range(6)
    ]
    assert answers[-1].status == 429


async def test_nobody_gets_in_while_the_counters_are_away(control):
    class Away:
        async def add(self, name, amount, *, window_s):
            raise StateUnavailable

    deps = replace(control.deps, state=replace(control.deps.state, counters=Away()))
    client = AsgiClient(create_control_app(deps), root_path="/api")
    answer = await client.call("POST", "/v1/auth/login", {"email": "anna@example.com", "password": PASSWORD})
    assert answer.status == 429


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Basic abc", "INVALID_AUTH_HEADER"),
        ("Bearer ", "EMPTY_TOKEN"),
        ("Bearer x.y.z", "INVALID_TOKEN"),
        ("Bearer " + "x" * 9000, "TOKEN_TOO_LARGE"),
    ],
)
async def test_a_bad_authorization_header_has_its_own_code(control, header, code):
    answer = await control.nobody("GET", "/auth/me", headers={"authorization": header})
    assert answer.json["code"] == code
    assert answer.json["reason"] == code


async def test_a_token_ends_with_its_lifetime(control):
    control.clock.advance(3600)
    answer = await control.anna("GET", "/auth/me")
    assert (answer.status, answer.json["code"]) == (401, "TOKEN_EXPIRED")


async def test_an_unsigned_token_is_refused(control):
    claims = {"user_id": control.admin.user_id, "token_version": 0, "exp": 2**40, "iat": 0, "nbf": 0}
    token = jwt.encode(claims, "", algorithm="none")
    answer = await control.nobody("GET", "/auth/me", headers={"authorization": f"Bearer {token}"})
    assert answer.json["code"] == "INVALID_TOKEN"


async def test_a_deleted_user_is_not_found(control):
    await control.admin("DELETE", f"/admin/users/{control.anna.user_id}")
    answer = await control.anna("GET", "/auth/me")
    assert (answer.status, answer.json["code"]) == (401, "USER_NOT_FOUND")


async def test_a_disabled_user_is_inactive(control):
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"status": "disabled"})
    assert (await control.anna("GET", "/auth/me")).json["code"] == "USER_INACTIVE"


async def test_a_password_change_revokes_every_older_token(control):
    body = {"old_password": PASSWORD, "new_password": "another secret"}
    assert (await control.anna("PUT", "/user/password", body)).status == 200
    assert (await control.anna("GET", "/auth/me")).json["code"] == "TOKEN_REVOKED"
    assert (await login(control)).status == 401
    assert (await login(control, password="another secret")).status == 200


async def test_a_wrong_old_password_changes_nothing(control):
    body = {"old_password": "wrong", "new_password": "another secret"}
    answer = await control.anna("PUT", "/user/password", body)
    assert (answer.status, answer.json["reason"]) == (400, "PASSWORD_INCORRECT")
    assert (await control.anna("GET", "/auth/me")).status == 200


async def test_a_user_can_change_the_display_name(control):
    assert (await control.anna("PUT", "/user", {"username": "Anna"})).data["username"] == "Anna"
    assert (await control.anna("GET", "/user/profile")).data["username"] == "Anna"


async def test_a_user_never_sees_the_notes_about_them(control):
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"notes": "pays late"})
    assert "notes" not in (await control.anna("GET", "/auth/me")).data


def test_a_token_of_another_installation_is_worthless(control):
    foreign = AccessTokens(Vault(b"x" * 32)).issue(
        Claims(user_id=1, email="", role="admin", token_version=0), now_s=0, lifetime_s=10**10
    )
    with pytest.raises(AuthRefused):
        AccessTokens(control.deps.vault).read(foreign, now_s=1)


@pytest.mark.parametrize("new", [PASSWORD, "password123", "1234567", "anna@example.com"])
async def test_a_weak_or_unchanged_password_is_refused(control, new):
    answer = await control.anna("PUT", "/user/password", {"old_password": PASSWORD, "new_password": new})
    assert (answer.status, answer.json["reason"]) == (400, "PASSWORD_TOO_WEAK")
    assert (await control.anna("GET", "/auth/me")).status == 200


async def test_an_administrator_cannot_set_a_weak_password_either(control):
    path = f"/admin/users/{control.anna.user_id}"
    assert (await control.admin("PUT", path, {"password": "password123"})).json[
        "reason"
    ] == "PASSWORD_TOO_WEAK"
    body = {"email": "new@example.com", "password": "new@example.com"}
    assert (await control.admin("POST", "/admin/users", body)).json["reason"] == "PASSWORD_TOO_WEAK"


async def test_a_new_password_by_an_administrator_ends_the_lock_out(control):
    for number in range(4):
        stranger = AsgiClient(control.app, root_path="/api", peer=f"192.0.2.{number}")
        await stranger.call("POST", "/v1/auth/login", {"email": "anna@example.com", "password": "guess"})
    assert (await login(control)).status == 429
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"password": "by the admin"})
    assert (await login(control, password="by the admin")).status == 200


async def test_wrong_old_passwords_lock_the_account(control):
    body = {"old_password": "guess", "new_password": "another secret"}
    answers = [await control.anna("PUT", "/user/password", body) for _ in range(4)]
    assert [answer.status for answer in answers] == [400, 400, 400, 429]
    assert (await login(control)).status == 429


async def test_password_changes_from_one_address_are_throttled(control):
    body = {"old_password": PASSWORD, "new_password": "1234567"}
    answers = [await control.anna("PUT", "/user/password", body) for _ in range(11)]
    assert [answer.status for answer in answers] == [400] * 10 + [429]


async def test_a_hash_of_another_cost_is_replaced_at_the_login(control):
    old = await Passwords(Argon2Cost(passes=2, memory_kib=16, lanes=1)).hash(PASSWORD)
    async with control.deps.uow() as uow:
        (await uow.session.get(UserRow, control.anna.user_id)).password_hash = old
    assert (await login(control, password="wrong")).status == 401
    assert (await login(control)).status == 200
    async with control.deps.uow() as uow:
        stored = (await uow.session.get(UserRow, control.anna.user_id)).password_hash
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert (await control.anna("GET", "/auth/me")).status == 200
    assert (await login(control)).status == 200


@pytest.mark.parametrize(("trusted", "statuses"), [((), [401] * 5 + [429]), (("127.0.0.1/32",), [401] * 6)])
async def test_clients_are_told_apart_behind_trusted_proxies_only(make_control, trusted, statuses):
    control = await make_control(server=ServerSettings(trusted_proxies=trusted))
    answers = []
    for number in range(6):
        body = {"email": f"user{number}@example.com", "password": "guess"}
        headers = {"x-forwarded-for": f"192.0.2.{number}"}
        answers.append(await control.nobody("POST", "/auth/login", body, headers=headers))
    assert [answer.status for answer in answers] == statuses
