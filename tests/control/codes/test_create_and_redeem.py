"""A payment front-end sells (spec 11.2): one transaction, safe to repeat with or without a key."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from headgate.control.app import create_control_app
from headgate.settings import IdempotencySettings
from headgate.storage.models import LedgerEntryRow
from headgate.storage.unit_of_work import UnitOfWork
from tests.control.codes.conftest import refusal
from tests.support.asgi import AsgiClient


async def test_money_arrives_and_the_answer_shows_the_code(codes: Any, control: Any) -> None:
    answer = await codes.sell(value=12.34, notes="order 1")
    shown = answer.data["redeem_code"]
    assert answer.status == 200
    assert (shown["code"], shown["type"], shown["value"], shown["status"], shown["notes"]) == (
        "s2p_1", "balance", 12.34, "used", "order 1",
    )  # fmt: skip
    assert (shown["used_by"], shown["user"]["email"]) == (control.anna.user_id, "anna@example.com")
    assert shown["actor_id"] == control.admin.user_id
    assert await codes.balance() == 12.34
    assert (await codes.ledger()).is_sound


async def test_a_repetition_without_a_key_is_answered_and_pays_nothing(codes: Any) -> None:
    first, second = await codes.sell(), await codes.sell()
    assert (second.status, second.data) == (200, first.data)
    assert await codes.balance() == 10


async def test_a_repetition_with_the_key_has_the_same_bytes(codes: Any, control: Any) -> None:
    first = await codes.sell(key="pay-1-success")
    control.clock.advance(600)
    second = await codes.sell(key="pay-1-success")
    assert (second.status, second.body) == (200, first.body)
    assert second.headers["x-idempotency-replayed"] == "true"
    third = await codes.sell(key="pay-1-retry")
    assert (third.status, third.data) == (200, first.data)
    assert "x-idempotency-replayed" not in third.headers
    assert await codes.balance() == 10


async def test_the_key_belongs_to_one_request(codes: Any) -> None:
    await codes.sell(key="k")
    assert refusal(await codes.sell(key="k", code="s2p_2")) == (409, "IDEMPOTENCY_KEY_CONFLICT")
    assert await codes.balance() == 10


async def test_a_code_that_somebody_else_used_is_a_conflict(codes: Any, control: Any) -> None:
    await codes.sell()
    assert refusal(await codes.sell(user_id=control.ben.user_id)) == (409, "REDEEM_CODE_CONFLICT")
    assert (await codes.balance(), await codes.balance(control.ben)) == (10, 0)


async def test_an_unused_code_is_redeemed_now(codes: Any) -> None:
    code = await codes.one(value=10)
    assert (await codes.sell(code=code)).data["redeem_code"]["status"] == "used"
    assert await codes.balance() == 10
    assert len(await codes.rows()) == 1


@pytest.mark.parametrize("other", [{"value": 11}, {"type": "concurrency"}])
async def test_an_unused_code_that_gives_something_else_is_a_conflict(codes: Any, other: Any) -> None:
    code = await codes.one(value=10)
    assert refusal(await codes.sell(code=code, **other)) == (409, "REDEEM_CODE_CONFLICT")
    assert [row.status for row in await codes.rows()] == ["unused"]
    assert await codes.balance() == 0


async def test_an_expired_code_is_not_sold(codes: Any, control: Any) -> None:
    code = await codes.one(expires_at=control.clock.now_ms() // 1000 + 5)
    control.clock.advance(5)
    assert refusal(await codes.sell(code=code)) == (409, "REDEEM_CODE_USED")


async def test_slots_and_subscriptions_are_sold_too(codes: Any, control: Any) -> None:
    before = (await codes.user()).concurrency
    await codes.sell(code="slots", type="concurrency", value=2)
    assert (await codes.user()).concurrency == before + 2
    group = await control.add_group("gold", subscription_type="subscription")
    sold = await codes.sell(code="months", type="subscription", group_id=group, validity_days=90)
    assert sold.data["redeem_code"]["group"]["name"] == "gold"
    (subscription,) = await codes.subscriptions()
    assert subscription.expires_at - subscription.starts_at == timedelta(days=90)
    await codes.sell(code="months", type="subscription", group_id=group, validity_days=90)
    (subscription,) = await codes.subscriptions()
    assert subscription.expires_at - subscription.starts_at == timedelta(days=90)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"user_id": 4711}, (404, "USER_NOT_FOUND")),
        ({"type": "invitation"}, (400, "REDEEM_CODE_INVALID")),
        ({"type": "subscription", "group_id": 4711, "validity_days": 30}, (404, "GROUP_NOT_FOUND")),
        ({"type": "subscription", "group_id": 1}, (400, "INVALID_INPUT")),
        ({"type": "subscription", "validity_days": 5}, (400, "INVALID_GROUP_ID")),
        ({"type": "concurrency", "value": 0.5}, (400, "INVALID_INPUT")),
        ({"type": "admin_balance"}, (400, "VALIDATION_ERROR")),
        ({"value": 1e-12}, (400, "INVALID_INPUT")),
        ({"value": 0}, (400, "VALIDATION_ERROR")),
        ({"value": -5}, (400, "VALIDATION_ERROR")),
        ({"value": 1e300}, (400, "VALIDATION_ERROR")),
        ({"value": "10"}, (400, "VALIDATION_ERROR")),
        ({"value": True}, (400, "VALIDATION_ERROR")),
        ({"value": None}, (400, "VALIDATION_ERROR")),
        ({"value": float("nan")}, (400, "VALIDATION_ERROR")),
        ({"value": float("inf")}, (400, "VALIDATION_ERROR")),
        ({"user_id": "1"}, (400, "VALIDATION_ERROR")),
        ({"user_id": 0}, (400, "VALIDATION_ERROR")),
        ({"user_id": 2**70}, (400, "VALIDATION_ERROR")),
        ({"code": "ab"}, (400, "REDEEM_CODE_INVALID")),
        ({"code": "x" * 129}, (400, "REDEEM_CODE_INVALID")),
        ({"code": "zero\u200bwidth"}, (400, "REDEEM_CODE_INVALID")),
        ({"code": None}, (400, "VALIDATION_ERROR")),
        ({"code": 12345}, (400, "VALIDATION_ERROR")),
        ({"notes": "x" * 20_000}, (400, "VALIDATION_ERROR")),
    ],
)
async def test_what_cannot_be_sold_leaves_nothing_behind(codes: Any, fields: Any, expected: Any) -> None:
    assert refusal(await codes.sell(**fields)) == expected
    assert await codes.rows() == []
    assert await codes.balance() == 0


async def test_a_group_paid_from_the_balance_has_no_subscriptions(codes: Any, control: Any) -> None:
    group = await control.add_group("standard")
    answer = await codes.sell(type="subscription", group_id=group, validity_days=5)
    assert refusal(answer) == (400, "GROUP_NOT_SUBSCRIPTION_TYPE")
    assert await codes.rows() == []


@pytest.mark.parametrize("code", ["x" * 128, "abc", "=1+1", "a'b\"c\\d", "100% <b>", "order 7"])
async def test_long_and_odd_codes_are_kept_exactly(codes: Any, code: str) -> None:
    assert (await codes.sell(code=f" {code} ")).data["redeem_code"]["code"] == code
    assert (await codes.sell(code=code)).data["redeem_code"]["code"] == code
    assert await codes.balance() == 10


class DyingUnitOfWork(UnitOfWork):
    """The database goes away at the commit of a transaction that wrote money."""

    is_dying = True

    async def commit(self) -> None:
        entries = await self.session.scalar(select(func.count()).select_from(LedgerEntryRow))
        if type(self).is_dying and entries:
            await self.rollback()
            raise OperationalError("COMMIT", {}, Exception("gone"))
        await super().commit()


async def test_a_failed_commit_leaves_neither_code_nor_money_and_the_retry_pays_once(
    codes: Any, control: Any, sessions: Any
) -> None:
    DyingUnitOfWork.is_dying = True
    deps = dataclasses.replace(control.deps, uow=lambda: DyingUnitOfWork(sessions))
    control.admin.client = AsgiClient(create_control_app(deps), root_path="/api")
    assert (await codes.sell(key="k")).status == 503
    assert (await codes.rows(), await codes.balance()) == ([], 0)
    DyingUnitOfWork.is_dying = False
    assert refusal(await codes.sell(key="k")) == (409, "IDEMPOTENCY_RETRY_BACKOFF")
    assert (await codes.sell(key="fresh")).status == 200
    control.clock.advance(5)
    assert (await codes.sell(key="k")).status == 200
    assert await codes.balance() == 10
    assert (await codes.ledger()).is_sound


async def test_a_key_can_be_demanded(codes: Any, control: Any, make_deps: Any) -> None:
    deps = make_deps(control.tester, [], idempotency=IdempotencySettings(observe_only=False))
    control.admin.client = AsgiClient(create_control_app(deps), root_path="/api")
    assert refusal(await codes.sell()) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    assert (await codes.sell(key="k")).status == 200


async def test_users_cannot_sell_to_themselves(codes: Any, control: Any) -> None:
    body = {"code": "s2p_1", "value": 10, "user_id": control.anna.user_id}
    answer = await control.anna("POST", "/admin/redeem-codes/create-and-redeem", body)
    assert answer.status == 403
