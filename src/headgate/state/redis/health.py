"""Timelines in Redis: one list per account, newest first, cut at its bound; forgotten after a month of
quiet."""

from collections.abc import Sequence

import msgspec

from headgate.core.ids import AccountId
from headgate.core.routing.health import MAX_EVENTS, HealthEvent
from headgate.state.redis.pipeline import Pipeline
from headgate.state.redis.scripts import read_script

_KEPT_S = 31 * 24 * 3600
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(HealthEvent)


class RedisHealthLog:
    """Implements `HealthLog`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._note = read_script("health_note")

    async def note(self, account: AccountId, event: HealthEvent) -> None:
        await self._pipeline.run(self._note, account, MAX_EVENTS, _KEPT_S, _ENCODER.encode(event))

    async def timeline(self, account: AccountId) -> Sequence[HealthEvent]:
        found = await self._pipeline.call("LRANGE", f"headgate:health:{account}", 0, MAX_EVENTS - 1)
        return [_DECODER.decode(event) for event in found]
