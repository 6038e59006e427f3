"""A promo code's bonus: once a user, never more often than it may (spec 7.11)."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.control.promos.conftest import ADMIN


async def test_the_bonus_is_a_ledger_line_and_is_counted(promos: Any, control: Any) -> None:
    promo = await promos.create(bonus_amount=0.1)
    control.bounds.clear()
    assert await promos.apply(control.anna.user_id, " welcome ") == "applied"
    assert await promos.balance(control.anna.user_id) == 0.1
    assert (await promos.get(promo["id"]))["used_count"] == 1
    assert control.bounds == [f"user:{control.anna.user_id}:balance"]
    page = (await control.admin("GET", f"{ADMIN}/{promo['id']}/usages")).data
    (usage,) = page["items"]
    assert (usage["user_id"], usage["bonus_amount"], usage["user"]["email"]) == (
        control.anna.user_id, 0.1, "anna@example.com",
    )  # fmt: skip
    report = await promos.ledger()
    assert (report.is_sound, report.entries) == (True, 1)


async def test_a_user_has_it_once(promos: Any, control: Any) -> None:
    promo = await promos.create()
    assert await promos.apply(control.anna.user_id) == "applied"
    assert await promos.apply(control.anna.user_id) == "PROMO_CODE_ALREADY_USED"
    assert await promos.apply(control.ben.user_id) == "applied"
    assert (await promos.get(promo["id"]))["used_count"] == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"status": "disabled"}, "PROMO_CODE_DISABLED"), ({"max_uses": 1}, "PROMO_CODE_MAX_USED")],
)
async def test_a_code_that_does_not_work_says_why(
    promos: Any, control: Any, fields: Any, reason: str
) -> None:
    await promos.create(**fields)
    await promos.apply(control.ben.user_id)
    assert await promos.apply(control.anna.user_id) == reason
    assert (await promos.validate())["error_code"] == reason
    assert await promos.balance(control.anna.user_id) == 0


async def test_a_code_ends_at_its_instant(promos: Any, control: Any) -> None:
    await promos.create(expires_at=control.clock.now_ms() // 1000 + 60)
    control.clock.advance(59)
    assert (await promos.validate())["valid"] is True
    control.clock.advance(1)
    assert await promos.apply(control.anna.user_id) == "PROMO_CODE_EXPIRED"
    assert (await promos.validate())["error_code"] == "PROMO_CODE_EXPIRED"


async def test_a_code_without_a_bonus_counts_and_books_nothing(promos: Any, control: Any) -> None:
    promo = await promos.create(bonus_amount=0)
    assert await promos.apply(control.anna.user_id) == "applied"
    assert (await promos.get(promo["id"]))["used_count"] == 1
    assert (await promos.ledger()).entries == 0


@pytest.mark.parametrize(
    ("code", "reason"), [("NOBODY", "PROMO_CODE_NOT_FOUND"), ("two words", "PROMO_CODE_INVALID")]
)
async def test_what_is_no_code_is_refused(promos: Any, control: Any, code: str, reason: str) -> None:
    assert await promos.apply(control.anna.user_id, code) == reason
    assert await promos.apply(4711) == "USER_NOT_FOUND"


async def test_a_balance_never_overflows_and_nothing_is_counted(promos: Any, control: Any) -> None:
    made = [await promos.create(code=f"P{number}", bonus_amount=1_000_000_000) for number in range(5)]
    outcomes = [await promos.apply(control.anna.user_id, promo["code"]) for promo in made]
    assert outcomes == ["applied"] * 4 + ["INVALID_INPUT"]
    assert (await promos.get(made[-1]["id"]))["used_count"] == 0


async def test_a_new_code_in_the_place_of_a_deleted_one_works(promos: Any, control: Any) -> None:
    """SQLite gives ids out again: the ledger must not take the new bonus for the old one."""
    first = await promos.create()
    await promos.apply(control.anna.user_id)
    await control.admin("DELETE", f"{ADMIN}/{first['id']}")
    control.clock.advance(1)
    await promos.create()
    assert await promos.apply(control.anna.user_id) == "applied"
    assert await promos.balance(control.anna.user_id) == 10
    assert (await promos.ledger()).is_sound


async def test_two_hundred_at_once_never_exceed_the_number_of_uses(promos: Any, control: Any) -> None:
    users = [await control.add_user(f"user{number}@example.com") for number in range(200)]
    promo = await promos.create(max_uses=10)
    outcomes = await asyncio.gather(*(promos.apply(user.user_id) for user in users))
    assert Counter(outcomes) == {"applied": 10, "PROMO_CODE_MAX_USED": 190}
    assert (await promos.get(promo["id"]))["used_count"] == 10
    assert sum([await promos.balance(user.user_id) for user in users]) == 50
    report = await promos.ledger()
    assert (report.is_sound, report.entries) == (True, 10)


async def test_one_user_fifty_times_at_once_has_it_once(promos: Any, control: Any) -> None:
    promo = await promos.create()
    outcomes = await asyncio.gather(*(promos.apply(control.anna.user_id) for _ in range(50)))
    assert Counter(outcomes) == {"applied": 1, "PROMO_CODE_ALREADY_USED": 49}
    assert (await promos.get(promo["id"]))["used_count"] == 1
    assert await promos.balance(control.anna.user_id) == 5


async def test_an_administrator_creates_a_user_with_a_code(promos: Any, control: Any) -> None:
    promo = await promos.create()
    body = {"email": "new@example.com", "password": "secret123", "balance": 1, "promo_code": "welcome"}
    assert (await control.admin("POST", "/admin/users", body)).data["balance"] == 6
    bad = body | {"email": "other@example.com", "promo_code": "NOBODY"}
    answer = await control.admin("POST", "/admin/users", bad)
    assert (answer.status, answer.json["reason"]) == (404, "PROMO_CODE_NOT_FOUND")
    found = (await control.admin("GET", "/admin/users", query={"search": "other@"})).data
    assert found["total"] == 0
    assert (await promos.get(promo["id"]))["used_count"] == 1
