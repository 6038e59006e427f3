"""A management write under a key happens once and is answered with the same bytes, on both databases."""

import asyncio
import secrets
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.control.app import create_control_app
from headgate.control.idempotency.guard import IdempotencyGuard, IdempotentCall
from headgate.control.idempotency.jobs import delete_expired_records
from headgate.control.idempotency.keys import identify
from headgate.control.users.balance import BalanceService
from headgate.control.users.schemas import BalanceBody
from headgate.control.work import Actor, open_work
from headgate.errors import Conflict
from headgate.settings import IdempotencySettings
from headgate.storage.ledger import verify
from headgate.storage.models import IdempotencyRecordRow, UserRow
from tests.support.asgi import Answer, AsgiClient

ROUTE = "/v1/admin/users/{user_id}/balance"
SCOPE = "admin.users.balance.update"


async def add(control: Any, amount: float = 5, *, key: str | None = "k", caller: Any = None) -> Answer:
    headers = {"Idempotency-Key": key} if key else {}
    path = f"/admin/users/{control.anna.user_id}/balance"
    body = {"balance": amount, "operation": "add"}
    answer: Answer = await (caller or control.admin)("POST", path, body, headers=headers)
    return answer


async def balance(control: Any) -> float:
    async with control.deps.uow() as uow:
        found = await uow.session.scalar(
            select(UserRow.balance_nano).where(UserRow.id == control.anna.user_id)
        )
    return int(found) / 10**9


async def record(control: Any) -> IdempotencyRecordRow:
    async with control.deps.uow() as uow:
        return (await uow.session.scalars(select(IdempotencyRecordRow))).one()


async def claimed(control: Any, *, key: str = "k") -> IdempotentCall:
    """What a gateway does first when `add(control)` reaches it; then it is left alone."""
    identity = identify(
        scope=SCOPE, key=key, method="POST", route=ROUTE, actor_id=control.admin.user_id,
        parameters={"user_id": str(control.anna.user_id)}, body=b'{"balance":5,"operation":"add"}',
    )  # fmt: skip
    call = await IdempotencyGuard(control.deps).claim(identity)
    assert isinstance(call, IdempotentCall)
    return call


async def finish(control: Any, call: IdempotentCall, *, dies: bool = False) -> None:
    """What the gateway does after the claim; it may die right before the commit."""
    actor = Actor(user_id=control.admin.user_id, email="", role="admin", via="token")
    async with call, open_work(control.deps, actor) as work:
        await BalanceService(work).change(control.anna.user_id, BalanceBody(balance=5, operation="add"))
        await call.store(work.session, status=200, body=b"{}")
        if dies:
            raise asyncio.CancelledError


async def test_a_replay_has_the_same_bytes_whatever_happened_since(control: Any) -> None:
    first = await add(control)
    await add(control, 100, key="other")
    control.clock.advance(60)
    second = await add(control)
    assert (second.status, second.body) == (first.status, first.body)
    assert second.headers["content-type"] == first.headers["content-type"]
    assert ("x-idempotency-replayed" in first.headers, second.headers["x-idempotency-replayed"]) == (
        False, "true",
    )  # fmt: skip
    assert await balance(control) == 105


async def test_a_replay_lasts_for_a_day_and_money_does_not_move_again_after_it(
    control: Any, engine: AsyncEngine
) -> None:
    await add(control)
    control.clock.advance(24 * 3600)
    control.admin.headers = control.caller(await user(control, control.admin.user_id)).headers
    late = await add(control)
    assert (late.status, late.headers["x-idempotency-replayed"]) == (200, "true")
    assert await balance(control) == 5
    assert (await verify(engine)).entries == 1


async def user(control: Any, user_id: int) -> UserRow:
    async with control.deps.uow() as uow:
        row = await uow.session.get(UserRow, user_id)
        assert row is not None
        return row


async def test_a_call_in_progress_is_not_begun_again(control: Any) -> None:
    await claimed(control)
    control.clock.advance(10)
    answer = await add(control)
    assert (answer.status, answer.json["reason"]) == (409, "IDEMPOTENCY_IN_PROGRESS")
    assert answer.headers["retry-after"] == "20"
    assert await balance(control) == 0


async def test_what_a_dead_process_left_is_taken_over_after_half_a_minute(control: Any) -> None:
    await claimed(control)
    control.clock.advance(30)
    assert (await add(control)).status == 200
    assert await balance(control) == 5


async def test_a_call_that_outlived_its_lock_is_undone(control: Any, engine: AsyncEngine) -> None:
    """It wakes up after another one took over: its own effect must not stand beside the other's."""
    slow = await claimed(control)
    control.clock.advance(30)
    await add(control)
    with pytest.raises(Conflict) as refused:
        await finish(control, slow)
    assert refused.value.reason == "IDEMPOTENCY_IN_PROGRESS"
    assert await balance(control) == 5
    assert (await verify(engine)).entries == 1


async def test_a_crash_before_the_commit_leaves_neither_effect_nor_answer(
    control: Any, engine: AsyncEngine
) -> None:
    call = await claimed(control)
    with pytest.raises(asyncio.CancelledError):
        await finish(control, call, dies=True)
    assert (await record(control)).status == "processing"
    assert await balance(control) == 0
    control.clock.advance(30)
    assert (await add(control)).data["balance"] == 5
    assert (await verify(engine)).is_sound


async def test_a_failure_is_not_repeated_at_once_and_may_be_after_the_backoff(control: Any) -> None:
    subtract = {"balance": 1, "operation": "subtract"}
    path, headers = f"/admin/users/{control.anna.user_id}/balance", {"Idempotency-Key": "k"}
    first = await control.admin("POST", path, subtract, headers=headers)
    assert first.json["reason"] == "INSUFFICIENT_BALANCE"
    assert (await record(control)).error_reason == "INSUFFICIENT_BALANCE"
    soon = await control.admin("POST", path, subtract, headers=headers)
    assert (soon.status, soon.json["reason"]) == (409, "IDEMPOTENCY_RETRY_BACKOFF")
    assert soon.headers["retry-after"] == "5"
    await add(control, 3, key="another")
    control.clock.advance(5)
    assert (await control.admin("POST", path, subtract, headers=headers)).data["balance"] == 2


@pytest.mark.parametrize("body", [{"balance": -1, "operation": "add"}, {"balance": "x"}, [], None])
async def test_a_body_that_is_no_request_leaves_the_key_free(control: Any, body: Any) -> None:
    path, headers = f"/admin/users/{control.anna.user_id}/balance", {"Idempotency-Key": "k"}
    assert (await control.admin("POST", path, body, headers=headers)).status == 400
    assert (await add(control)).status == 200


async def test_another_administrator_cannot_use_the_key(control: Any) -> None:
    await add(control)
    other = await control.add_user("second@example.com", role="admin")
    answer = await add(control, caller=other)
    assert (answer.status, answer.json["reason"]) == (409, "IDEMPOTENCY_KEY_CONFLICT")


async def test_a_key_is_optional_unless_the_operator_wants_it(make_deps: Any, control: Any) -> None:
    assert (await add(control, key=None)).status == 200
    deps = make_deps(control.tester, [], idempotency=IdempotencySettings(observe_only=False))
    control.admin.client = AsgiClient(create_control_app(deps), root_path="/api")
    answer = await add(control, key=None)
    assert (answer.status, answer.json["reason"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    assert (await add(control)).status == 200


async def test_without_the_store_nothing_is_done(control: Any, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE idempotency_records RENAME TO elsewhere"))
    answer = await add(control)
    assert (answer.status, answer.json["reason"]) == (503, "IDEMPOTENCY_STORE_UNAVAILABLE")
    assert "retry-after" in answer.headers
    assert await balance(control) == 0
    assert (await add(control, key=None)).status == 200


async def test_an_answer_that_cannot_be_opened_is_not_guessed(control: Any, engine: AsyncEngine) -> None:
    await add(control)
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE idempotency_records SET response_body = :body"), {"body": b"\x01other key" * 20}
        )
    answer = await add(control)
    assert (answer.status, answer.json["reason"]) == (503, "IDEMPOTENCY_STORE_UNAVAILABLE")
    assert await balance(control) == 5


async def test_an_answer_too_large_to_keep_is_refused_and_not_made_again(
    make_deps: Any, control: Any
) -> None:
    deps = make_deps(control.tester, [], idempotency=IdempotencySettings(max_answer_bytes=1024))
    call = await claimed(control)
    large = IdempotentCall(deps, call._claim)
    async with large, open_work(deps, None) as work:
        await large.store(work.session, status=200, body=secrets.token_bytes(2000))
    answer = await add(control)
    assert (answer.status, answer.json["reason"]) == (409, "IDEMPOTENCY_ANSWER_TOO_LARGE")


async def test_a_secret_in_an_answer_is_kept_sealed(control: Any) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await control.anna("POST", "/keys", {"name": "k"}, headers=headers)
    second = await control.anna("POST", "/keys", {"name": "k"}, headers=headers)
    assert (first.status, second.status, first.body) == (201, 201, second.body)
    kept = (await record(control)).response_body
    assert kept is not None
    assert first.data["key"].encode() not in kept
    assert first.data["key"] not in repr(kept)


async def test_twenty_at_once_do_it_once_and_say_the_same(control: Any, engine: AsyncEngine) -> None:
    answers = await asyncio.gather(*(add(control) for _ in range(20)))
    assert {answer.status for answer in answers} <= {200, 409}
    assert {answer.json["reason"] for answer in answers if answer.status == 409} <= {
        "IDEMPOTENCY_IN_PROGRESS"
    }
    assert len({answer.body for answer in answers if answer.status == 200}) == 1
    assert await balance(control) == 5
    assert (await verify(engine)).entries == 1
    counts = control.deps.idempotency_counters.read()
    assert (counts["claim"], counts["claim"] + counts["replay"] + counts["in_progress"]) == (1, 20)


async def test_expired_records_are_deleted_and_others_stay(control: Any) -> None:
    for number in range(5):
        await add(control, key=f"old-{number}")
    control.clock.advance(3000)
    await add(control, key="new")
    control.clock.advance(24 * 3600 - 3000)
    settings = IdempotencySettings(cleanup_batch_size=2)
    assert await delete_expired_records(control.deps.uow, control.clock, settings) == 5
    assert (await record(control)).status == "succeeded"
    assert await delete_expired_records(control.deps.uow, control.clock, settings) == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/admin/proxies", {"name": "p", "protocol": "http", "host": "10.0.0.9", "port": 8080}),
        (
            "/admin/accounts",
            {
                "name": "a",
                "platform": "openai",
                "type": "apikey",
                "credentials": {"api_key": "sk-0123456789"},
            },
        ),
    ],
)
async def test_things_are_created_once(control: Any, path: str, body: Any) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await control.admin("POST", path, body, headers=headers)
    second = await control.admin("POST", path, body, headers=headers)
    assert (first.status, first.body) == (second.status, second.body)
    assert (await control.admin("GET", path)).data["total"] == 1
