"""Keeping slots alive while their requests run, and giving them back exactly once."""

import asyncio

import structlog

from headgate.state.protocols import SlotLease, SlotStore, StateUnavailable

log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Renews every lease that this process holds, so that only a dead process loses its slots (PAINS 16)."""

    def __init__(self, slots: SlotStore, *, lease_s: float) -> None:
        self._slots = slots
        self._period_s = lease_s / 3
        self._held: set[SlotLease] = set()

    def hold(self, lease: SlotLease) -> None:
        self._held.add(lease)

    async def release(self, lease: SlotLease) -> None:
        self._held.discard(lease)
        try:
            await self._slots.release(lease)
        except StateUnavailable:
            log.warning("slot_left_to_expire", resource=lease.resource)

    async def run(self) -> None:
        """Heartbeat until cancelled."""
        while True:
            await asyncio.sleep(self._period_s)
            if not self._held:
                continue
            try:
                await self._slots.renew(tuple(self._held))
            except StateUnavailable:
                log.warning("slots_not_renewed", held=len(self._held))

    def __len__(self) -> int:
        return len(self._held)
