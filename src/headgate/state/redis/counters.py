"""Fixed-window counters in Redis: one integer per name, which expires with its window."""

from headgate.state.redis.pipeline import Pipeline
from headgate.state.redis.scripts import read_script

_PREFIX = "headgate:counter:"


class RedisCounters:
    """Implements `CounterStore`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._add = read_script("counter_add")

    async def add(self, name: str, amount: int, *, window_s: int) -> int:
        return int(await self._pipeline.run(self._add, name, amount, window_s * 1000))

    async def value(self, name: str) -> int:
        return int(await self._pipeline.call("GET", _PREFIX + name) or 0)

    async def reset(self, name: str) -> None:
        await self._pipeline.call("DEL", _PREFIX + name)
