"""Shared state of one process: plain dictionaries, no locks (one event loop), nothing survives a restart."""

from headgate.kit.clock import Clock
from headgate.settings import LimitsSettings
from headgate.state.memory.affinity import MemoryAffinity
from headgate.state.memory.cooldowns import MemoryCooldowns
from headgate.state.memory.counters import MemoryCounters
from headgate.state.memory.health import MemoryHealthLog
from headgate.state.memory.locks import MemoryLocks
from headgate.state.memory.quota_windows import MemoryQuotaWindows
from headgate.state.memory.rates import MemoryRates
from headgate.state.memory.reservations import MemoryReservations
from headgate.state.memory.sessions import MemorySessions
from headgate.state.memory.slots import MemorySlots
from headgate.state.protocols import SharedState


def open_memory_state(clock: Clock, limits: LimitsSettings) -> SharedState:
    """State for an installation of one process."""
    return SharedState(
        slots=MemorySlots(clock, lease_s=limits.slot_lease_s),
        reservations=MemoryReservations(clock),
        affinity=MemoryAffinity(clock),
        cooldowns=MemoryCooldowns(clock),
        health=MemoryHealthLog(),
        quota_windows=MemoryQuotaWindows(),
        sessions=MemorySessions(clock),
        counters=MemoryCounters(clock),
        rates=MemoryRates(clock),
        locks=MemoryLocks(clock),
    )
