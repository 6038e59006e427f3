"""Money held for requests in flight, in one process. Invariant: `held` of a bound = sum of its outstanding
claims."""

from collections.abc import Mapping, Sequence

from headgate.kit.clock import Clock
from headgate.state.protocols import NO_LIMIT, Claim, Refused, Reserved, UnknownBounds

MAX_BOUNDS = 200_000
"""Settled values kept (about 50 MB); beyond it the idle ones are read from the database again."""
SETTLED_IDS = 50_000
"""Settled reservation ids kept, at least, to make `settle` idempotent: 50 s at 1,000 requests/s, about 10 MB.
A repeated settlement is a retry within the commit timeout (seconds)."""


class _Bound:
    """`settled` is None while unknown; a value read at an epoch before `moved_at` may be stale."""

    __slots__ = ("held", "moved_at", "name", "settled")

    def __init__(self, name: str, moved_at: int) -> None:
        self.name = name
        self.settled: int | None = None
        self.held = 0
        self.moved_at = moved_at


_Held = Sequence[tuple[_Bound, int]]
"""What is held on which bounds."""


class _Reservation:
    """`claims` on the bounds themselves, whose names nobody needs to look up again: one with money held on it
    is not evicted."""

    __slots__ = ("claims", "expires_at_ms")

    def __init__(self, claims: _Held, expires_at_ms: int) -> None:
        self.claims = claims
        self.expires_at_ms = expires_at_ms

    def add(self, claims: _Held, expires_at_ms: int) -> None:
        """One claim for each bound, however often a stream asks for more."""
        sums: dict[_Bound, int] = {}
        for bound, amount in (*self.claims, *claims):
            sums[bound] = sums.get(bound, 0) + amount
        self.claims = list(sums.items())
        self.expires_at_ms = max(self.expires_at_ms, expires_at_ms)


class _RecentIds:
    """Remembers at least the last `size` ids, at most twice as many: two generations, no per-entry
    bookkeeping."""

    __slots__ = ("_old", "_size", "_young")

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: set[str] = set()
        self._old: set[str] = set()

    def add(self, name: str) -> bool:
        """False when it was known already."""
        if name in self._young or name in self._old:
            return False
        if len(self._young) >= self._size:
            self._old, self._young = self._young, set()
        self._young.add(name)
        return True


class MemoryReservations:
    """Implements `ReservationStore`."""

    def __init__(self, clock: Clock, *, max_bounds: int = MAX_BOUNDS, settled_ids: int = SETTLED_IDS) -> None:
        self._clock = clock
        self._max_bounds = max_bounds
        self._bounds: dict[str, _Bound] = {}
        self._reservations: dict[str, _Reservation] = {}
        self._settled = _RecentIds(settled_ids)
        self._epoch = 0
        self._evicted_at = 0

    async def reserve(
        self, reservation_id: str, claims: Sequence[Claim], *, expires_at_ms: int
    ) -> Reserved | Refused | UnknownBounds:
        held: list[tuple[_Bound, int]] = []
        remaining, find = NO_LIMIT, self._bounds.get
        for claim in claims:
            bound, amount = find(claim.bound), claim.amount
            if bound is None or (settled := bound.settled) is None or amount < 0:
                break
            holding = bound.held + amount
            left = settled - holding
            if left + claim.overdraft < 0:
                break
            bound.held = holding
            held.append((bound, amount))
            if left < remaining:
                remaining = left
        else:
            reservation = self._reservations.get(reservation_id)
            if reservation is None:
                self._reservations[reservation_id] = _Reservation(held, expires_at_ms)
            else:
                reservation.add(held, expires_at_ms)
            return Reserved(remaining)
        return self._why_not(claims, held, claim)

    async def load(self, settled: Mapping[str, int], *, epoch: int | None = None) -> None:
        for name, value in settled.items():
            bound = self._bound(name)
            if bound.settled is None and (epoch is None or bound.moved_at <= epoch):
                bound.settled = value
        if len(self._bounds) > self._max_bounds:
            self._evict_idle()

    async def settle(self, reservation_id: str, spent: Mapping[str, int]) -> None:
        self._drop(reservation_id)
        if not self._settled.add(reservation_id):
            return
        for name, amount in spent.items():
            bound = self._bounds.get(name)
            if bound is None:
                continue
            if bound.settled is None:
                self._mark_moved(bound)
            else:
                bound.settled -= amount

    async def forget(self, bounds: Sequence[str]) -> None:
        for name in bounds:
            bound = self._bounds.get(name)
            if bound is not None:
                bound.settled = None
                self._mark_moved(bound)

    async def outstanding(self, bound: str) -> int:
        known = self._bounds.get(bound)
        return known.held if known is not None else 0

    async def renew(self, *, ttl_s: int) -> None:
        until = self._clock.now_ms() + ttl_s * 1000
        for reservation in self._reservations.values():
            reservation.expires_at_ms = max(reservation.expires_at_ms, until)

    async def abandon(self, reservation_ids: Sequence[str]) -> None:
        for name in reservation_ids:
            reservation = self._reservations.get(name)
            if reservation is not None:
                self._drop(name)
                await self.forget([bound.name for bound, _ in reservation.claims])

    async def sweep(self) -> int:
        now = self._clock.now_ms()
        expired = [name for name, held in self._reservations.items() if held.expires_at_ms <= now]
        await self.abandon(expired)
        return len(expired)

    def _unknown(self, claims: Sequence[Claim]) -> UnknownBounds:
        """Also notes that somebody reads these from the database now, so that a move meanwhile is noticed."""
        missing: dict[str, None] = {}
        for claim in claims:
            if self._bound(claim.bound).settled is None:
                missing[claim.bound] = None
        return UnknownBounds(tuple(missing), self._epoch)

    def _bound(self, name: str) -> _Bound:
        bound = self._bounds.get(name)
        if bound is None:
            bound = self._bounds[name] = _Bound(name, moved_at=self._evicted_at)
        return bound

    def _why_not(self, claims: Sequence[Claim], held: _Held, failed: Claim) -> Refused | UnknownBounds:
        """Give back what was `held` before `failed` could not be. Whatever else is wrong, an unknown bound is
        asked for first. Raises ValueError for a negative claim."""
        for bound, amount in held:
            bound.held -= amount
        for claim in claims:
            known = self._bounds.get(claim.bound)
            if known is None or known.settled is None:
                return self._unknown(claims)
            if claim.amount < 0:
                raise ValueError(f"claim on {claim.bound} is negative: {claim.amount}")
        bound = self._bounds[failed.bound]
        return Refused(failed.bound, (bound.settled or 0) - bound.held, bound.held)

    def _drop(self, reservation_id: str) -> None:
        reservation = self._reservations.pop(reservation_id, None)
        if reservation is not None:
            for bound, amount in reservation.claims:
                bound.held -= amount

    def _mark_moved(self, bound: _Bound) -> None:
        self._epoch += 1
        bound.moved_at = self._epoch

    def _evict_idle(self) -> None:
        """Forget bounds that nobody holds a claim on, oldest first, down to nine tenths: rare and
        amortised."""
        surplus = len(self._bounds) - self._max_bounds * 9 // 10
        idle = [name for name, bound in self._bounds.items() if bound.held == 0][:surplus]
        self._epoch += 1
        self._evicted_at = self._epoch
        for name in idle:
            del self._bounds[name]
