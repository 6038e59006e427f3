"""Many at once: one code pays once, whoever comes first (real connections on both databases)."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from headgate.control.codes.redeeming import Redeeming
from headgate.control.users.repository import UserRepository
from headgate.control.work import Actor, open_work
from headgate.errors import ApiError
from headgate.storage.models import RedeemCodeRow

CONCURRENT = 1000


async def attempt(control: Any, user_id: int, code: str, seen: RedeemCodeRow | None = None) -> str:
    """One redemption in a transaction of its own; with `seen` it has looked at the code already."""
    actor = Actor(user_id=user_id, email="", role="user", via="token")
    try:
        async with open_work(control.deps, actor) as work:
            if seen is None:
                await Redeeming(work).redeem(user_id, code)
            else:
                await Redeeming(work)._use(seen, await UserRepository(work.session).locked(user_id))
    except ApiError as error:
        return error.reason
    return "redeemed"


async def test_a_thousand_redemptions_of_one_code_credit_once(codes: Any, control: Any) -> None:
    users = [await control.add_user(f"user{number}@example.com") for number in range(10)]
    code = await codes.one(value=7)
    outcomes = await asyncio.gather(
        *(attempt(control, users[number % 10].user_id, code) for number in range(CONCURRENT))
    )
    assert Counter(outcomes) == {"redeemed": 1, "REDEEM_CODE_USED": CONCURRENT - 1}
    assert sum([await codes.balance(user) for user in users]) == 7
    report = await codes.ledger()
    assert (report.is_sound, report.entries) == (True, 1)


async def test_hundreds_who_all_saw_the_code_unused_credit_once(codes: Any, control: Any) -> None:
    users = [await control.add_user(f"user{number}@example.com") for number in range(10)]
    code = await codes.one(value=7)
    (seen,) = await codes.rows()
    outcomes = await asyncio.gather(
        *(attempt(control, users[number % 10].user_id, code, seen) for number in range(300))
    )
    assert Counter(outcomes) == {"redeemed": 1, "REDEEM_CODE_USED": 299}
    assert sum([await codes.balance(user) for user in users]) == 7
    assert (await codes.ledger()).entries == 1


async def test_many_at_once_over_http_credit_once(codes: Any, control: Any) -> None:
    users = [await control.add_user(f"user{number}@example.com") for number in range(20)]
    code = await codes.one(value=7)
    answers = await asyncio.gather(*(codes.redeem(code, users[number % 20]) for number in range(100)))
    statuses = Counter(answer.status for answer in answers)
    assert statuses[200] == 1
    assert set(statuses) <= {200, 409, 503}
    assert sum([await codes.balance(user) for user in users]) == 7
    assert (await codes.ledger()).entries == 1


@pytest.mark.parametrize("same_user", [True, False])
async def test_a_sale_made_fifty_times_at_once_pays_once(codes: Any, control: Any, same_user: bool) -> None:
    buyers = [control.anna, control.anna if same_user else control.ben]
    answers = await asyncio.gather(
        *(codes.sell(code="s2p_1", user_id=buyers[number % 2].user_id) for number in range(50))
    )
    statuses = Counter(answer.status for answer in answers)
    assert statuses[200] == (50 if same_user else 25)
    assert set(statuses) <= {200, 409}
    assert await codes.balance(control.anna) + await codes.balance(control.ben) == 10
    report = await codes.ledger()
    assert (report.is_sound, report.entries) == (True, 1)


async def test_a_deletion_and_a_redemption_at_once_have_one_winner(codes: Any, control: Any) -> None:
    made = await codes.generate(count=10, value=1)
    ids = [code["id"] for code in made]
    redeemed, deleted = await asyncio.gather(
        asyncio.gather(*(codes.redeem(code["code"]) for code in made)),
        asyncio.gather(*(control.admin("DELETE", f"/admin/redeem-codes/{id_}") for id_ in ids)),
    )
    for one, other in zip(redeemed, deleted, strict=True):
        assert {one.status, other.status} in ({200, 409}, {404, 200}), (one.body, other.body)
    paid = sum(answer.status == 200 for answer in redeemed)
    assert await codes.balance() == paid
    assert len(await codes.rows()) == paid
