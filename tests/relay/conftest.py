"""The relay's surroundings, all real: a migrated SQLite file, in-memory state, a journal, a directory."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.kit.clock import FakeClock
from headgate.kit.tasks import TaskOwner
from headgate.observability.metrics import RelayMetrics
from headgate.prices import price_book_builder
from headgate.relay.account_gate import AccountGate
from headgate.relay.directory import Directory
from headgate.relay.window_costs import WindowCosts
from headgate.settings import LimitsSettings, PricingSettings
from headgate.state.memory import open_memory_state
from headgate.state.protocols import SharedState
from headgate.storage.engine import DatabaseTarget, create_engine, session_factory
from headgate.storage.journal import Journal
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.read_model import ReadModel
from headgate.storage.unit_of_work import UnitOfWork
from tests.relay.people import member
from tests.storage.books import VAULT, account_row, group_row, key_row, user_row
from tests.support.databases import sqlite_target, sqlite_template

__all__ = ["sqlite_target", "sqlite_template"]

DOLLAR = 1_000_000_000
Change = Callable[..., Awaitable[None]]


@pytest.fixture
async def engine(
    sqlite_target: DatabaseTarget,
) -> AsyncIterator[AsyncEngine]:
    made = create_engine(sqlite_target)
    yield made
    await made.dispose()


@pytest.fixture
def sessions(
    engine: AsyncEngine,
) -> async_sessionmaker[AsyncSession]:
    return session_factory(engine)


@pytest.fixture
def change(sessions: async_sessionmaker[AsyncSession]) -> Change:
    """Write rows (or run statements) as the management API does: the directory's version moves."""

    async def write(*things: object) -> None:
        async with UnitOfWork(sessions) as uow:
            uow.touch_directory()
            for thing in things:
                if hasattr(thing, "__table__"):
                    uow.session.add(thing)
                    await uow.session.flush()
                else:
                    await uow.session.execute(thing)  # type: ignore[call-overload]

    return write


@pytest.fixture
async def world(change: Change) -> None:
    """User 1 with 1 USD and key `sk-1`, in group 1 with the accounts 1 and 2."""
    await change(
        user_row(1, balance_nano=DOLLAR), group_row(1), key_row(1, group_id=1), account_row(1),
        account_row(2), member(1), member(2),
    )  # fmt: skip


@pytest.fixture
def read_model(engine: AsyncEngine, clock: FakeClock) -> ReadModel:
    return ReadModel(engine, VAULT, clock)


@pytest.fixture
def gate(state: SharedState, read_model: ReadModel, clock: FakeClock) -> AccountGate:
    return AccountGate(state, WindowCosts(state.quota_windows, state.counters, read_model, clock), clock)


@pytest.fixture
async def directory(read_model: ReadModel, clock: FakeClock, world: None) -> Directory:
    made = Directory(read_model, VAULT, clock, price_book_builder(PricingSettings()))
    await made.refresh()
    return made


@pytest.fixture
def state(clock: FakeClock) -> SharedState:
    return open_memory_state(clock, LimitsSettings())


@pytest.fixture
async def journal(sqlite_target: DatabaseTarget, clock: FakeClock) -> AsyncIterator[Journal]:
    made = await open_journal_at(sqlite_target, clock, "this-process")
    yield made
    await made.close()


@pytest.fixture
def metrics() -> RelayMetrics:
    return RelayMetrics()


@pytest.fixture
async def tasks() -> AsyncIterator[TaskOwner]:
    owner = TaskOwner("test")
    yield owner
    await owner.close()
