"""A process announces itself, finishes what dead ones left, and keeps house until its owner closes."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from headgate.jobs.housekeeping import Chore, Housekeeping
from headgate.kit.clock import FakeClock
from headgate.kit.tasks import TaskOwner
from headgate.observability.logging import BufferedLines
from headgate.settings import LimitsSettings
from headgate.state.memory import open_memory_state
from headgate.state.protocols import Claim, SharedState, StateUnavailable


@dataclass
class House:
    """A housekeeping and what it did."""

    state: SharedState
    written: io.BytesIO = field(default_factory=io.BytesIO)
    did: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = BufferedLines(self.written)

    async def _work(self, name: str) -> None:
        self.did.append(name)
        await asyncio.sleep(3600)

    async def _recover(self) -> int:
        self.did.append("recover" if await self.is_announced() else "recover unannounced")
        return 0

    async def is_announced(self) -> bool:
        return await self.state.locks.acquire("process:p1", ttl_s=0.001) is None

    async def _chore(self) -> int:
        self.did.append("chore")
        if self.did.count("chore") == 1:
            raise StateUnavailable("away")
        return 1

    def keeper(self, limits: LimitsSettings | None = None) -> Housekeeping:
        return Housekeeping(
            process_id="p1", limits=limits or LimitsSettings(), state=self.state, lines=self.lines,
            recover=self._recover,
            chores=[Chore(name="chore", every_s=0.01, run=self._chore)],
            directory_watch=lambda: self._work("watch"), lease_heartbeat=lambda: self._work("heartbeat"),
        )  # fmt: skip


@pytest.fixture
def house(clock: FakeClock) -> House:
    return House(open_memory_state(clock, LimitsSettings()))


@pytest.fixture
async def tasks() -> AsyncIterator[TaskOwner]:
    owner = TaskOwner("test")
    yield owner
    await owner.close()


async def test_a_process_is_seen_to_live_before_it_completes_what_others_left(
    house: House, tasks: TaskOwner
) -> None:
    await house.keeper().start(tasks)
    assert house.did[0] == "recover"


async def test_the_background_work_begins(house: House, tasks: TaskOwner) -> None:
    await house.keeper().start(tasks)
    await asyncio.sleep(0.01)
    assert {"watch", "heartbeat"} <= set(house.did)


async def test_a_silent_process_is_dead_after_half_a_minute(
    house: House, tasks: TaskOwner, clock: FakeClock
) -> None:
    await house.keeper().start(tasks)
    clock.advance(29)
    assert await house.is_announced()
    clock.advance(2)
    assert not await house.is_announced()


async def test_a_living_process_keeps_the_money_that_it_holds(
    house: House, tasks: TaskOwner, clock: FakeClock
) -> None:
    impatient = LimitsSettings.model_construct(**{**dict(LimitsSettings()), "reservation_ttl_s": 0.04})
    reservations = house.state.reservations
    await reservations.load({"user:1:balance": 10})
    await reservations.reserve("x1", [Claim("user:1:balance", 3)], expires_at_ms=clock.now_ms() + 1)
    await house.keeper(impatient).start(tasks)
    clock.advance(0.01)
    await asyncio.sleep(0.05)
    assert await reservations.sweep() == 0
    assert await reservations.outstanding("user:1:balance") == 3


async def test_log_lines_do_not_wait_longer_than_a_moment(house: House, tasks: TaskOwner) -> None:
    await house.keeper().start(tasks)
    house.lines.line(b"one", is_urgent=False)
    async with asyncio.timeout(2):
        while house.written.getvalue() != b"one\n":
            await asyncio.sleep(0.01)


async def test_when_the_owner_closes_nothing_runs_on(house: House, tasks: TaskOwner) -> None:
    await house.keeper().start(tasks)
    assert len(tasks) == 7
    await tasks.close()
    assert len(tasks) == 0


async def test_a_chore_that_failed_is_done_the_next_time(house: House, tasks: TaskOwner) -> None:
    await house.keeper().start(tasks)
    async with asyncio.timeout(2):
        while house.did.count("chore") < 3:
            await asyncio.sleep(0.01)
