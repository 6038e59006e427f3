"""Whatever many actors reserve, extend, settle, abandon and let expire: no bound is overshot, nothing leaks.

The same on SQLite and PostgreSQL, with reservations in the process and in Redis: another store only has to
pass this. Time is virtual; the sequences are random, and the seed is in the test's name.
"""

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.core.faults import RelayError
from headgate.core.ids import ExchangeId
from headgate.core.limits.budget import Budget, Need, budget_of
from headgate.core.pricing.cost import CostLines
from headgate.core.world import KeyWindow
from headgate.kit.clock import FakeClock
from headgate.kit.secret import Secret
from headgate.relay.exchange import Exchange
from headgate.relay.reserver import Reserver
from headgate.settings import LimitsSettings, RedisSettings
from headgate.state.memory import open_memory_state
from headgate.state.protocols import SharedState
from headgate.state.redis import open_redis_state
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal import Journal
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.ledger import adjust_balance
from headgate.storage.ledger_verify import verify
from headgate.storage.read_model import ReadModel
from headgate.storage.unit_of_work import UnitOfWork
from tests.relay.people import NOW_MS, caller, exchange_for
from tests.storage.books import (
    VAULT,
    account_row,
    group_row,
    intent,
    key_row,
    settlement,
    store,
    user_row,
    value,
)
from tests.support.databases import *  # noqa: F403
from tests.support.redis_server import running_redis

STEPS = 150
START = 20_000
BALANCE, QUOTA, WINDOW = "user:1:balance", "key:1:quota", "key:1:5h"
LIMITS = LimitsSettings(held_money_wait_s=0)
FIVE_HOURS = KeyWindow(name="5h", length_ms=5 * 3_600_000, limit_nano=9_000)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def state(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[SharedState]:
    if request.param == "memory":
        yield open_memory_state(clock, LIMITS)
        return
    url: str = request.getfixturevalue("redis_url")
    async with Redis.from_url(url) as admin:
        await admin.flushall()
    opened = open_redis_state(RedisSettings(url=Secret(url), deadline_s=5), LIMITS)
    yield opened
    await opened.close()


@pytest.fixture
async def journal(target: DatabaseTarget, engine: AsyncEngine, clock: FakeClock) -> AsyncIterator[Journal]:
    made = await open_journal_at(target, clock, "this-process")
    yield made
    await made.close()


@dataclass
class Actor:
    """One exchange under way, and what it holds."""

    exchange: Exchange
    granted: int
    per_token: int


@dataclass
class Crowd:
    """Many exchanges of one limited key, driven at random."""

    luck: random.Random
    reserver: Reserver
    state: SharedState
    journal: Journal
    sessions: async_sessionmaker[AsyncSession]
    budget: Budget
    actors: list[Actor] = field(default_factory=list)
    number: int = 0
    served: int = 0
    refused: int = 0
    beyond: int = 0
    """Charges beyond what was held: input that turned out dearer than its high estimate."""

    async def step(self) -> None:
        act = self.luck.choice(
            [self.arrive] * 5 + [self.grow] * 4 + [self.finish] * 4
            + [self.give_up, self.top_up, self.world_changes]
        )  # fmt: skip
        await act()

    async def arrive(self) -> None:
        self.number += 1
        exchange = exchange_for(name=f"x{self.number}")
        per_token = self.luck.choice([0, 1, 3, 7])
        wanted = self.luck.choice([0, 10, 100, 1000])
        need = Need(
            budget=self.budget, fixed_nano=self.luck.randrange(0, 400),
            output_nano_per_mtok=per_token * 1_000_000, wanted_tokens=wanted, plenty_tokens=wanted,
            floor_tokens=min(wanted, 8),
        )  # fmt: skip
        try:
            granted = await self.reserver.reserve(exchange, need)
        except RelayError:
            self.refused += 1
            return
        assert need.floor_tokens <= granted <= wanted
        self.actors.append(Actor(exchange, granted, per_token))

    async def grow(self) -> None:
        if self.actors:
            hold = self.luck.choice(self.actors).exchange.hold
            name = next(a.exchange.id for a in self.actors if a.exchange.hold is hold)
            assert hold is not None
            await self.reserver.extend(hold, name, self.luck.randrange(1, 500), may_overdraw=False)

    async def finish(self) -> None:
        """Settled by the books first, then in the store, as the settler does; sometimes twice."""
        if not self.actors:
            return
        actor = self.actors.pop(self.luck.randrange(len(self.actors)))
        hold = actor.exchange.hold
        assert hold is not None
        used = self.luck.randrange(0, hold.list_nano + 1)
        if self.luck.random() < 0.05:  # the input was dearer than estimated
            used = hold.list_nano + self.luck.randrange(1, 50)
            self.beyond += used - hold.list_nano
        cost = _cost(used)
        booked = settlement(
            of=replace(intent("x"), exchange_id=ExchangeId(actor.exchange.id), counts_key=True), cost=cost
        )
        for _ in range(self.luck.choice([1, 1, 1, 2])):
            await self.journal.settle(booked)
            await self.state.reservations.settle(actor.exchange.id, self.budget.spent(cost))
        self.served += 1

    async def give_up(self) -> None:
        if self.actors:
            actor = self.actors.pop(self.luck.randrange(len(self.actors)))
            await self.state.reservations.settle(actor.exchange.id, {})

    async def top_up(self) -> None:
        async with UnitOfWork(self.sessions) as uow:
            await adjust_balance(
                uow.session, user_id=1, delta_nano=self.luck.randrange(0, 300), note="", actor_id=None,
                operation_id=f"top-{self.number}-{self.luck.random()}", now_ms=NOW_MS,
            )  # fmt: skip
        await self.state.reservations.forget([BALANCE])

    async def world_changes(self) -> None:
        await self.reserver.forget_all()

    async def all_go(self) -> None:
        while self.actors:
            await self.give_up()


def _cost(charge: int) -> CostLines:
    return CostLines(
        input=charge, output=0, cache_read=0, cache_write=0, list_cost=charge, charge=charge,
        account_cost=0, price_version="v", is_default=False,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_no_bound_is_overshot_and_nothing_leaks(
    seed: int, state: SharedState, journal: Journal, engine: AsyncEngine,
    sessions: async_sessionmaker[AsyncSession], clock: FakeClock,
) -> None:  # fmt: skip
    await store(
        sessions, user_row(1, balance_nano=0), group_row(1), account_row(1),
        key_row(1, group_id=1, quota_nano=15_000, limit_5h_nano=9_000),
    )  # fmt: skip
    reserver = Reserver(state.reservations, ReadModel(engine, VAULT, clock), clock, LIMITS)
    limited = caller(quota_nano=15_000, windows=(FIVE_HOURS,))
    crowd = Crowd(
        random.Random(seed), reserver, state, journal, sessions, budget_of(limited, 10_000, now_ms=NOW_MS)
    )
    async with UnitOfWork(sessions) as uow:
        await adjust_balance(
            uow.session, user_id=1, delta_nano=START, note="", actor_id=None, operation_id="start",
            now_ms=NOW_MS,
        )  # fmt: skip
    for _ in range(STEPS):
        await crowd.step()
        held = sum(a.exchange.hold.list_nano or 1 for a in crowd.actors if a.exchange.hold is not None)
        assert await state.reservations.outstanding(BALANCE) >= held - len(crowd.actors)
        balance = await value(engine, "SELECT balance_nano FROM users")
        assert balance - held >= -crowd.beyond - len(crowd.actors)
        used = await value(engine, "SELECT used_5h_nano FROM api_keys")
        assert used + held <= 9_000 + crowd.beyond + len(crowd.actors)
    await crowd.all_go()
    for bound in (BALANCE, QUOTA, WINDOW):
        assert await state.reservations.outstanding(bound) == 0
    report = await verify(engine)
    assert report.is_sound
    assert crowd.served > 10
    assert crowd.refused > 0


async def test_what_nobody_settles_expires(state: SharedState, engine: AsyncEngine,
    sessions: async_sessionmaker[AsyncSession], clock: FakeClock, journal: Journal,
) -> None:  # fmt: skip
    await store(
        sessions, user_row(1, balance_nano=START), group_row(1), account_row(1), key_row(1, group_id=1)
    )
    impatient = LIMITS.model_copy(update={"reservation_ttl_s": 0})
    reserver = Reserver(state.reservations, ReadModel(engine, VAULT, clock), clock, impatient)
    need = Need(
        budget=budget_of(caller(), 10_000, now_ms=NOW_MS), fixed_nano=START, output_nano_per_mtok=0,
        wanted_tokens=0, plenty_tokens=0, floor_tokens=0,
    )  # fmt: skip
    await reserver.reserve(exchange_for(name="dead"), need)
    clock.advance(1)
    assert await state.reservations.sweep() == 1
    assert await state.reservations.outstanding(BALANCE) == 0
