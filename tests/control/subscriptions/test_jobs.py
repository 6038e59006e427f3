"""The job that marks what is over (spec 4.8)."""

from datetime import timedelta

import pytest

from headgate.control.subscriptions.jobs import CHUNK, expire_subscriptions
from headgate.control.work import SYSTEM, open_work
from headgate.storage.models import SubscriptionRow, UserRow
from tests.control.subscriptions.sold import change_row, grant, now, rows, sold_group


@pytest.fixture
def expire(control):
    async def run():
        control.clock.advance(60)
        return await expire_subscriptions(control.deps.uow, control.clock, control.deps.state.locks)

    return run


async def test_only_those_whose_time_has_passed_are_marked(control, expire):
    groups = [await sold_group(control, name) for name in "abcde"]
    over, exact, running, suspended, revoked = [
        (await grant(control, control.anna, group)).row for group in groups
    ]
    at = now(control) + timedelta(seconds=60)
    await change_row(control, over.id, expires_at=at - timedelta(days=1))
    await change_row(control, exact.id, expires_at=at)
    await change_row(control, running.id, expires_at=at + timedelta(milliseconds=1))
    await change_row(control, suspended.id, expires_at=at, status="suspended")
    await change_row(control, revoked.id, expires_at=at, deleted_at=at)
    assert await expire() == 2
    statuses = {row.id: row.status for row in await rows(control)}
    assert statuses == {
        over.id: "expired", exact.id: "expired", running.id: "active", suspended.id: "suspended",
        revoked.id: "active",
    }  # fmt: skip
    assert await expire() == 1  # the one that had a millisecond left
    assert await expire() == 0


async def test_of_many_processes_one_works_in_a_minute(control, expire):
    row = (await grant(control, control.anna, await sold_group(control))).row
    assert await expire() == 0
    await change_row(control, row.id, expires_at=now(control))
    other = await expire_subscriptions(control.deps.uow, control.clock, control.deps.state.locks)
    assert (other, (await rows(control))[0].status) == (0, "active")
    assert await expire() == 1


async def test_more_than_fit_into_a_transaction_are_all_marked(control, expire):
    group, at = await sold_group(control), now(control)
    async with open_work(control.deps, SYSTEM) as work:
        users = [
            UserRow(email=f"u{n}@example.com", password_hash="x", created_at=at, updated_at=at)
            for n in range(CHUNK + 3)
        ]
        work.session.add_all(users)
        await work.session.flush()
        work.session.add_all(
            SubscriptionRow(
                user_id=user.id, group_id=group, starts_at=at, expires_at=at, assigned_at=at, created_at=at,
                updated_at=at,
            )
            for user in users
        )  # fmt: skip
    assert await expire() == CHUNK + 3
    assert {row.status for row in await rows(control)} == {"expired"}
