"""Holding money for an exchange against every bound that applies, with the database behind the store.

The store mirrors what the database says is left; this module fills it, empties it when the world moved, and
asks the database once more before it believes a refusal (a window may have rolled over, another process may
have credited).
"""

from collections.abc import Sequence

from headgate.core.faults import RelayError
from headgate.core.limits.admission import claims_for, refused_fault
from headgate.kit.clock import Clock
from headgate.relay.exchange import Exchange
from headgate.settings import LimitsSettings
from headgate.state.protocols import (
    Claim,
    Refused,
    ReservationStore,
    Reserved,
    StateUnavailable,
    UnknownBounds,
)
from headgate.storage.read_model import ReadModel

_RECHECK_MS = 1_000
"""A refused bound is read again at most this often: refusals must stay cheap."""
_MOST_BOUNDS = 100_000


class Reserver:
    def __init__(
        self, reservations: ReservationStore, read_model: ReadModel, clock: Clock, limits: LimitsSettings
    ) -> None:
        self._reservations = reservations
        self._read_model = read_model
        self._clock = clock
        self._ttl_ms = limits.reservation_ttl_s * 1000
        self._loaded: dict[str, int] = {}
        """Bound -> when this process last read it from the database (Unix ms)."""

    async def reserve(self, exchange: Exchange, nano: int) -> None:
        """Hold `nano` on all bounds of the caller, or raise `RelayError` naming the first that cannot cover
        it."""
        claims = [Claim(bound, amount) for bound, amount in claims_for(exchange.caller, nano)]
        if not claims:
            return
        answer = await self._ask(exchange, claims)
        if isinstance(answer, Refused) and self._is_stale(answer.bound):
            await self._reservations.forget([answer.bound])
            answer = await self._ask(exchange, claims)
        if isinstance(answer, Refused):
            raise RelayError(refused_fault(answer.bound, answer.available, needed_nano=nano))
        exchange.reserved_bounds = tuple(claim.bound for claim in claims)
        exchange.trace.note("reserved", {"nano": nano, "bounds": exchange.reserved_bounds})

    async def forget_all(self) -> None:
        """Configuration changed somewhere: read every bound again when it is next needed."""
        bounds, self._loaded = list(self._loaded), {}
        if bounds:
            await self._reservations.forget(bounds)

    async def _ask(self, exchange: Exchange, claims: Sequence[Claim]) -> Reserved | Refused:
        expires = self._clock.now_ms() + self._ttl_ms
        for _ in range(3):  # a bound can be forgotten again between loading and reserving
            answer = await self._reservations.reserve(exchange.id, claims, expires_at_ms=expires)
            if not isinstance(answer, UnknownBounds):
                return answer
            await self._load(answer)
        raise StateUnavailable("the reservation store forgets faster than it can be filled")

    async def _load(self, unknown: UnknownBounds) -> None:
        bounds = unknown.bounds
        if len(self._loaded) > _MOST_BOUNDS:
            self._loaded.clear()
        now = self._clock.now_ms()
        self._loaded.update(dict.fromkeys(bounds, now))
        await self._reservations.load(await self._read_model.load_bounds(bounds), epoch=unknown.epoch)

    def _is_stale(self, bound: str) -> bool:
        return self._clock.now_ms() - self._loaded.get(bound, 0) >= _RECHECK_MS
