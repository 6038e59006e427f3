"""Token buckets of one process. A full bucket is no bucket: what is idle for a while takes no memory."""

from collections.abc import Sequence

from headgate.core.limits.token_bucket import RateCharge, drawn, levels_of, refilled, rescaled, wait_ms
from headgate.kit.clock import Clock
from headgate.state.protocols import RateExceeded, RateGranted

_LOOKED_AT = 2
"""Old buckets looked at for each new one: more than come, so that those that filled up cannot pile up."""


class _Bucket:
    __slots__ = ("at_ms", "limit", "spent")

    def __init__(self, limit: int, spent: int, at_ms: int) -> None:
        self.limit = limit
        self.spent = spent
        self.at_ms = at_ms

    def turn(self, limit: int, now_ms: int) -> int:
        """Bring it to the present and the present limit; what is spent then. After a clock went back it
        refills from there on."""
        spent = refilled(self.spent, limit=self.limit, elapsed_ms=now_ms - self.at_ms)
        self.spent = rescaled(spent, old_limit=self.limit, limit=limit)
        self.limit = limit
        self.at_ms = now_ms
        return self.spent


class MemoryRates:
    """Implements `RateStore`. Monotonic time: the wall clock may jump as it likes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    async def draw(self, charges: Sequence[RateCharge]) -> RateGranted | RateExceeded:
        now = self._now_ms()
        spent = [self._spent(charge, now) for charge in charges]
        waits = [wait_ms(present, charge) for present, charge in zip(spent, charges, strict=True)]
        longest = max(waits, default=0)
        if longest > 0:
            refused = charges[waits.index(longest)]
            return RateExceeded(
                bucket=refused.bucket, retry_after_ms=longest, levels=levels_of(charges, spent)
            )
        after = [drawn(present, charge) for present, charge in zip(spent, charges, strict=True)]
        for charge, present in zip(charges, after, strict=True):
            self._keep(charge, present, now)
        return RateGranted(levels=levels_of(charges, after))

    async def correct(self, charges: Sequence[RateCharge]) -> None:
        now = self._now_ms()
        for charge in charges:
            self._keep(charge, drawn(self._spent(charge, now), charge), now)

    def _now_ms(self) -> int:
        return int(self._clock.monotonic() * 1000)

    def _spent(self, charge: RateCharge, now_ms: int) -> int:
        bucket = self._buckets.get(charge.bucket)
        return 0 if bucket is None else bucket.turn(charge.limit, now_ms)

    def _keep(self, charge: RateCharge, spent: int, now_ms: int) -> None:
        bucket = self._buckets.get(charge.bucket)
        if spent == 0:
            self._buckets.pop(charge.bucket, None)
        elif bucket is None:
            self._forget_full(now_ms)
            self._buckets[charge.bucket] = _Bucket(charge.limit, spent, now_ms)
        else:
            bucket.spent = spent

    def _forget_full(self, now_ms: int) -> None:
        for _ in range(min(_LOOKED_AT, len(self._buckets))):
            name, bucket = next(iter(self._buckets.items()))
            del self._buckets[name]
            if bucket.turn(bucket.limit, now_ms) > 0:
                self._buckets[name] = bucket  # behind the others: looked at again when its turn comes
