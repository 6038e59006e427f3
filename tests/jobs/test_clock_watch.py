"""A clock that was set back does not keep accounts out for as long as it was set back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from headgate.core.ids import AccountId
from headgate.jobs.clock_watch import CAUSE, ClockWatch
from headgate.kit.clock import FakeClock
from headgate.settings import LimitsSettings
from headgate.state.memory import open_memory_state
from headgate.state.protocols import Cooldown
from headgate.storage.engine import DatabaseTarget, create_engine, session_factory
from headgate.storage.models import AccountRow
from headgate.storage.unit_of_work import UnitOfWork
from tests.storage.books import account_row
from tests.support.databases import sqlite_target, sqlite_template

__all__ = ["sqlite_target", "sqlite_template"]
ONE, TWO = AccountId(1), AccountId(2)
HOUR = 3600
Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
async def sessions(sqlite_target: DatabaseTarget) -> AsyncIterator[Sessions]:
    engine = create_engine(sqlite_target)
    yield session_factory(engine)
    await engine.dispose()


class SetClock(FakeClock):
    """Its wall time can be set; the other one only goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.set_by_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.set_by_ms


@pytest.mark.parametrize("set_by_s", [-2 * HOUR, -30, 2 * HOUR])
async def test_only_a_clock_set_back_ends_cooldowns(sessions: Sessions, set_by_s: int) -> None:
    clock = SetClock()
    state = open_memory_state(clock, LimitsSettings())
    watch = ClockWatch(clock, state, lambda: UnitOfWork(sessions), lambda: (ONE, TWO))
    await _add_limited(sessions, clock)
    until = clock.now_ms() + 60_000
    for account, model in ((ONE, ""), (TWO, "m")):
        await state.cooldowns.set(
            Cooldown(
                account_id=account, model=model, until_ms=until, reason="rate_limited", evidence="said",
                began_ms=clock.now_ms(),
            )
        )  # fmt: skip
    assert await watch.look() == 0
    clock.set_by_ms = set_by_s * 1000
    is_back = set_by_s <= -HOUR
    assert await watch.look() == (2 if is_back else 0)
    assert await watch.look() == 0, "once"
    known = await state.cooldowns.active([ONE, TWO])
    assert all((cooldown.until_ms <= clock.now_ms()) is (is_back or set_by_s > 0) for cooldown in known)
    expected = {} if abs(set_by_s) < HOUR else {"back" if is_back else "forward": 1}
    assert watch.counts == expected
    timeline = await state.health.timeline(TWO)
    assert [(event.state, event.cause) for event in timeline] == [("half_open", CAUSE)] * is_back
    async with sessions() as session:
        row = await session.get(AccountRow, 1)
        assert row is not None
        assert (row.rate_limit_reset_at is None) is is_back


async def test_a_process_that_starts_after_the_correction_finds_it(sessions: Sessions) -> None:
    clock = SetClock()
    await _add_limited(sessions, clock)
    clock.set_by_ms = -2 * HOUR * 1000
    state = open_memory_state(clock, LimitsSettings())
    await ClockWatch(clock, state, lambda: UnitOfWork(sessions), lambda: (ONE,)).look()
    async with sessions() as session:
        row = await session.get(AccountRow, 1)
        assert row is not None
        assert row.rate_limit_reset_at is None


async def _add_limited(sessions: Sessions, clock: FakeClock) -> None:
    now = datetime.fromtimestamp(clock.now_ms() / 1000, tz=UTC)
    async with UnitOfWork(sessions) as uow:
        row = account_row(1)
        row.rate_limited_at = now
        row.rate_limit_reset_at = datetime.fromtimestamp(clock.now_ms() / 1000 + 60, tz=UTC)
        uow.session.add(row)
