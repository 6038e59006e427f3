"""What is late because much is waiting is told apart from a database that does not answer: only the latter
may count as an outage for everybody (spec 4.6). In virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import pytest

from headgate.core.limits.breaker import BreakerState
from headgate.kit.clock import FakeClock
from headgate.relay.billing_gate import BillingGate
from headgate.settings import CircuitBreakerSettings
from headgate.simulation.virtual_time import VirtualClock, VirtualLoop, run_virtually
from headgate.state.protocols import StateContended
from headgate.storage.journal import OpenIntent, RowRefused, StorageLate, StorageUnavailable
from headgate.storage.journal_group import MAX_GROUP, GroupJournal, Op
from tests.storage.books import intent

DEADLINE_S = 5.0


class TimedWriter:
    """Takes `group_s` for a group; None: it does not answer any more."""

    def __init__(self, group_s: float | None) -> None:
        self.group_s = group_s
        self.written = 0

    async def write(self, ops: Sequence[Op]) -> Mapping[Op, RowRefused]:
        if self.group_s is None:
            await asyncio.sleep(3600)
            raise StorageUnavailable("gone")
        await asyncio.sleep(self.group_s)
        self.written += len(ops)
        return {}

    async def open_intents(self) -> Sequence[OpenIntent]:
        return []

    async def close(self) -> None:
        return


class Rig:
    """A journal, and the gate that watches it, on a loop without a clock."""

    def __init__(self, loop: VirtualLoop, writer: TimedWriter) -> None:
        self.loop, self.writer = loop, writer
        self.journal = GroupJournal(writer, commit_timeout_s=DEADLINE_S)
        self.gate = BillingGate(CircuitBreakerSettings(), VirtualClock(loop))

    async def intents(self, amount: int) -> list[BaseException | None]:
        """So many at once, each watched as by its attempt."""
        return await asyncio.gather(*(self._intent(f"i{n}") for n in range(amount)), return_exceptions=True)

    async def _intent(self, name: str) -> None:
        with self.gate.watching(proves_health=True):
            await self.journal.open_intent(intent(name))


def play(scene: Callable[[Rig], Coroutine[Any, Any, None]], *, group_s: float) -> None:
    """Run a scene with a database that takes so long for a group."""
    loop = VirtualLoop()

    async def run() -> None:
        rig = Rig(loop, TimedWriter(group_s))
        await scene(rig)
        await rig.journal.close()

    run_virtually(loop, run())


def test_a_crowd_that_a_slow_but_answering_database_cannot_take_in_time_shuts_nobody_out() -> None:
    async def scene(rig: Rig) -> None:
        ends = await rig.intents(4 * MAX_GROUP)
        late = [end for end in ends if end is not None]
        assert 0 < len(late) < len(ends), "some are in time, the others are not"
        assert all(isinstance(end, StorageLate) for end in late)
        assert (rig.gate.state(), rig.gate.openings) == (BreakerState.CLOSED, 0)

    play(scene, group_s=2.0)


def test_a_database_that_stopped_answering_is_an_outage() -> None:
    async def scene(rig: Rig) -> None:
        assert await rig.intents(3) == [None] * 3
        rig.writer.group_s = None
        ends = await rig.intents(20)
        assert all(type(end) is StorageUnavailable for end in ends)
        assert rig.gate.state() is BreakerState.OPEN
        assert rig.loop.time() <= DEADLINE_S + 0.1, "nobody waits longer than the deadline"

    play(scene, group_s=0.01)


def test_what_a_busy_process_could_not_look_at_is_not_held_against_the_database() -> None:
    """The process itself does not get round to anything for longer than the deadline (a thousand requests at
    once on a loaded machine) while the commit is done in no time."""

    async def scene(rig: Rig) -> None:
        waiting = asyncio.ensure_future(rig.intents(50))
        await asyncio.sleep(0.005)  # the commit is under way
        rig.loop.advance(3 * DEADLINE_S)
        assert await waiting == [None] * 50
        assert rig.gate.state() is BreakerState.CLOSED

    play(scene, group_s=0.01)


def test_a_late_intent_is_refused_all_the_same_and_withdrawn() -> None:
    """Fail closed: without a durable intent there is no upstream call."""

    async def scene(rig: Rig) -> None:
        first = asyncio.ensure_future(rig.intents(1))
        await asyncio.sleep(0.1)
        rig.writer.group_s = 6.0
        with pytest.raises(StorageLate):
            await rig.journal.open_intent(intent("late"))
        await first

    play(scene, group_s=3.0)


def test_what_counts_for_the_breaker(clock: FakeClock) -> None:
    """Busy, and bounds that move while they are read: neither is an outage, however many there are."""
    gate = BillingGate(CircuitBreakerSettings(), clock)
    for error in (StorageLate("busy"), StateContended("moving")):
        for _ in range(20):
            with pytest.raises(type(error)), gate.watching():
                raise error
    assert gate.state() is BreakerState.CLOSED
