"""Sessions: rotation, reuse, ends and races (spec 7.3), on both databases."""

import asyncio
import secrets
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from headgate.control.app import create_control_app
from headgate.control.auth.jobs import CHUNK, delete_expired_tokens
from headgate.control.auth.tokens import AccessTokens, Claims
from headgate.state.protocols import StateUnavailable
from headgate.storage.models import RefreshTokenRow
from tests.support.asgi import Answer, AsgiClient
from tests.support.databases import target

__all__ = ["target"]

PASSWORD = "correct horse battery"


async def log_in(control: Any, **options: Any) -> Any:
    body = {"email": "anna@example.com", "password": PASSWORD}
    return (await control.nobody("POST", "/auth/login", body, **options)).data


async def refresh(control: Any, token: str, **options: Any) -> Answer:
    answer: Answer = await control.nobody("POST", "/auth/refresh", {"refresh_token": token}, **options)
    return answer


async def me(control: Any, pair: Any) -> Answer:
    answer: Answer = await control.nobody("GET", "/auth/me", headers=bearer(pair))
    return answer


def bearer(pair: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {pair['access_token']}"}


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["reason"]


async def count_tokens(control: Any) -> int:
    async with control.deps.uow() as uow:
        return await uow.session.scalar(select(func.count()).select_from(RefreshTokenRow)) or 0


async def test_a_login_gives_a_refresh_token_of_which_only_a_digest_is_kept(control: Any) -> None:
    token = (await log_in(control))["refresh_token"]
    assert len(token) == 3 + 64
    assert token.startswith("rt_")
    async with control.deps.uow() as uow:
        row = (await uow.session.scalars(select(RefreshTokenRow))).one()
    assert len(row.token_hash) == 32
    assert token[3:] not in repr(vars(row))
    assert bytes.fromhex(token[3:]) != row.token_hash


async def test_a_refresh_gives_new_tokens_that_work(control: Any) -> None:
    first = await log_in(control)
    control.clock.advance(60)
    second = (await refresh(control, first["refresh_token"])).data
    assert set(second) == {"access_token", "refresh_token", "expires_in", "token_type"}
    assert (second["expires_in"], second["token_type"]) == (86_400, "Bearer")
    assert second["refresh_token"] != first["refresh_token"]
    assert (await me(control, second)).status == 200
    assert (await me(control, first)).status == 200  # until it expires: the session is the same
    assert (await refresh(control, second["refresh_token"])).status == 200


async def test_a_refresh_outlives_the_access_token(control: Any) -> None:
    pair = await log_in(control)
    control.clock.advance(86_400)
    assert (await me(control, pair)).json["code"] == "TOKEN_EXPIRED"
    assert (await me(control, (await refresh(control, pair["refresh_token"])).data)).status == 200


async def test_a_stolen_token_ends_the_session_for_both_parties(control: Any) -> None:
    stolen = (await log_in(control))["refresh_token"]
    thief = (await refresh(control, stolen)).data
    control.clock.advance(11)
    assert refusal(await refresh(control, stolen)) == (401, "REFRESH_TOKEN_REUSED")
    assert refusal(await refresh(control, thief["refresh_token"])) == (401, "TOKEN_REVOKED")
    assert (await me(control, thief)).json["code"] == "TOKEN_REVOKED"


async def test_a_reuse_of_any_older_token_is_noticed_and_other_sessions_stay(control: Any) -> None:
    other = await log_in(control)
    oldest = newest = await log_in(control)
    for _ in range(3):
        newest = (await refresh(control, newest["refresh_token"])).data
    control.clock.advance(11)
    assert refusal(await refresh(control, oldest["refresh_token"])) == (401, "REFRESH_TOKEN_REUSED")
    assert (await me(control, newest)).status == 401
    assert (await me(control, other)).status == 200


async def test_a_client_that_asks_twice_keeps_its_session(control: Any) -> None:
    first = await log_in(control)
    second = (await refresh(control, first["refresh_token"])).data
    assert refusal(await refresh(control, first["refresh_token"])) == (409, "REFRESH_TOKEN_ROTATED")
    assert (await refresh(control, second["refresh_token"])).status == 200


async def test_of_concurrent_refreshes_one_wins(control: Any) -> None:
    first = await log_in(control)
    answers = await asyncio.gather(*(refresh(control, first["refresh_token"]) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]
    won = next(answer.data for answer in answers if answer.status == 200)
    assert (await refresh(control, won["refresh_token"])).status == 200


async def test_no_successor_slips_past_the_end_of_its_session(control: Any) -> None:
    for _ in range(5):
        pair = await log_in(control)
        refreshed, _ = await asyncio.gather(
            refresh(control, pair["refresh_token"]),
            control.nobody("POST", "/auth/revoke-all-sessions", headers=bearer(pair)),
        )
        assert (await me(control, pair)).status == 401
        if refreshed.status == 200:
            assert (await me(control, refreshed.data)).status == 401
            assert refusal(await refresh(control, refreshed.data["refresh_token"])) == (401, "TOKEN_REVOKED")
        control.clock.advance(61)


@pytest.mark.parametrize("token", ["", "rt_", "rt_" + "0" * 64, "x" * 200, "Ω"])
async def test_what_was_never_issued_is_invalid(control: Any, token: str) -> None:
    assert refusal(await refresh(control, token)) == (401, "REFRESH_TOKEN_INVALID")


async def test_a_tampered_token_is_invalid_and_harms_nobody(control: Any) -> None:
    pair = await log_in(control)
    token = pair["refresh_token"]
    tampered = token[:-1] + ("0" if token[-1] != "0" else "1")
    assert refusal(await refresh(control, tampered)) == (401, "REFRESH_TOKEN_INVALID")
    assert refusal(await refresh(control, pair["access_token"][:200])) == (401, "REFRESH_TOKEN_INVALID")
    assert (await refresh(control, token)).status == 200


@pytest.mark.parametrize(
    "body", [{}, {"refresh_token": None}, {"refresh_token": 1}, {"refresh_token": "x" * 201}]
)
async def test_a_bad_body_is_refused_in_the_envelope(control: Any, body: Any) -> None:
    answer = await control.nobody("POST", "/auth/refresh", body)
    assert (answer.status, answer.json["code"]) == (400, 400)


async def test_a_refresh_token_is_no_access_token(control: Any) -> None:
    pair = await log_in(control)
    answer = await me(control, {"access_token": pair["refresh_token"]})
    assert answer.json["code"] == "INVALID_TOKEN"


async def test_a_session_that_nobody_refreshes_expires(control: Any) -> None:
    token = (await log_in(control))["refresh_token"]
    control.clock.advance(30 * 86_400)
    assert refusal(await refresh(control, token)) == (401, "REFRESH_TOKEN_EXPIRED")


async def test_logout_ends_its_session_alone(control: Any) -> None:
    mine, other = await log_in(control), await log_in(control)
    answer = await control.nobody("POST", "/auth/logout", {"refresh_token": mine["refresh_token"]})
    assert answer.data == {"message": "logged out"}
    assert refusal(await refresh(control, mine["refresh_token"])) == (401, "TOKEN_REVOKED")
    assert (await me(control, mine)).json["code"] == "TOKEN_REVOKED"
    assert (await me(control, other)).status == 200


@pytest.mark.parametrize("body", [None, {}, {"refresh_token": None}, {"refresh_token": "rt_unknown"}])
async def test_logout_succeeds_whatever_the_token_is(control: Any, body: Any) -> None:
    pair = await log_in(control)
    assert (await control.nobody("POST", "/auth/logout", body, headers=bearer(pair))).status == 200
    assert (await me(control, pair)).status == 200


async def test_revoking_all_sessions_ends_those_of_the_caller_alone(control: Any) -> None:
    pairs = [await log_in(control) for _ in range(2)]
    answer = await control.nobody("POST", "/auth/revoke-all-sessions", headers=bearer(pairs[0]))
    assert answer.data == {"message": "all sessions ended; log in again"}
    for pair in pairs:
        assert (await me(control, pair)).json["code"] == "TOKEN_REVOKED"
        assert refusal(await refresh(control, pair["refresh_token"])) == (401, "TOKEN_REVOKED")
    assert (await control.ben("GET", "/auth/me")).status == 200
    assert (await log_in(control))["access_token"]


async def test_own_sessions_are_listed_with_where_they_are_used(control: Any) -> None:
    laptop = await log_in(control, headers={"user-agent": "Laptop\x7f<b>" + "x" * 300})
    control.clock.advance(60)
    phone = await log_in(control, headers={"user-agent": "Phone"})
    control.clock.advance(60)
    laptop = (await refresh(control, laptop["refresh_token"], headers={"user-agent": "Laptop 2"})).data
    listed = (await control.nobody("GET", "/auth/sessions", headers=bearer(phone))).data
    assert [(item["user_agent"], item["is_current"]) for item in listed] == [
        ("Laptop 2", False),
        ("Phone", True),
    ]
    assert set(listed[0]) == {
        "id", "started_at", "last_refreshed_at", "expires_at", "address", "user_agent", "is_current",
    }  # fmt: skip
    assert listed[0]["address"] == "127.0.0.1"
    assert listed[0]["started_at"] < listed[1]["started_at"] < listed[0]["last_refreshed_at"]
    assert (await control.ben("GET", "/auth/sessions")).data == []
    assert "rt_" not in str(listed)


async def test_one_session_can_be_ended_by_its_owner_only(control: Any) -> None:
    here, lost = await log_in(control), await log_in(control)
    listed = (await control.nobody("GET", "/auth/sessions", headers=bearer(here))).data
    session_id = next(item["id"] for item in listed if not item["is_current"])
    assert refusal(await control.ben("DELETE", f"/auth/sessions/{session_id}")) == (404, "SESSION_NOT_FOUND")
    assert (await me(control, lost)).status == 200
    path = f"/auth/sessions/{session_id}"
    assert (await control.nobody("DELETE", path, headers=bearer(here))).data == {"message": "session ended"}
    assert (await me(control, lost)).json["code"] == "TOKEN_REVOKED"
    assert refusal(await control.nobody("DELETE", path, headers=bearer(here))) == (404, "SESSION_NOT_FOUND")
    assert (await control.nobody("DELETE", "/auth/sessions/1", headers=bearer(here))).status == 400


async def test_a_password_change_ends_the_other_sessions(control: Any) -> None:
    mine, other = await log_in(control), await log_in(control)
    body = {"old_password": PASSWORD, "new_password": "another secret"}
    assert (await control.nobody("PUT", "/user/password", body, headers=bearer(mine))).status == 200
    for pair in (mine, other):
        assert (await me(control, pair)).json["code"] == "TOKEN_REVOKED"
    assert refusal(await refresh(control, other["refresh_token"])) == (401, "TOKEN_REVOKED")
    assert (await me(control, (await refresh(control, mine["refresh_token"])).data)).status == 200


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"password": "by the admin"}, (401, "TOKEN_REVOKED")),
        ({"status": "disabled"}, (401, "TOKEN_REVOKED")),
    ],
)
async def test_what_an_administrator_changes_ends_the_sessions(
    control: Any, change: Any, refused: Any
) -> None:
    pair = await log_in(control)
    assert (await control.admin("PUT", f"/admin/users/{control.anna.user_id}", change)).status == 200
    assert (await me(control, pair)).status == 401
    assert refusal(await refresh(control, pair["refresh_token"])) == refused


async def test_a_session_of_a_deleted_user_is_unknown(control: Any) -> None:
    pair = await log_in(control)
    await control.admin("DELETE", f"/admin/users/{control.anna.user_id}")
    assert refusal(await refresh(control, pair["refresh_token"])) == (401, "REFRESH_TOKEN_INVALID")


async def test_refreshes_from_one_address_are_throttled(control: Any) -> None:
    answers = [await refresh(control, f"rt_{number}") for number in range(31)]
    assert [answer.status for answer in answers] == [401] * 30 + [429]
    assert answers[-1].json["error"] == "rate limit exceeded"


async def test_refreshes_of_one_user_are_throttled_from_anywhere(control: Any) -> None:
    token = (await log_in(control))["refresh_token"]
    statuses = []
    for number in range(31):
        client = AsgiClient(control.app, root_path="/api", peer=f"192.0.2.{number}")
        answer = await client.call("POST", "/v1/auth/refresh", {"refresh_token": token})
        statuses.append(answer.status)
        token = answer.data["refresh_token"] if answer.status == 200 else token
    assert statuses == [200] * 30 + [429]


async def test_nobody_refreshes_while_the_counters_are_away(control: Any) -> None:
    class Away:
        async def add(self, name: str, amount: int, *, window_s: int) -> int:
            raise StateUnavailable

    token = (await log_in(control))["refresh_token"]
    deps = replace(control.deps, state=replace(control.deps.state, counters=Away()))
    client = AsgiClient(create_control_app(deps), root_path="/api")
    assert (await client.call("POST", "/v1/auth/refresh", {"refresh_token": token})).status == 429
    assert (await refresh(control, token)).status == 200


async def test_an_access_token_of_a_forgotten_session_does_not_count(control: Any) -> None:
    claims = Claims(
        user_id=control.anna.user_id, email="", role="user", token_version=0, session=secrets.token_hex(16)
    )
    token = AccessTokens(control.deps.vault).issue(
        claims, now_s=control.clock.now_ms() // 1000, lifetime_s=60
    )
    assert (await me(control, {"access_token": token})).json["code"] == "TOKEN_REVOKED"


async def test_expired_tokens_are_forgotten_and_others_stay(control: Any) -> None:
    pair = await log_in(control)
    async with control.deps.uow() as uow:
        row = (await uow.session.scalars(select(RefreshTokenRow))).one()
        old = {"user_id": row.user_id, "family": "f", "token_version": 0, "started_at": row.started_at}
        old |= {"created_at": row.started_at, "expires_at": row.started_at}
        uow.session.add_all(
            RefreshTokenRow(token_hash=secrets.token_bytes(32), **old) for _ in range(CHUNK + 1)
        )
    control.clock.advance(1)
    assert await delete_expired_tokens(control.deps.uow, control.clock, control.deps.vault) == CHUNK + 1
    assert await count_tokens(control) == 1
    assert (await refresh(control, pair["refresh_token"])).status == 200
