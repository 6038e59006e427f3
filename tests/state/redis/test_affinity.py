"""Homes in Redis, written by whoever writes there."""

from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from headgate.core.ids import AccountId, SessionKey
from headgate.core.routing.stickiness import Home
from headgate.kit.secret import Secret
from headgate.settings import RedisSettings
from headgate.state.redis import open_redis_state
from tests.state.conftest import short_leases

pytestmark = pytest.mark.redis
SESSION = SessionKey("9:session:1")


@pytest.mark.parametrize("stored", [b"7", b"", b"[", b'["x"]', b"\xff\xfe", b"[]"])
async def test_a_home_that_cannot_be_read_is_none_and_is_written_anew(redis_url: str, stored: bytes) -> None:
    state = open_redis_state(RedisSettings(url=Secret(redis_url), deadline_s=5), short_leases())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(state.close)
        admin = await stack.enter_async_context(Redis.from_url(redis_url))
        await admin.set(f"headgate:home:{SESSION}", stored)
        assert await state.affinity.get(SESSION) is None
        await state.affinity.bind(SESSION, Home(AccountId(7), 5, 6, "m"), ttl_s=60)
        assert await state.affinity.get(SESSION) == Home(AccountId(7), 5, 6, "m")
