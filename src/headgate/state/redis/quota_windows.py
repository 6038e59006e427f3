"""Readings of quota windows in Redis: one list per account, newest first, cut at its bound; forgotten after
a month of quiet, when the longest window is over."""

from collections.abc import Sequence

import msgspec

from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import MAX_READINGS, QuotaReading
from headgate.state.redis.pipeline import Pipeline
from headgate.state.redis.scripts import read_script

_KEPT_S = 32 * 24 * 3600
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(QuotaReading)


class RedisQuotaWindows:
    """Implements `QuotaWindowStore`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._note = read_script("quota_note")

    async def note(self, account: AccountId, readings: Sequence[QuotaReading]) -> None:
        if readings:
            encoded = [_ENCODER.encode(reading) for reading in readings]
            await self._pipeline.run(self._note, account, MAX_READINGS, _KEPT_S, *encoded)

    async def readings(self, account: AccountId) -> Sequence[QuotaReading]:
        found = await self._pipeline.call("LRANGE", f"headgate:quota:{account}", 0, MAX_READINGS - 1)
        return [_DECODER.decode(reading) for reading in found]
