"""What a start in simple mode makes sure of, once and again (spec 7.9)."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from headgate.control.bootstrap import ensure_admin
from headgate.control.simple_mode import ensure_simple_mode
from headgate.settings import Settings
from headgate.storage.models import GroupRow, UserRow
from headgate.storage.unit_of_work import UnitOfWork

POOLS = ["anthropic-default", "gemini-default", "openai-default"]


@pytest.fixture
def uow(sessions):
    return lambda: UnitOfWork(sessions)


async def pools(uow):
    async with uow() as work:
        return list(
            await work.session.scalars(
                select(GroupRow.name).where(GroupRow.deleted_at.is_(None)).order_by(GroupRow.name)
            )
        )


async def slots(uow):
    async with uow() as work:
        return list(await work.session.scalars(select(UserRow.concurrency).order_by(UserRow.id)))


async def test_every_platform_has_a_pool_after_the_start(uow, clock):
    await ensure_simple_mode(uow, clock)
    assert await pools(uow) == POOLS
    async with uow() as work:
        rows = list(await work.session.scalars(select(GroupRow)))
    assert all(row.name == f"{row.platform}-default" and row.status == "active" for row in rows)


async def test_a_second_start_adds_only_what_is_missing(uow, clock):
    await ensure_simple_mode(uow, clock)
    async with uow() as work:
        await work.session.execute(
            update(GroupRow)
            .where(GroupRow.name == "openai-default")
            .values(deleted_at=datetime.fromtimestamp(clock.now_ms() / 1000, tz=UTC))
        )
        await work.session.execute(
            update(GroupRow).where(GroupRow.name == "gemini-default").values(status="inactive")
        )
    await ensure_simple_mode(uow, clock)
    assert await pools(uow) == POOLS
    async with uow() as work:
        switched_off = await work.session.scalar(
            select(GroupRow.status).where(GroupRow.name == "gemini-default")
        )
    assert switched_off == "inactive", "what the operator switched off stays off"


async def test_the_admins_five_slots_become_thirty_once(uow, clock):
    await ensure_admin(uow, Settings(), clock)
    assert await slots(uow) == [5]
    await ensure_simple_mode(uow, clock)
    assert await slots(uow) == [30]
    async with uow() as work:
        await work.session.execute(update(UserRow).values(concurrency=5))
    await ensure_simple_mode(uow, clock)
    assert await slots(uow) == [5], "an admin who is put back stays there"


async def test_an_admin_with_another_number_of_slots_keeps_it(control):
    async with control.deps.uow() as uow:
        await uow.session.execute(update(UserRow).where(UserRow.role == "admin").values(concurrency=8))
    await ensure_simple_mode(control.deps.uow, control.clock)
    assert await slots(control.deps.uow) == [8, 5, 5]


async def test_two_processes_that_start_together_make_each_pool_once(uow, clock):
    await asyncio.gather(*(ensure_simple_mode(uow, clock) for _ in range(4)))
    assert await pools(uow) == POOLS


async def test_an_account_without_a_group_joins_the_pool_of_its_platform(control):
    await ensure_simple_mode(control.deps.uow, control.clock)
    account_id = await control.add_account()
    account = (await control.admin("GET", f"/admin/accounts/{account_id}")).data
    assert [group["name"] for group in account["groups"]] == ["anthropic-default"]


@pytest.mark.parametrize("mode", ["standard", "simple"])
async def test_the_login_page_and_the_profile_say_whether_anybody_is_charged(make_control, mode):
    control = await make_control(run_mode=mode)
    assert (await control.nobody("GET", "/settings/public")).data["run_mode"] == mode
    assert (await control.anna("GET", "/auth/me")).data["run_mode"] == mode
