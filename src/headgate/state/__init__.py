"""Ephemeral shared state: one set of protocols, in-process or in Redis (DESIGN 7)."""

from headgate.kit.clock import Clock
from headgate.settings import Settings
from headgate.state.memory import open_memory_state
from headgate.state.protocols import SharedState
from headgate.state.redis import open_redis_state


def open_state(settings: Settings, clock: Clock) -> SharedState:
    """Redis when `redis.url` is set, else in-process. Raises `StartupError` on a bad URL."""
    if settings.redis.url is None:
        return open_memory_state(clock, settings.limits)
    return open_redis_state(settings.redis, settings.limits)
