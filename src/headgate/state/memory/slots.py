"""Concurrency slots of one process: FIFO queues of futures over plain dictionaries.

Invariants: a resource with a free slot has nobody waiting; whoever is granted a slot holds a lease from that
very moment,
so that a waiter cancelled in the same instant gives it back; resources nobody holds or waits for take no
memory.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence

from headgate.core.limits.fair_share import NOBODYS, FairLine, Rank, Share
from headgate.kit.clock import Clock
from headgate.state.protocols import Loads, QueueFull, QueueTimeout, SlotLease, SlotLoad

RECLAIM_EVERY_S = 0.25
"""While somebody waits, how often lost leases are looked for; far below the shortest lease (3 s)."""
_NEVER = 1 << 62
_ABSENT = object()


class _Waiter:
    __slots__ = ("entered", "future", "lease", "on_position", "owner", "place", "seq", "share")

    def __init__(
        self, owner: str, on_position: Callable[[int], None] | None, share: Share | None, seq: int
    ) -> None:
        self.owner = owner
        self.share = share
        self.seq = seq
        self.entered = 0
        self.on_position = on_position
        self.place = 0
        self.lease: SlotLease | None = None
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class _Held:
    __slots__ = ("expires_ms", "owner", "share", "since_ms")

    def __init__(self, owner: str, since_ms: int, expires_ms: int, share: Share | None) -> None:
        self.owner = owner
        self.share = share
        self.since_ms = since_ms
        self.expires_ms = expires_ms


class _Resource:
    """`next_expiry_ms` is a lower bound: no lease ends before it. `fair`: once a request has claimed a
    share."""

    __slots__ = ("fair", "held", "limit", "next_expiry_ms", "queue")

    def __init__(self) -> None:
        self.limit = 0
        self.held: dict[str, _Held] = {}
        self.queue: dict[_Waiter, None] = {}
        self.next_expiry_ms = _NEVER
        self.fair: FairLine | None = None

    def has_room(self) -> bool:
        return self.limit <= 0 or len(self.held) < self.limit

    def line_up(self, waiter: _Waiter) -> None:
        self.queue[waiter] = None
        if waiter.share is not None:
            self.fair = self.fair or FairLine()
            waiter.entered = self.fair.lined_up(waiter.share)

    def leave(self, waiter: _Waiter) -> None:
        """Out of the line; nothing when it is not in it."""
        if self.queue.pop(waiter, _ABSENT) is None and self.fair is not None and waiter.share is not None:
            self.fair.left(waiter.share)

    def hold(self, token: str, held: _Held) -> None:
        self.held[token] = held
        if held.share is not None:
            self.fair = self.fair or FairLine()
            self.fair.held(held.share)

    def free(self, token: str) -> bool:
        """False: the lease is over already."""
        held = self.held.pop(token, None)
        if held is not None and held.share is not None and self.fair is not None:
            self.fair.freed(held.share)
        return held is not None

    def line(self) -> Sequence[_Waiter]:
        """In the order in which they would be served now."""
        return list(self.queue) if self.fair is None else sorted(self.queue, key=self._rank)

    def first(self) -> _Waiter:
        return next(iter(self.queue)) if self.fair is None else min(self.queue, key=self._rank)

    def _rank(self, waiter: _Waiter) -> Rank:
        assert self.fair is not None
        return self.fair.rank(waiter.share or NOBODYS, entered=waiter.entered, seq=waiter.seq)


class MemorySlots:
    """Implements `SlotStore`. The newest `limit` that a caller names is the one in force."""

    def __init__(self, clock: Clock, *, lease_s: float) -> None:
        self._clock = clock
        self._lease_ms = round(lease_s * 1000)
        self._resources: dict[str, _Resource] = {}
        self._tokens = itertools.count(1)
        self._arrivals = itertools.count(1)

    async def try_acquire(
        self, resource: str, *, limit: int, owner: str, share: Share | None = None
    ) -> SlotLease | None:
        return self._take(resource, self._known(resource, limit), owner, share)

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
        state = self._known(resource, limit)
        lease = self._take(resource, state, owner, share)
        if lease is not None:
            return lease
        if len(state.queue) >= max_waiting:
            return QueueFull(len(state.queue))
        waiter = _Waiter(owner, on_position, share, next(self._arrivals))
        state.line_up(waiter)
        self._announce(state)
        return await self._wait(resource, state, waiter, timeout_s)

    async def release(self, lease: SlotLease) -> None:
        state = self._resources.get(lease.resource)
        if state is None or not state.free(lease.token):
            return
        if state.queue:
            self._grant(lease.resource, state)
        self._forget_if_idle(lease.resource, state)

    async def renew(self, leases: Sequence[SlotLease]) -> None:
        expires_ms = self._clock.now_ms() + self._lease_ms
        for lease in leases:
            state = self._resources.get(lease.resource)
            held = state.held.get(lease.token) if state is not None else None
            if held is not None:
                held.expires_ms = expires_ms

    async def load(self, resources: Sequence[str]) -> Loads:
        known = self._resources
        loads = [(name, self._load_of(name, known[name])) for name in resources if name in known]
        return Loads([(name, load) for name, load in loads if load.in_use or load.waiting])

    async def holders(self, resource: str) -> Sequence[tuple[str, int]]:
        state = self._resources.get(resource)
        if state is None:
            return ()
        self._reclaim(resource, state)
        self._forget_if_idle(resource, state)
        return [(held.owner, held.since_ms) for held in state.held.values()]

    def _known(self, resource: str, limit: int) -> _Resource:
        state = self._resources.get(resource)
        if state is None:
            state = self._resources[resource] = _Resource()
        if state.limit != limit:
            state.limit = limit
            self._grant(resource, state)  # a raised limit serves those who wait before the newcomer
        return state

    def _take(self, resource: str, state: _Resource, owner: str, share: Share | None) -> SlotLease | None:
        if state.queue or not state.has_room():
            self._reclaim(resource, state)
            if state.queue or not state.has_room():
                return None
        return self._hold(resource, state, owner, share)

    def _hold(self, resource: str, state: _Resource, owner: str, share: Share | None) -> SlotLease:
        now = self._clock.now_ms()
        token = str(next(self._tokens))
        expires_ms = now + self._lease_ms
        state.hold(token, _Held(owner, now, expires_ms, share))
        if expires_ms < state.next_expiry_ms:
            state.next_expiry_ms = expires_ms
        return SlotLease(resource, token)

    def _grant(self, resource: str, state: _Resource) -> None:
        """Serve who is next while there is room."""
        if not state.queue:
            return
        while state.queue and state.has_room():
            waiter = state.first()
            state.leave(waiter)
            waiter.lease = self._hold(resource, state, waiter.owner, waiter.share)
            if not waiter.future.done():
                waiter.future.set_result(None)
        self._announce(state)

    def _reclaim(self, resource: str, state: _Resource) -> None:
        """Take back the leases that were not renewed; costs a comparison unless one may have ended."""
        now = self._clock.now_ms()
        if now < state.next_expiry_ms:
            return
        lost = [token for token, held in state.held.items() if held.expires_ms <= now]
        for token in lost:
            state.free(token)
        state.next_expiry_ms = min((held.expires_ms for held in state.held.values()), default=_NEVER)
        self._grant(resource, state)

    async def _wait(
        self, resource: str, state: _Resource, waiter: _Waiter, timeout_s: float
    ) -> SlotLease | QueueTimeout:
        loop = asyncio.get_running_loop()
        began = loop.time()
        delivered = False
        try:
            while waiter.lease is None and (left := began + timeout_s - loop.time()) > 0:
                await asyncio.wait((waiter.future,), timeout=min(left, RECLAIM_EVERY_S))
                self._reclaim(resource, state)
            delivered = True
        finally:
            state.leave(waiter)
            waiter.place = 0  # what is still scheduled for this listener stays unsaid
            if waiter.lease is not None and not delivered:
                await self.release(waiter.lease)  # granted at the instant of cancellation; never suspends
            self._announce(state)
            self._forget_if_idle(resource, state)
        return waiter.lease if waiter.lease is not None else QueueTimeout(loop.time() - began)

    def _announce(self, state: _Resource) -> None:
        """Tell those whose place changed; each in its own callback, so that one failing listener harms
        nobody."""
        for place, waiter in enumerate(state.line(), start=1):
            if waiter.place != place:
                waiter.place = place
                if waiter.on_position is not None:
                    asyncio.get_running_loop().call_soon(_tell, waiter, waiter.on_position, place)

    def _load_of(self, resource: str, state: _Resource) -> SlotLoad:
        self._reclaim(resource, state)
        self._forget_if_idle(resource, state)
        return SlotLoad(len(state.held), len(state.queue))

    def _forget_if_idle(self, resource: str, state: _Resource) -> None:
        if not state.held and not state.queue and self._resources.get(resource) is state:
            del self._resources[resource]


def _tell(waiter: _Waiter, on_position: Callable[[int], None], place: int) -> None:
    if waiter.place == place and waiter.lease is None:
        on_position(place)
