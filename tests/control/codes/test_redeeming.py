"""Users redeem codes (spec 7.11)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headgate.control.app import create_control_app
from headgate.kit.clock import FakeClock
from headgate.state.memory.counters import MemoryCounters
from headgate.state.protocols import StateUnavailable
from tests.control.codes.conftest import refusal
from tests.support.asgi import AsgiClient


async def test_a_balance_code_raises_the_balance_through_the_ledger(codes: Any, control: Any) -> None:
    code = await codes.one(value=0.1)
    control.bounds.clear()
    shown = (await codes.redeem(f" {code} ")).data
    assert (shown["code"], shown["status"], shown["value"]) == (code, "used", 0.1)
    assert shown["used_by"] == control.anna.user_id
    assert "notes" not in shown
    assert await codes.balance() == 0.1
    assert control.bounds == [f"user:{control.anna.user_id}:balance"]
    report = await codes.ledger()
    assert (report.is_sound, report.entries) == (True, 1)


async def test_a_code_works_once(codes: Any, control: Any) -> None:
    code = await codes.one()
    await codes.redeem(code)
    again, other = await codes.redeem(code), await codes.redeem(code, control.ben)
    assert refusal(again) == refusal(other) == (409, "REDEEM_CODE_USED")
    assert again.json["message"] != other.json["message"]
    assert (await codes.balance(), await codes.balance(control.ben)) == (10, 0)


async def test_a_negative_code_may_take_the_balance_below_zero(codes: Any) -> None:
    code = await codes.one(value=3)
    await codes.change(code, value_nano=-3 * 10**9)
    assert (await codes.redeem(code)).data["value"] == -3
    assert await codes.balance() == -3
    assert (await codes.ledger()).is_sound


async def test_a_balance_never_overflows_and_the_code_stays(codes: Any) -> None:
    for _ in range(4):
        assert (await codes.redeem(await codes.one(value=1_000_000_000))).status == 200
    code = await codes.one(value=1_000_000_000)
    assert refusal(await codes.redeem(code)) == (400, "INVALID_INPUT")
    assert (await codes.rows())[-1].status == "unused"
    assert await codes.balance() == 4_000_000_000
    assert (await codes.ledger()).is_sound


async def test_a_concurrency_code_gives_slots(codes: Any) -> None:
    before = (await codes.user()).concurrency
    await codes.redeem(await codes.one(type="concurrency", value=3))
    assert (await codes.user()).concurrency == before + 3
    assert (await codes.ledger()).entries == 0


@pytest.mark.parametrize(
    ("present", "slots", "after"), [(0, 3, 0), (-1, 3, -1), (5, -3, 2), (5, -5, 1), (5, -50, 1)]
)
async def test_unlimited_stays_and_nobody_becomes_unlimited_by_a_loss(
    codes: Any, present: int, slots: int, after: int
) -> None:
    await codes.change_user(concurrency=present)
    code = await codes.one(type="concurrency", value=3)
    await codes.change(code, value_nano=slots * 10**9)
    assert (await codes.redeem(code)).status == 200
    assert (await codes.user()).concurrency == after


async def test_concurrency_has_an_end_and_the_code_stays(codes: Any) -> None:
    await codes.change_user(concurrency=999_999)
    assert refusal(await codes.redeem(await codes.one(type="concurrency", value=2)))[0] == 400
    assert [row.status for row in await codes.rows()] == ["unused"]


async def test_a_subscription_code_gives_and_extends_a_subscription(codes: Any, control: Any) -> None:
    group = await control.add_group("gold", subscription_type="subscription")
    first, second = await codes.generate(
        count=2, type="subscription", value=0, group_id=group, validity_days=10
    )
    shown = (await codes.redeem(first["code"])).data
    assert (shown["group_id"], shown["validity_days"], shown["group"]["name"]) == (group, 10, "gold")
    await codes.redeem(second["code"])
    (subscription,) = await codes.subscriptions()
    assert subscription.expires_at - subscription.starts_at == timedelta(days=20)


async def test_a_code_of_a_group_that_is_gone_stays(codes: Any, control: Any) -> None:
    group = await control.add_group("gold", subscription_type="subscription")
    code = await codes.one(type="subscription", value=0, group_id=group)
    await control.admin("DELETE", f"/admin/groups/{group}")
    assert refusal(await codes.redeem(code)) == (404, "GROUP_NOT_FOUND")
    assert [row.status for row in await codes.rows()] == ["unused"]


async def test_an_invitation_is_not_redeemed_here_and_stays(codes: Any) -> None:
    code = await codes.one(type="invitation", value=0)
    assert refusal(await codes.redeem(code)) == (400, "REDEEM_CODE_INVALID")
    assert [row.status for row in await codes.rows()] == ["unused"]


async def test_a_code_past_its_end_or_made_void_counts_as_used(codes: Any, control: Any) -> None:
    soon = control.clock.now_ms() // 1000 + 60
    dated, void = await codes.one(expires_at=soon), (await codes.generate())[0]
    await control.admin("POST", f"/admin/redeem-codes/{void['id']}/expire")
    control.clock.advance(60)
    assert refusal(await codes.redeem(dated)) == (409, "REDEEM_CODE_USED")
    assert refusal(await codes.redeem(void["code"])) == (409, "REDEEM_CODE_USED")
    assert await codes.balance() == 0


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("0" * 32, 404, "REDEEM_CODE_NOT_FOUND"),
        ("ab", 400, "REDEEM_CODE_INVALID"),
        ("x" * 129, 400, "REDEEM_CODE_INVALID"),
        ("код-на-пиво", 400, "REDEEM_CODE_INVALID"),
        ("a\u0000bc", 400, "VALIDATION_ERROR"),
        ("' OR 1=1 --", 404, "REDEEM_CODE_NOT_FOUND"),
        ("%", 400, "REDEEM_CODE_INVALID"),
        (7, 400, "VALIDATION_ERROR"),
        (None, 400, "VALIDATION_ERROR"),
        (["abc"], 400, "VALIDATION_ERROR"),
        ("x" * 2000, 400, "VALIDATION_ERROR"),
    ],
)
async def test_what_is_no_code_is_refused(codes: Any, code: Any, status: int, reason: str) -> None:
    assert refusal(await codes.redeem(code)) == (status, reason)


async def test_codes_differ_by_case(codes: Any) -> None:
    await codes.sell(code="Order-A", user_id=codes.control.ben.user_id)
    assert refusal(await codes.redeem("order-a")) == (404, "REDEEM_CODE_NOT_FOUND")


async def test_guessing_is_stopped_after_twenty_failures_for_the_rest_of_the_hour(
    codes: Any, control: Any
) -> None:
    code, late = [made["code"] for made in await codes.generate(count=2)]
    for number in range(20):
        assert (await codes.redeem(f"guess-{number}")).status == 404
    assert refusal(await codes.redeem(code)) == (429, "REDEEM_RATE_LIMITED")
    assert (await codes.redeem(code, control.ben)).status == 200
    control.clock.advance(3600)
    control.anna.headers = control.caller(await codes.user()).headers
    assert (await codes.redeem(late)).status == 200


async def test_codes_that_work_are_not_counted(codes: Any) -> None:
    for code in await codes.generate(count=25):
        assert (await codes.redeem(code["code"])).status == 200


async def test_the_history_has_the_last_25_with_adjustments(codes: Any, control: Any) -> None:
    for code in await codes.generate(count=25):
        await codes.redeem(code["code"])
    control.clock.advance(1)
    path = f"/admin/users/{control.anna.user_id}"
    await control.admin("POST", f"{path}/balance", {"balance": 4, "operation": "subtract", "notes": "secret"})
    await codes.redeem(await codes.one(), control.ben)
    items = (await control.anna("GET", "/redeem/history")).data
    assert len(items) == 25
    assert (items[0]["type"], items[0]["value"], items[0]["status"]) == ("admin_balance", -4, "used")
    assert "secret" not in str(items)
    assert {item["used_by"] for item in items} == {control.anna.user_id}


class LostCounters(MemoryCounters):
    """A store that is away: always, or only when something is taken back."""

    def __init__(self, clock: FakeClock, *, is_away: Callable[[int], bool]) -> None:
        super().__init__(clock)
        self._is_away = is_away

    async def add(self, name: str, amount: int, *, window_s: int) -> int:
        if self._is_away(amount):
            raise StateUnavailable("away")
        return await super().add(name, amount, window_s=window_s)


def with_counters(control: Any, is_away: Callable[[int], bool]) -> None:
    """Anna's calls go to a gateway with these counters."""
    counters = LostCounters(control.clock, is_away=is_away)
    deps = replace(control.deps, state=replace(control.deps.state, counters=counters))
    control.anna.client = AsgiClient(create_control_app(deps), root_path="/api")


async def test_while_attempts_cannot_be_counted_nobody_redeems(codes: Any, control: Any) -> None:
    code = await codes.one()
    with_counters(control, lambda amount: True)
    assert refusal(await codes.redeem(code)) == (503, "SERVICE_UNAVAILABLE")
    assert [row.status for row in await codes.rows()] == ["unused"]


async def test_a_redemption_stands_when_its_attempt_cannot_be_taken_back(codes: Any, control: Any) -> None:
    code = await codes.one()
    with_counters(control, lambda amount: amount < 0)
    assert (await codes.redeem(code)).status == 200
    assert await codes.balance() == 10
