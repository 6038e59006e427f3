"""Slots under every order of events: the limit holds, the line is kept, nothing is lost."""

import asyncio

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headgate.kit.clock import FakeClock
from headgate.state.memory.slots import MemorySlots
from headgate.state.protocols import QueueFull, QueueTimeout, SlotLease

LEASE_S = 15
Outcome = SlotLease | QueueFull | QueueTimeout


class SlotMachine(RuleBasedStateMachine):
    """The model is two lists: who holds (oldest grant first) and who waits (first come first)."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.slots = MemorySlots(self.clock, lease_s=LEASE_S)
        self.limit = 2
        self.ceiling = 2
        self.number = 0
        self.held: list[SlotLease] = []
        self.waiting: list[asyncio.Task[Outcome]] = []

    def teardown(self) -> None:
        for task in self.waiting:
            task.cancel()
        self.runner.run(self._settle())
        self.runner.close()

    async def _settle(self) -> None:
        """Let everything that is ready run, then collect who was served: only ever from the head of the
        line.
        """
        for _ in range(6):
            await asyncio.sleep(0)
        while self.waiting and self.waiting[0].done():
            task = self.waiting.pop(0)
            if not task.cancelled():
                lease = task.result()
                assert isinstance(lease, SlotLease)
                self.held.append(lease)
        assert not any(task.done() for task in self.waiting), "somebody was served before those ahead"

    async def _start_waiting(self) -> None:
        self.number += 1
        work = self.slots.acquire(
            "account:7", limit=self.limit, owner=str(self.number), max_waiting=100, timeout_s=1000
        )
        self.waiting.append(asyncio.get_running_loop().create_task(work))
        await self._settle()

    async def _release(self, index: int) -> None:
        await self.slots.release(self.held.pop(index % len(self.held)))
        await self._settle()

    @rule()
    def somebody_comes(self) -> None:
        self.runner.run(self._start_waiting())

    @rule()
    def somebody_looks_in(self) -> None:
        async def look_in() -> None:
            lease = await self.slots.try_acquire("account:7", limit=self.limit, owner="passer-by")
            await self._settle()
            if lease is not None:
                assert not self.waiting
                self.held.append(lease)

        self.runner.run(look_in())

    @precondition(lambda self: self.held)
    @rule(index=st.integers(0, 20))
    def somebody_leaves(self, index: int) -> None:
        self.runner.run(self._release(index))

    @precondition(lambda self: self.waiting)
    @rule(index=st.integers(0, 20))
    def a_waiter_is_cancelled(self, index: int) -> None:
        async def cancel() -> None:
            task = self.waiting.pop(index % len(self.waiting))
            task.cancel()
            await self._settle()

        self.runner.run(cancel())

    @precondition(lambda self: self.held and self.waiting)
    @rule(ticks=st.integers(0, 3))
    def the_first_is_cancelled_as_its_slot_comes(self, ticks: int) -> None:
        async def release_and_cancel() -> None:
            await self.slots.release(self.held.pop())
            for _ in range(ticks):
                await asyncio.sleep(0)
            self.waiting[0].cancel()
            await self._settle()

        self.runner.run(release_and_cancel())

    @rule(limit=st.integers(1, 4))
    def the_limit_changes(self, limit: int) -> None:
        self.limit = limit
        self.somebody_comes()

    @precondition(lambda self: self.held)
    @rule()
    def all_leases_are_lost(self) -> None:
        async def lose() -> None:
            self.clock.advance(LEASE_S)
            self.held.clear()
            await self.slots.load(["account:7"])
            await self._settle()

        self.runner.run(lose())

    @invariant()
    def what_is_counted_is_what_is_held(self) -> None:
        load = self.runner.run(self.slots.load(["account:7"]))["account:7"]
        assert (load.in_use, load.waiting) == (len(self.held), len(self.waiting))
        assert not self.waiting or load.in_use >= self.limit, "a slot is free while somebody waits"

    @invariant()
    def no_more_than_the_limit_are_newly_held(self) -> None:
        """A lowered limit does not throw anybody out, and nobody enters above it."""
        self.ceiling = max(self.limit, min(self.ceiling, len(self.held)))
        assert len(self.held) <= self.ceiling


TestSlotsInEveryOrder = SlotMachine.TestCase


async def test_idle_resources_take_no_memory() -> None:
    slots = MemorySlots(FakeClock(), lease_s=LEASE_S)
    for number in range(100):
        lease = await slots.try_acquire(f"user:{number}", limit=1, owner="x")
        assert lease is not None
        await slots.release(lease)
    assert not slots._resources
