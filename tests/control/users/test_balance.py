"""Balances move once, in the ledger, and are announced (spec 7.15, 8.2; DESIGN 5)."""

import asyncio

import pytest

from headgate.storage.ledger import adjust_balance, verify
from headgate.storage.unit_of_work import UnitOfWork


async def change(control, operation, amount, *, key=None, notes="", user=None):
    headers = {"Idempotency-Key": key} if key else {}
    body = {"balance": amount, "operation": operation, "notes": notes}
    path = f"/admin/users/{user or control.anna.user_id}/balance"
    return await control.admin("POST", path, body, headers=headers)


async def test_set_add_and_subtract(control):
    assert (await change(control, "add", 10.5)).data["balance"] == 10.5
    assert (await change(control, "subtract", 0.25)).data["balance"] == 10.25
    assert (await change(control, "set", 3)).data["balance"] == 3
    assert (await change(control, "set", 0)).data["balance"] == 0


async def test_the_ledger_agrees(control, engine):
    await change(control, "add", 0.1)
    await change(control, "add", 0.2)
    await change(control, "set", 0.05)
    report = await verify(engine)
    assert (report.mismatches, report.entries) == ((), 3)


async def test_a_balance_never_goes_below_zero(control, engine):
    await change(control, "add", 1)
    answer = await change(control, "subtract", 1.000000001)
    assert (answer.status, answer.json["reason"]) == (400, "INSUFFICIENT_BALANCE")
    assert (await verify(engine)).entries == 1


@pytest.mark.parametrize("amount", [0, -1, 1e300, "NaN", None])
async def test_an_amount_that_is_none_is_refused(control, amount):
    answer = await change(control, "add", amount)
    assert answer.status == 400


async def test_an_idempotency_key_moves_money_once(control):
    first = await change(control, "add", 5, key="order-1")
    second = await change(control, "add", 5, key="order-1")
    assert (first.data["balance"], second.data["balance"]) == (5, 5)
    assert "x-idempotency-replayed" not in first.headers
    assert second.headers["x-idempotency-replayed"] == "true"


@pytest.mark.parametrize("other", [{"amount": 6}, {"operation": "set"}, {"notes": "else"}])
async def test_an_idempotency_key_belongs_to_one_request(control, other):
    await change(control, "add", 5, key="order-1")
    answer = await change(control, **({"operation": "add", "amount": 5, "key": "order-1"} | other))
    assert (answer.status, answer.json["reason"]) == (409, "IDEMPOTENCY_KEY_CONFLICT")


async def test_an_idempotency_key_for_another_user_is_a_conflict(control):
    await change(control, "add", 5, key="order-1")
    answer = await change(control, "add", 5, key="order-1", user=control.ben.user_id)
    assert answer.json["reason"] == "IDEMPOTENCY_KEY_CONFLICT"


async def test_twenty_at_once_with_one_key_move_money_once(control, engine):
    answers = await asyncio.gather(*(change(control, "add", 5, key="order-1") for _ in range(20)))
    assert {answer.status for answer in answers} <= {200, 409}
    data = (await control.admin("GET", f"/admin/users/{control.anna.user_id}")).data
    assert data["balance"] == 5
    assert (await verify(engine)).is_sound


async def test_twenty_at_once_without_a_key_all_count(control, engine):
    answers = await asyncio.gather(*(change(control, "add", 1) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    data = (await control.admin("GET", f"/admin/users/{control.anna.user_id}")).data
    assert data["balance"] == 20
    assert (await verify(engine)).is_sound


async def test_reservations_hear_of_it_only_when_it_happened(control):
    control.bounds.clear()
    await change(control, "subtract", 5)
    assert control.bounds == []
    await change(control, "add", 5)
    assert control.bounds == [f"user:{control.anna.user_id}:balance"]


async def test_the_history_shows_signed_adjustments_newest_first(control):
    await change(control, "add", 10, notes="gift")
    await change(control, "subtract", 4)
    await change(control, "add", 1, user=control.ben.user_id)
    data = (await control.admin("GET", f"/admin/users/{control.anna.user_id}/balance-history")).data
    assert [(item["value"], item["notes"]) for item in data["items"]] == [(-4, ""), (10, "gift")]
    assert (data["total"], data["total_recharged"]) == (2, 10)
    assert {item["actor_id"] for item in data["items"]} == {control.admin.user_id}


async def test_the_balance_of_nobody_cannot_be_changed(control):
    answer = await change(control, "add", 5, user=4711)
    assert (answer.status, answer.json["reason"]) == (404, "USER_NOT_FOUND")


async def test_less_than_what_is_owed_can_be_added(control, sessions):
    async with UnitOfWork(sessions) as uow:
        await adjust_balance(
            uow.session, user_id=control.anna.user_id, delta_nano=-10 * 10**9, note="overdrawn",
            actor_id=None, operation_id="overdrawn", now_ms=1,
        )  # fmt: skip
    answer = await change(control, "add", 4)
    assert (answer.status, answer.data["balance"]) == (200, -6)
