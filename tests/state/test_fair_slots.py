"""Slots that are shared fairly: both stores serve exactly whom the core's arithmetic names."""

import asyncio
import random
from functools import partial

from headgate.core.limits.fair_share import Share
from headgate.state.protocols import QueueFull, SharedState, SlotLease
from tests.core.limits.test_fair_share import Room
from tests.state.conftest import eventually

RESOURCE = "group:1"
SHARES = [
    Share(party="user:1"),
    Share(party="user:2", weight=3),
    Share(party="user:3", guaranteed=2),
    Share(party="user:4", weight=2, is_background=True),
    Share(party="user:2", weight=3, is_background=True),
]


class Crowd:
    """Requests that wait in tasks of their own, beside a model of the line."""

    def __init__(self, state: SharedState, slots: int) -> None:
        self.slots, self.limit = state.slots, slots
        self.model = Room(slots)
        self.tasks: dict[int, asyncio.Task[object]] = {}

    async def come(self, share: Share) -> None:
        seq = self.model.come(share)
        work = self.slots.acquire(
            RESOURCE, limit=self.limit, owner=str(seq), max_waiting=100, timeout_s=60, share=share
        )
        self.tasks[seq] = asyncio.create_task(work, name=f"request {seq}")
        await self.agree()

    async def end(self, seq: int) -> None:
        lease = await self.tasks.pop(seq)
        assert isinstance(lease, SlotLease)
        self.model.end(seq)
        await self.slots.release(lease)
        await self.agree()

    async def give_up(self, seq: int) -> None:
        task = self.tasks.pop(seq)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.model.give_up(seq)
        await self.agree()

    async def agree(self) -> None:
        async def agrees() -> bool:
            await asyncio.sleep(0)
            load = (await self.slots.load([RESOURCE]))[RESOURCE]
            holders = {int(owner) for owner, _ in await self.slots.holders(RESOURCE)}
            return load.waiting == len(self.model.waiting) and holders == set(self.model.held)

        await eventually(agrees)


async def test_who_is_served_is_whom_the_arithmetic_names(state: SharedState) -> None:
    dice = random.Random(7)
    crowd = Crowd(state, slots=3)
    for _ in range(90):
        step = dice.choices(("come", "end", "give_up"), (6, 4, 1))[0]
        if step == "come" and len(crowd.tasks) < 25:
            await crowd.come(dice.choice(SHARES))
        elif step == "end" and crowd.model.held:
            await crowd.end(dice.choice(list(crowd.model.held)))
        elif step == "give_up" and crowd.model.waiting:
            await crowd.give_up(dice.choice(list(crowd.model.waiting)))
    while crowd.model.held:
        await crowd.end(min(crowd.model.held))
    load = (await state.slots.load([RESOURCE]))[RESOURCE]
    assert (load.in_use, load.waiting) == (0, 0)


async def test_places_tell_the_order_of_service_and_the_line_is_bounded(state: SharedState) -> None:
    places: dict[str, int] = {}
    tasks = []
    greedy, modest = SHARES[0], Share(party="user:9")
    for name, share in (("held", greedy), ("g1", greedy), ("g2", greedy), ("m", modest)):
        work = state.slots.acquire(
            RESOURCE,
            limit=1,
            owner=name,
            max_waiting=3,
            timeout_s=60,
            on_position=partial(places.__setitem__, name),
            share=share,
        )
        tasks.append(asyncio.create_task(work, name=name))
        await asyncio.sleep(0.03)

    async def told() -> bool:
        return places == {"m": 1, "g1": 2, "g2": 3}

    await eventually(told)
    full = await state.slots.acquire(
        RESOURCE, limit=1, owner="late", max_waiting=3, timeout_s=1, share=modest
    )
    assert full == QueueFull(3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
