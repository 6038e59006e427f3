"""Money held for requests in flight, in Redis; the layout is described in `lua/reservations.lua`."""

from collections.abc import Mapping, Sequence

from headgate.state.protocols import Claim, Refused, Reserved, UnknownBounds
from headgate.state.redis.pipeline import Pipeline
from headgate.state.redis.scripts import read_script

SETTLED_MEMORY_MS = 600_000
"""How long a settled id makes `settle` idempotent: repeats come within seconds. About 100 bytes each, so 60
MB of Redis
at 1,000 requests/s."""
SWEEP_AT_ONCE = 500
"""Reservations dropped per script run, so that a sweep after an outage blocks Redis for milliseconds only."""


class RedisReservations:
    """Implements `ReservationStore`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._reserve = read_script("reserve", shared="reservations")
        self._load = read_script("reservation_load", shared="reservations")
        self._settle = read_script("settle", shared="reservations")
        self._forget = read_script("reservation_forget", shared="reservations")
        self._own: set[str] = set()
        """What this process reserved and has not settled."""
        self._renew = read_script("reservation_renew", shared="reservations")
        self._abandon = read_script("reservation_abandon", shared="reservations")
        self._sweep = read_script("reservation_sweep", shared="reservations")

    async def reserve(
        self, reservation_id: str, claims: Sequence[Claim], *, expires_at_ms: int
    ) -> Reserved | Refused | UnknownBounds:
        triples: list[str | int] = []
        for claim in claims:
            if claim.amount < 0:
                raise ValueError(f"claim on {claim.bound} is negative: {claim.amount}")
            triples += (claim.bound, claim.amount, claim.overdraft)
        answer = await self._pipeline.run(self._reserve, reservation_id, expires_at_ms, *triples)
        match answer:
            case [b"refused", bound, available, held]:
                return Refused(bound.decode(), int(available), int(held or 0))
            case [b"unknown", epoch, *bounds]:
                return UnknownBounds(tuple(bound.decode() for bound in bounds), int(epoch))
            case [b"held", remaining]:
                reserved = Reserved(int(remaining))
            case _:
                reserved = Reserved()
        self._own.add(reservation_id)
        return reserved

    async def load(self, settled: Mapping[str, int], *, epoch: int | None = None) -> None:
        await self._pipeline.run(self._load, "" if epoch is None else epoch, *_pairs(settled))

    async def settle(self, reservation_id: str, spent: Mapping[str, int]) -> None:
        self._own.discard(reservation_id)
        await self._pipeline.run(self._settle, reservation_id, SETTLED_MEMORY_MS, *_pairs(spent))

    async def forget(self, bounds: Sequence[str]) -> None:
        await self._pipeline.run(self._forget, *bounds)

    async def outstanding(self, bound: str) -> int:
        return int(await self._pipeline.call("HGET", f"headgate:bound:{bound}", "held") or 0)

    async def renew(self, *, ttl_s: int) -> None:
        own = list(self._own)
        for start in range(0, len(own), SWEEP_AT_ONCE):
            await self._pipeline.run(self._renew, ttl_s * 1000, *own[start : start + SWEEP_AT_ONCE])

    async def abandon(self, reservation_ids: Sequence[str]) -> None:
        self._own.difference_update(reservation_ids)
        if reservation_ids:
            await self._pipeline.run(self._abandon, *reservation_ids)

    async def sweep(self) -> int:
        dropped = 0
        while count := int(await self._pipeline.run(self._sweep, SWEEP_AT_ONCE)):
            dropped += count
        return dropped


def _pairs(amounts: Mapping[str, int]) -> list[str | int]:
    return [part for pair in amounts.items() for part in pair]
