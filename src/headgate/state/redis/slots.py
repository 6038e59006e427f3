"""Concurrency slots in Redis: queues and leases live in the server (`lua/slots.lua`), waiters poll their
place.

A released slot goes to the head of the queue at once, inside the script that released it; polling only brings
the news.
The nearer to the head, the more often it asks. A waiter that stops asking is skipped, a lease not renewed is
reclaimed.
"""

import asyncio
import itertools
import secrets
from collections.abc import Callable, Sequence

from headgate.core.limits.fair_share import Share
from headgate.state.protocols import Loads, QueueFull, QueueTimeout, SlotLease, SlotLoad, StateUnavailable
from headgate.state.redis.pipeline import Pipeline
from headgate.state.redis.scripts import read_script

POLL_PER_PLACE_S = 0.01
POLL_MAX_S = 0.25
"""Place n asks every n * 10 ms, at most every 250 ms: a full queue of 100 costs some 800 short calls a
second."""
WAITER_ALIVE_MS = 3000
"""Twelve missed polls: the process is gone, or its event loop stood still for so long that others go
first."""


class RedisSlots:
    """Implements `SlotStore`. The newest `limit` that a caller names is the one in force."""

    def __init__(self, pipeline: Pipeline, *, lease_s: float) -> None:
        self._pipeline = pipeline
        self._lease_ms = round(lease_s * 1000)
        self._process = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._acquire = read_script("slot_acquire", shared="slots")
        self._poll = read_script("slot_poll", shared="slots")
        self._give_up = read_script("slot_give_up", shared="slots")
        self._release = read_script("slot_release", shared="slots")
        self._renew = read_script("slot_renew", shared="slots")
        self._load = read_script("slot_load", shared="slots")
        self._holders = read_script("slot_holders", shared="slots")

    async def try_acquire(
        self, resource: str, *, limit: int, owner: str, share: Share | None = None
    ) -> SlotLease | None:
        lease = self._new_lease(resource)
        try:
            answer = await self._enter(lease, limit=limit, owner=owner, max_waiting=0, share=share)
        except asyncio.CancelledError:
            self._abandon(lease)
            raise
        return lease if answer[0] == b"held" else None

    async def acquire(
        self,
        resource: str,
        *,
        limit: int,
        owner: str,
        max_waiting: int,
        timeout_s: float,
        on_position: Callable[[int], None] | None = None,
        share: Share | None = None,
    ) -> SlotLease | QueueFull | QueueTimeout:
        lease = self._new_lease(resource)
        try:
            match await self._enter(lease, limit=limit, owner=owner, max_waiting=max_waiting, share=share):
                case [b"full", waiting]:
                    return QueueFull(int(waiting))
                case [b"waiting", place, seq]:
                    return await self._wait(
                        lease, owner, int(place), int(seq), timeout_s, on_position, _claim(share)
                    )
                case _:
                    return lease
        except asyncio.CancelledError:
            self._abandon(lease)
            raise

    async def release(self, lease: SlotLease) -> None:
        await self._pipeline.run(self._release, lease.resource, lease.token, self._lease_ms)

    async def renew(self, leases: Sequence[SlotLease]) -> None:
        if leases:
            pairs = [part for lease in leases for part in (lease.resource, lease.token)]
            await self._pipeline.run(self._renew, self._lease_ms, *pairs)

    async def load(self, resources: Sequence[str]) -> Loads:
        if not resources:
            return Loads()
        counts = await self._pipeline.run(self._load, *resources)
        found = zip(resources, counts[::2], counts[1::2], strict=True)
        return Loads([(name, SlotLoad(held, waiting)) for name, held, waiting in found if held or waiting])

    async def holders(self, resource: str) -> Sequence[tuple[str, int]]:
        holders = []
        for held in await self._pipeline.run(self._holders, resource):
            since_ms, _, owner = held.partition(b":")
            holders.append((owner.decode(), int(since_ms)))
        return sorted(holders, key=lambda holder: holder[1])

    def _new_lease(self, resource: str) -> SlotLease:
        return SlotLease(resource, f"{self._process}.{next(self._numbers)}")

    async def _enter(
        self, lease: SlotLease, *, limit: int, owner: str, max_waiting: int, share: Share | None
    ) -> Sequence[bytes]:
        answer: Sequence[bytes] = await self._pipeline.run(
            self._acquire,
            lease.resource,
            limit,
            lease.token,
            owner,
            self._lease_ms,
            max_waiting,
            WAITER_ALIVE_MS,
            _claim(share),
        )
        return answer

    async def _wait(
        self,
        lease: SlotLease,
        owner: str,
        place: int,
        seq: int,
        timeout_s: float,
        on_position: Callable[[int], None] | None,
        claim: str,
    ) -> SlotLease | QueueTimeout:
        loop = asyncio.get_running_loop()
        began = loop.time()
        told = 0
        while (left := began + timeout_s - loop.time()) > 0:
            if on_position is not None and place != told:
                told = place
                loop.call_soon(on_position, place)  # a failing listener does not cost the place in line
            await asyncio.sleep(min(left, POLL_MAX_S, POLL_PER_PLACE_S * place))
            place = await self._ask(lease, owner, seq, claim)
            if place == 0:
                return lease
        came_late = await self._pipeline.run(self._give_up, lease.resource, lease.token, self._lease_ms)
        return lease if came_late else QueueTimeout(loop.time() - began)

    async def _ask(self, lease: SlotLease, owner: str, seq: int, claim: str) -> int:
        return int(
            await self._pipeline.run(
                self._poll, lease.resource, lease.token, owner, seq, self._lease_ms, WAITER_ALIVE_MS, claim
            )
        )

    def _abandon(self, lease: SlotLease) -> None:
        """The caller was cancelled: leave the line, or give back what was granted meanwhile, behind its
        back."""
        self._pipeline.spawn(self._release_quietly(lease), name="abandon-slot")

    async def _release_quietly(self, lease: SlotLease) -> None:
        try:
            await self.release(lease)
        except StateUnavailable:
            return  # the lease ends by itself


def _claim(share: Share | None) -> str:
    if share is None:
        return ""
    return f"{share.weight}:{share.guaranteed}:{int(share.is_background)}:{share.party}"
