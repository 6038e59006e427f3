"""Shared state of many processes and machines in one Redis (6.2 or newer), keys prefixed `headgate:`.

Every change is one Lua script, so it is atomic; expiry of leases and windows goes by the clock of the server.
Set `maxmemory-policy noeviction`: an evicted bound is read again, but an evicted slot or claim is a limit
not kept.
"""

from headgate.errors import StartupError
from headgate.settings import LimitsSettings, RedisSettings
from headgate.state.protocols import SharedState
from headgate.state.redis.affinity import RedisAffinity
from headgate.state.redis.cooldowns import RedisCooldowns
from headgate.state.redis.counters import RedisCounters
from headgate.state.redis.health import RedisHealthLog
from headgate.state.redis.locks import RedisLocks
from headgate.state.redis.pipeline import Pipeline
from headgate.state.redis.quota_windows import RedisQuotaWindows
from headgate.state.redis.rates import RedisRates
from headgate.state.redis.reservations import RedisReservations
from headgate.state.redis.sessions import RedisSessions
from headgate.state.redis.slots import RedisSlots


def open_redis_state(redis: RedisSettings, limits: LimitsSettings) -> SharedState:
    """State in the Redis of `redis.url`. Connects at the first call, so that a start does not depend on
    Redis."""
    if redis.url is None:
        raise StartupError(
            "redis.url is not set; set it or HEADGATE_REDIS_URL to redis://[:password@]host:port/db"
        )
    try:
        pipeline = Pipeline(redis.url, deadline_s=redis.deadline_s)
    except ValueError:
        raise StartupError("redis.url is not a Redis URL; use redis://[:password@]host:port/db") from None
    return SharedState(
        slots=RedisSlots(pipeline, lease_s=limits.slot_lease_s),
        reservations=RedisReservations(pipeline),
        affinity=RedisAffinity(pipeline),
        cooldowns=RedisCooldowns(pipeline),
        health=RedisHealthLog(pipeline),
        quota_windows=RedisQuotaWindows(pipeline),
        sessions=RedisSessions(pipeline),
        counters=RedisCounters(pipeline),
        rates=RedisRates(pipeline),
        locks=RedisLocks(pipeline),
        close=pipeline.close,
    )
