"""Token buckets in Redis: one string per bucket that is not full, which expires when it is full again."""

from collections.abc import Sequence

from headgate.core.limits.token_bucket import RateCharge, levels_of
from headgate.state.protocols import RateExceeded, RateGranted
from headgate.state.redis.pipeline import Pipeline
from headgate.state.redis.scripts import read_script


class RedisRates:
    """Implements `RateStore`. The server's clock refills: the processes need not agree on the time."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._draw = read_script("rate_draw", shared="rates")
        self._correct = read_script("rate_correct", shared="rates")

    async def draw(self, charges: Sequence[RateCharge]) -> RateGranted | RateExceeded:
        if not charges:
            return RateGranted(levels={})
        refused, wait_ms, *spent = await self._pipeline.run(self._draw, *_arguments(charges))
        levels = levels_of(charges, spent)
        if refused:
            bucket = charges[refused - 1].bucket
            return RateExceeded(bucket=bucket, retry_after_ms=wait_ms, levels=levels)
        return RateGranted(levels=levels)

    async def correct(self, charges: Sequence[RateCharge]) -> None:
        if charges:
            await self._pipeline.run(self._correct, *_arguments(charges))


def _arguments(charges: Sequence[RateCharge]) -> list[str | int]:
    return [part for each in charges for part in (each.bucket, each.limit, each.amount)]
