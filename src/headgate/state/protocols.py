"""Ephemeral shared state as protocols: slots, reservations, affinity, cooldowns, counters, rates, locks.

Two implementations pass one behavioural suite (`tests/state`): in-process (`memory/`) and Redis (`redis/`).
Nothing outside this package may assume one process. All amounts are nano-USD, all instants Unix milliseconds.
Every method may raise `StateUnavailable` (only Redis does); each call has a short deadline.
Losing the whole store is safe: slots and reservations are leases, the rest is a cache of something durable.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

from headgate.core.ids import AccountId, SessionKey
from headgate.core.limits.fair_share import Share
from headgate.core.limits.quota_windows import QuotaReading
from headgate.core.limits.token_bucket import RateCharge, RateLevel
from headgate.core.routing.health import HealthEvent
from headgate.core.routing.stickiness import Home


class StateUnavailable(Exception):
    """The store did not answer within its deadline."""


class StateContended(StateUnavailable):
    """The store answers, but what is asked moves faster than it can be read: many at once. No outage."""


class SlotLease(msgspec.Struct, frozen=True, gc=False):
    """One in-flight request on a resource. `token` fences it: releasing twice, or after expiry, changes
    nothing."""

    resource: str
    token: str


class SlotLoad(msgspec.Struct, frozen=True, gc=False):
    in_use: int
    waiting: int


IDLE = SlotLoad(0, 0)


class Loads(dict[str, SlotLoad]):
    """Only resources that somebody holds or waits for; any other is idle when it is asked for by name."""

    def __missing__(self, _resource: str) -> SlotLoad:
        return IDLE


@dataclass(frozen=True, slots=True)
class QueueFull:
    """More than `max_waiting` are waiting already."""

    waiting: int


@dataclass(frozen=True, slots=True)
class QueueTimeout:
    """The wait ended without a slot."""

    waited_s: float


class SlotStore(Protocol):
    """Concurrency slots with FIFO waiting. Resources are names such as `account:7`, `user:3`."""

    async def try_acquire(
        self, resource: str, *, limit: int, owner: str, share: Share | None = None
    ) -> SlotLease | None:
        """Take a slot at once, or None. Never overtakes somebody who waits. `limit` <= 0 means unlimited
        (still counted). `share`: what it claims of a resource that is shared fairly
        (core/limits/fair_share.py); on such a resource everybody claims one."""
        ...

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
        """Take a slot, waiting FIFO, or by shares. `on_position` hears the 1-based place when it changes.
        Cancelling leaves the queue."""
        ...

    async def release(self, lease: SlotLease) -> None:
        """Give the slot back; wakes the first in the queue. Unknown leases are ignored."""
        ...

    async def renew(self, leases: Sequence[SlotLease]) -> None:
        """Heartbeat: leases not renewed within the lease time are reclaimed (a crashed process frees its
        slots)."""
        ...

    async def load(self, resources: Sequence[str]) -> Loads:
        """Live counters of many resources in one call."""
        ...

    async def holders(self, resource: str) -> Sequence[tuple[str, int]]:
        """(owner, held since ms) of every slot in use, oldest first: answers "who holds my slots?"."""
        ...


class Claim(msgspec.Struct, frozen=True, gc=False):
    """An amount to hold against a bound such as `user:3:balance` or `key:9:quota`."""

    bound: str
    amount: int
    overdraft: int = 0
    """How far below zero the bound may go for this claim (`OverrunPolicy.OVERDRAFT`)."""


NO_LIMIT = 2**61
"""A bound with at least this much left has no limit: nothing is said about what remains of it."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """All claims are held."""

    remaining: int = field(default=NO_LIMIT, compare=False)
    """The least that is left of any of the bounds; `NO_LIMIT` or more: none of them has a limit."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The first bound that could not cover its claim; nothing was held."""

    bound: str
    available: int
    held: int = 0
    """Claims of others on this bound: what may become free again without anybody paying."""


@dataclass(frozen=True, slots=True)
class UnknownBounds:
    """These bounds have no known settled value: `load` them from the database and ask again.

    Pass `epoch` on to `load`: a value that was read before a settlement or a `forget` is then not taken for
    fresh.
    """

    bounds: tuple[str, ...]
    epoch: int = 0


class ReservationStore(Protocol):
    """Money held for requests in flight. Per bound: free = settled value - sum of outstanding claims.

    The settled value mirrors the database (balance, quota left); it is loaded lazily and moved by `settle`.
    """

    async def reserve(
        self, reservation_id: str, claims: Sequence[Claim], *, expires_at_ms: int
    ) -> Reserved | Refused | UnknownBounds:
        """Hold all claims or none, atomically over all bounds. Calling again with the same id adds to what is
        held."""
        ...

    async def load(self, settled: Mapping[str, int], *, epoch: int | None = None) -> None:
        """Set settled values read from the database; a bound that is already known keeps its value.

        With the `epoch` of the `UnknownBounds` that caused the read, nothing is set when a bound was moved or
        forgotten
        meanwhile (the value may be stale): the next `reserve` answers `UnknownBounds` again, so read again.
        """
        ...

    async def settle(self, reservation_id: str, spent: Mapping[str, int]) -> None:
        """Drop the reservation and lower each settled value by what was truly spent (may be below zero
        afterwards).
        Idempotent per reservation id; unknown ids still apply `spent` to known bounds once."""
        ...

    async def forget(self, bounds: Sequence[str]) -> None:
        """The database changed behind us (top-up, quota edit): read again on the next reserve. Outstanding
        claims stay."""
        ...

    async def outstanding(self, bound: str) -> int:
        """Sum of claims on a bound that were neither settled nor swept."""
        ...

    async def renew(self, *, ttl_s: int) -> None:
        """Heartbeat: what this process reserved and has not settled lives at least so long from now; what has
        been dropped stays dropped."""
        ...

    async def abandon(self, reservation_ids: Sequence[str]) -> None:
        """Their holder died: drop the claims, and read their bounds again, because only the database knows
        what it has spent. Unknown ids are ignored."""
        ...

    async def sweep(self) -> int:
        """Abandon reservations past their expiry; returns how many."""
        ...


class AffinityStore(Protocol):
    """Where conversations live."""

    async def get(self, session: SessionKey) -> Home | None: ...

    async def bind(self, session: SessionKey, home: Home, *, ttl_s: int) -> None:
        """Bind or re-bind; restarts the time to live."""
        ...

    async def drop(self, session: SessionKey) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooldown:
    """Why and until when an account (or one model on it: `model` not empty) is no candidate."""

    account_id: AccountId
    model: str
    until_ms: int
    reason: str
    evidence: str
    strikes: int = 0
    """Trials that had failed when it began (core/routing/health.py)."""
    began_ms: int = 0


PROBATION_MS = 24 * 3600 * 1000
"""A cooldown that is over, and whose end no answer has proven, is remembered for this long."""


class CooldownStore(Protocol):
    async def set(self, cooldown: Cooldown) -> None:
        """Only extends: an earlier end never replaces a later one (spec 3.10)."""
        ...

    async def active(self, accounts: Sequence[AccountId]) -> Sequence[Cooldown]:
        """Cooldowns in force now, of all models, and those that are over but not proven (half-open)."""
        ...

    async def forget(self, account: AccountId, model: str, *, until_ms: int) -> bool:
        """An answer has proven that this cooldown is over. One that ends later than `until_ms` is a newer
        one and stays; False: nothing was forgotten."""
        ...

    async def clear(self, account: AccountId) -> None:
        """Recover: forget all cooldowns of the account."""
        ...


class HealthLog(Protocol):
    """Timelines of accounts: the last `MAX_EVENTS` changes of state of each."""

    async def note(self, account: AccountId, event: HealthEvent) -> None: ...

    async def timeline(self, account: AccountId) -> Sequence[HealthEvent]:
        """Newest first."""
        ...


class QuotaWindowStore(Protocol):
    """What providers have said about the quota windows of accounts: the last `MAX_READINGS` of each."""

    async def note(self, account: AccountId, readings: Sequence[QuotaReading]) -> None: ...

    async def readings(self, account: AccountId) -> Sequence[QuotaReading]:
        """Newest first, of all windows."""
        ...


Entry = Literal["known", "new", "full"]


class SessionStore(Protocol):
    """How many conversations an account serves at a time: each counts until it has been idle for a while."""

    async def enter(self, resource: str, session: str, *, limit: int, idle_ms: int) -> Entry:
        """One of those that are counted goes on (`known`, whatever the limit), another begins where there is
        room (`new`)."""
        ...

    async def leave(self, resource: str, session: str) -> None: ...

    async def count(self, resource: str, *, idle_ms: int) -> int: ...


class CounterStore(Protocol):
    """Fixed-window counters: login throttling."""

    async def add(self, name: str, amount: int, *, window_s: int) -> int:
        """Add to the counter of the current window and return its value. The window starts at the first
        `add`."""
        ...

    async def value(self, name: str) -> int: ...

    async def reset(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RateGranted:
    levels: Mapping[str, RateLevel]
    """Of each bucket after the draw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateExceeded:
    """The bucket that must be waited for longest; nothing was drawn."""

    bucket: str
    retry_after_ms: int
    """When the draw would succeed if nobody else drew."""
    levels: Mapping[str, RateLevel]


class RateStore(Protocol):
    """Token buckets per minute: requests, and tokens by estimate (core/limits/token_bucket.py). A bucket that
    is not known is full. When its limit changes it stays as full as it was, in proportion."""

    async def draw(self, charges: Sequence[RateCharge]) -> RateGranted | RateExceeded:
        """Draw from all buckets or from none, atomically; no bucket twice. An amount larger than the limit is
        granted from a full bucket, which is then in debt: otherwise such a request could never be served."""
        ...

    async def correct(self, charges: Sequence[RateCharge]) -> None:
        """Draw (amount > 0) or give back (amount < 0) without asking: the truth at settlement. Buckets may go
        into debt (what an hour refills, at most), never above their limit."""
        ...


class LockStore(Protocol):
    """Named leases for work that only one process may do."""

    async def acquire(self, name: str, *, ttl_s: float) -> str | None:
        """A fencing token, or None when somebody else holds it."""
        ...

    async def renew(self, name: str, token: str, *, ttl_s: float) -> bool:
        """Keep the lock for another while; False when it was lost."""
        ...

    async def release(self, name: str, token: str) -> None: ...


async def _nothing_to_close() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """Everything above, from one backend. Await `close()` once at shutdown."""

    slots: SlotStore
    reservations: ReservationStore
    affinity: AffinityStore
    cooldowns: CooldownStore
    health: HealthLog
    quota_windows: QuotaWindowStore
    sessions: SessionStore
    counters: CounterStore
    rates: RateStore
    locks: LockStore
    close: Callable[[], Awaitable[None]] = _nothing_to_close
