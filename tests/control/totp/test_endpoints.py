"""Two-factor login: set-up, second step, recovery, replay, limits (spec 7.4, 7.5), on both databases."""

import asyncio
from dataclasses import replace
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from headgate.control.app import create_control_app
from headgate.control.commands import UserCommands
from headgate.control.totp import tickets
from headgate.kit.crypto import SealBroken
from headgate.state.protocols import StateUnavailable
from headgate.storage.models import RecoveryCodeRow, UserRow
from tests.support.asgi import Answer, AsgiClient

PASSWORD = "correct horse battery"
PROOF = {"password": PASSWORD}


class Phone:
    """Anna's authenticator app."""

    def __init__(self, control: Any, secret: str) -> None:
        self._control = control
        self._totp = pyotp.TOTP(secret)

    def code(self, *, skew_s: int = 0) -> str:
        return self._totp.at(self._control.clock.now_ms() // 1000 + skew_s)

    def next_code(self) -> str:
        """After waiting for a step that was not used."""
        self._control.clock.advance(30)
        return self.code()


async def switch_on(control: Any) -> tuple[Phone, list[str]]:
    setup = (await control.anna("POST", "/user/totp/setup", PROOF)).data
    phone = Phone(control, setup["secret"])
    body = {"totp_code": phone.code(), "setup_token": setup["setup_token"]}
    codes = (await control.anna("POST", "/user/totp/enable", body)).data["recovery_codes"]
    control.clock.advance(30)
    return phone, codes


async def first_step(control: Any, password: str = PASSWORD) -> Answer:
    body = {"email": "anna@example.com", "password": password}
    answer: Answer = await control.nobody("POST", "/auth/login", body)
    return answer


async def second_step(control: Any, ticket: str, code: str, *, peer: str = "127.0.0.1") -> Answer:
    client = AsgiClient(control.app, root_path="/api", peer=peer)
    return await client.call("POST", "/v1/auth/login/2fa", {"temp_token": ticket, "totp_code": code})


async def log_in(control: Any, code: str) -> Answer:
    return await second_step(control, (await first_step(control)).data["temp_token"], code)


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["reason"]


async def test_a_login_takes_two_steps_once_it_is_switched_on(control: Any) -> None:
    phone, _ = await switch_on(control)
    first = (await first_step(control)).data
    assert set(first) == {"requires_2fa", "temp_token", "user_email_masked"}
    assert (first["requires_2fa"], first["user_email_masked"]) == (True, "a***@example.com")
    second = (await second_step(control, first["temp_token"], phone.code())).data
    assert set(second) == {"access_token", "refresh_token", "expires_in", "token_type", "user"}
    assert second["user"]["totp_enabled"] is True
    headers = {"authorization": f"Bearer {second['access_token']}"}
    assert (await control.nobody("GET", "/auth/me", headers=headers)).status == 200
    refreshed = {"refresh_token": second["refresh_token"]}
    assert (await control.nobody("POST", "/auth/refresh", refreshed)).status == 200


async def test_the_first_step_alone_opens_nothing(control: Any) -> None:
    await switch_on(control)
    ticket = (await first_step(control)).data["temp_token"]
    headers = {"authorization": f"Bearer {ticket}"}
    assert (await control.nobody("GET", "/auth/me", headers=headers)).json["code"] == "INVALID_TOKEN"
    assert (await control.nobody("POST", "/auth/refresh", {"refresh_token": ticket[:200]})).status == 401
    assert refusal(await first_step(control, "wrong")) == (401, "INVALID_CREDENTIALS")


async def test_the_status_says_what_is_set_up(control: Any) -> None:
    status = {"enabled": False, "enabled_at": None, "feature_enabled": True, "recovery_codes_left": 0}
    assert (await control.anna("GET", "/user/totp/status")).data == status
    enabled_at = control.clock.now_ms() // 1000
    await switch_on(control)
    status |= {"enabled": True, "enabled_at": enabled_at, "recovery_codes_left": 10}
    assert (await control.anna("GET", "/user/totp/status")).data == status
    assert (await control.ben("GET", "/user/totp/status")).data["enabled"] is False
    assert (await control.anna("GET", "/user/totp/verification-method")).data == {
        "method": "password", "methods": ["password"], "providers": [],
    }  # fmt: skip


async def test_the_set_up_shows_what_an_app_needs(control: Any) -> None:
    setup = (await control.anna("POST", "/user/totp/setup", PROOF)).data
    assert set(setup) == {"secret", "qr_code_url", "setup_token", "countdown"}
    assert setup["countdown"] == 300
    assert setup["qr_code_url"].startswith("otpauth://totp/Headgate:anna%40example.com?")
    assert (await control.anna("GET", "/user/totp/status")).data["enabled"] is False


@pytest.mark.parametrize("path", ["setup", "disable", "recovery-codes"])
async def test_a_change_needs_the_password(control: Any, path: str) -> None:
    for _ in range(3):
        answer = await control.anna("POST", f"/user/totp/{path}", {"password": "wrong"})
        assert refusal(answer) == (400, "PASSWORD_INCORRECT")
    assert (await control.anna("POST", f"/user/totp/{path}", PROOF)).status == 429
    assert refusal(await control.ben("POST", f"/user/totp/{path}", {})) == (400, "PASSWORD_REQUIRED")


async def test_a_set_up_that_was_not_confirmed_in_time_is_over(control: Any) -> None:
    setup = (await control.anna("POST", "/user/totp/setup", PROOF)).data
    control.clock.advance(300)
    body = {"totp_code": Phone(control, setup["secret"]).code(), "setup_token": setup["setup_token"]}
    assert refusal(await control.anna("POST", "/user/totp/enable", body)) == (400, "TOTP_SETUP_EXPIRED")


async def test_a_set_up_of_somebody_else_or_tampered_is_refused(control: Any) -> None:
    setup = (await control.anna("POST", "/user/totp/setup", PROOF)).data
    code, token = Phone(control, setup["secret"]).code(), setup["setup_token"]
    body = {"totp_code": code, "setup_token": token}
    assert refusal(await control.ben("POST", "/user/totp/enable", body)) == (400, "TOTP_SETUP_EXPIRED")
    for bad in ("", "x", token[:-8] + "AAAAAAA=", "Ω", token[:50]):
        answer = await control.anna("POST", "/user/totp/enable", {"totp_code": code, "setup_token": bad})
        assert refusal(answer) == (400, "TOTP_SETUP_EXPIRED"), bad
    assert (await control.anna("POST", "/user/totp/enable", body)).status == 200


async def test_a_wrong_code_switches_nothing_on(control: Any) -> None:
    setup = (await control.anna("POST", "/user/totp/setup", PROOF)).data
    body = {"totp_code": "000000", "setup_token": setup["setup_token"]}
    assert refusal(await control.anna("POST", "/user/totp/enable", body)) == (400, "TOTP_INVALID_CODE")
    assert (await control.anna("GET", "/user/totp/status")).data["enabled"] is False


async def test_it_cannot_be_switched_on_twice(control: Any) -> None:
    first, second = [(await control.anna("POST", "/user/totp/setup", PROOF)).data for _ in range(2)]
    for setup, expected in ((first, 200), (second, 400)):
        body = {"totp_code": Phone(control, setup["secret"]).code(), "setup_token": setup["setup_token"]}
        assert (await control.anna("POST", "/user/totp/enable", body)).status == expected
    answer = await control.anna("POST", "/user/totp/setup", PROOF)
    assert refusal(answer) == (400, "TOTP_ALREADY_ENABLED")


async def test_the_code_that_switched_it_on_does_not_sign_in(control: Any) -> None:
    setup = (await control.anna("POST", "/user/totp/setup", PROOF)).data
    code = Phone(control, setup["secret"]).code()
    body = {"totp_code": code, "setup_token": setup["setup_token"]}
    assert (await control.anna("POST", "/user/totp/enable", body)).status == 200
    assert refusal(await log_in(control, code)) == (400, "TOTP_INVALID_CODE")


async def test_a_code_signs_in_once_within_its_window(control: Any) -> None:
    phone, _ = await switch_on(control)
    code = phone.code()
    assert (await log_in(control, code)).status == 200
    assert refusal(await log_in(control, code)) == (400, "TOTP_INVALID_CODE")
    control.clock.advance(30)
    assert refusal(await log_in(control, code)) == (400, "TOTP_INVALID_CODE")
    assert (await log_in(control, phone.code())).status == 200


@pytest.mark.parametrize(("skew_s", "status"), [(-60, 400), (-30, 200), (30, 200), (60, 400)])
async def test_the_clock_of_the_phone_may_differ_by_a_step(control: Any, skew_s: int, status: int) -> None:
    phone, _ = await switch_on(control)
    control.clock.advance(300)
    assert (await log_in(control, phone.code(skew_s=skew_s))).status == status


async def test_of_concurrent_second_steps_with_one_code_one_wins(control: Any) -> None:
    phone, _ = await switch_on(control)
    held = [(await first_step(control)).data["temp_token"] for _ in range(4)]
    answers = await asyncio.gather(*(second_step(control, ticket, phone.code()) for ticket in held))
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]


async def test_a_ticket_is_good_for_one_login(control: Any) -> None:
    phone, _ = await switch_on(control)
    ticket = (await first_step(control)).data["temp_token"]
    assert (await second_step(control, ticket, phone.code())).status == 200
    assert refusal(await second_step(control, ticket, phone.next_code())) == (400, "INVALID_2FA_SESSION")


async def test_a_wrong_code_leaves_the_ticket_for_the_right_one(control: Any) -> None:
    phone, _ = await switch_on(control)
    ticket = (await first_step(control)).data["temp_token"]
    assert refusal(await second_step(control, ticket, "000000")) == (400, "TOTP_INVALID_CODE")
    assert (await second_step(control, ticket, phone.code())).status == 200


async def test_an_expired_tampered_or_foreign_ticket_is_refused(control: Any) -> None:
    phone, _ = await switch_on(control)
    ticket = (await first_step(control)).data["temp_token"]
    setup = (await control.ben("POST", "/user/totp/setup", PROOF)).data["setup_token"]
    for bad in ("", "abc", ticket[:-8] + "AAAAAAA=", setup):
        assert refusal(await second_step(control, bad, phone.code())) == (400, "INVALID_2FA_SESSION")
    control.clock.advance(300)
    answer = await second_step(control, ticket, phone.code())
    assert refusal(answer) == (400, "INVALID_2FA_SESSION")
    assert answer.json["message"] == "Invalid or expired 2FA session"


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"password": "by the admin"}, "INVALID_2FA_SESSION"), ({"status": "disabled"}, "USER_NOT_ACTIVE")],
)
async def test_what_changes_between_the_steps_counts(control: Any, change: Any, reason: str) -> None:
    phone, _ = await switch_on(control)
    ticket = (await first_step(control)).data["temp_token"]
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", change)
    assert (await second_step(control, ticket, phone.code())).json["reason"] == reason


async def test_five_wrong_codes_lock_the_second_step(control: Any) -> None:
    phone, codes = await switch_on(control)
    ticket = (await first_step(control)).data["temp_token"]
    for number in range(5):
        answer = await second_step(control, ticket, f"00000{number}", peer=f"192.0.2.{number}")
        assert refusal(answer) == (400, "TOTP_INVALID_CODE")
    for code in (phone.code(), codes[0]):
        answer = await second_step(control, ticket, code, peer="192.0.2.9")
        assert refusal(answer) == (429, "TOTP_TOO_MANY_ATTEMPTS")
        assert answer.headers["retry-after"] == "900"
    control.clock.advance(15 * 60 + 1)
    assert (await log_in(control, phone.code())).status == 200


async def test_second_steps_from_one_address_are_throttled(control: Any) -> None:
    answers = [await second_step(control, "x", "000000") for _ in range(6)]
    assert [answer.status for answer in answers] == [400] * 5 + [429]
    assert answers[-1].json["error"] == "rate limit exceeded"


async def test_nobody_passes_the_second_step_while_the_counters_are_away(control: Any) -> None:
    class Away:
        async def add(self, name: str, amount: int, *, window_s: int) -> int:
            raise StateUnavailable

    phone, _ = await switch_on(control)
    ticket = (await first_step(control)).data["temp_token"]
    deps = replace(control.deps, state=replace(control.deps.state, counters=Away()))
    client = AsgiClient(create_control_app(deps), root_path="/api")
    body = {"temp_token": ticket, "totp_code": phone.code()}
    assert (await client.call("POST", "/v1/auth/login/2fa", body)).status == 429
    assert (await second_step(control, ticket, phone.code())).status == 200


async def test_a_recovery_code_signs_in_once(control: Any) -> None:
    _, codes = await switch_on(control)
    assert len(set(codes)) == 10
    assert (await log_in(control, codes[3].upper().replace("-", " "))).status == 200
    assert refusal(await log_in(control, codes[3])) == (400, "TOTP_INVALID_CODE")
    assert (await log_in(control, codes[4])).status == 200
    assert (await control.anna("GET", "/user/totp/status")).data["recovery_codes_left"] == 8


async def test_new_recovery_codes_replace_the_old_ones(control: Any) -> None:
    _, old = await switch_on(control)
    new = (await control.anna("POST", "/user/totp/recovery-codes", PROOF)).data["recovery_codes"]
    assert len(set(new) - set(old)) == 10
    assert refusal(await log_in(control, old[0])) == (400, "TOTP_INVALID_CODE")
    assert (await log_in(control, new[0])).status == 200


async def test_the_database_holds_neither_secret_nor_codes(control: Any) -> None:
    setup = (await control.anna("POST", "/user/totp/setup", PROOF)).data
    body = {"totp_code": Phone(control, setup["secret"]).code(), "setup_token": setup["setup_token"]}
    codes = (await control.anna("POST", "/user/totp/enable", body)).data["recovery_codes"]
    async with control.deps.uow() as uow:
        user = await uow.session.get(UserRow, control.anna.user_id)
        hashes = [row.code_hash for row in await uow.session.scalars(select(RecoveryCodeRow))]
    assert user is not None
    assert user.totp_secret_sealed is not None
    assert setup["secret"].encode() not in user.totp_secret_sealed
    assert not any(code.replace("-", "").encode() in digest for code in codes for digest in hashes)
    with pytest.raises(SealBroken):
        control.deps.vault.unseal(user.totp_secret_sealed, context=f"user.totp:{control.ben.user_id}")


async def test_a_secret_that_cannot_be_opened_lets_nobody_in(control: Any) -> None:
    phone, _ = await switch_on(control)
    async with control.deps.uow() as uow:
        user = await uow.session.get(UserRow, control.anna.user_id)
        user.totp_secret_sealed = control.deps.vault.seal(b"x", context="user.totp:999")
    assert refusal(await log_in(control, phone.code())) == (503, "TOTP_VERIFY_ERROR")


async def test_it_can_be_switched_off_and_on_again(control: Any) -> None:
    _, codes = await switch_on(control)
    assert (await control.anna("POST", "/user/totp/disable", PROOF)).data == {"success": True}
    assert "access_token" in (await first_step(control)).data
    assert refusal(await control.anna("POST", "/user/totp/disable", PROOF)) == (400, "TOTP_NOT_SETUP")
    control.clock.advance(61)
    phone, _ = await switch_on(control)
    assert refusal(await log_in(control, codes[0])) == (400, "TOTP_INVALID_CODE")
    assert (await log_in(control, phone.code())).status == 200


async def test_an_administrator_helps_who_lost_the_phone(control: Any) -> None:
    phone, _ = await switch_on(control)
    pair = (await log_in(control, phone.code())).data
    path = f"/admin/users/{control.anna.user_id}/totp"
    assert (await control.admin("GET", f"/admin/users/{control.anna.user_id}")).data["totp_enabled"] is True
    assert (await control.admin("DELETE", path)).data == {"message": "two-factor login removed"}
    headers = {"authorization": f"Bearer {pair['access_token']}"}
    assert (await control.nobody("GET", "/auth/me", headers=headers)).json["code"] == "TOKEN_REVOKED"
    assert "access_token" in (await first_step(control)).data
    assert refusal(await control.admin("DELETE", path)) == (400, "TOTP_NOT_SETUP")
    assert refusal(await control.admin("DELETE", "/admin/users/999/totp")) == (404, "USER_NOT_FOUND")


async def test_the_command_line_helps_an_administrator(control: Any) -> None:
    await switch_on(control)
    await UserCommands(control.deps).remove_second_factor("anna@example.com")
    assert "access_token" in (await first_step(control)).data


async def test_switching_the_feature_off_stops_set_ups_and_weakens_nobody(control: Any) -> None:
    phone, _ = await switch_on(control)
    await control.admin("PUT", "/admin/settings", {"totp_enabled": False})
    assert (await control.nobody("GET", "/settings/public")).data["totp_enabled"] is False
    assert refusal(await control.ben("POST", "/user/totp/setup", PROOF)) == (400, "TOTP_NOT_ENABLED")
    assert (await first_step(control)).data["requires_2fa"] is True
    assert (await log_in(control, phone.code())).status == 200
    assert (await control.anna("POST", "/user/totp/disable", PROOF)).status == 200


def test_a_ticket_says_nothing_and_serves_one_purpose(control: Any) -> None:
    ticket = tickets.issue(control.deps.vault, tickets.SETUP, {"secret": "canary"}, now_s=0)
    assert tickets.read(control.deps.vault, tickets.SETUP, ticket, now_s=299) is not None
    assert tickets.read(control.deps.vault, tickets.LOGIN, ticket, now_s=0) is None
    assert "canary" not in ticket
