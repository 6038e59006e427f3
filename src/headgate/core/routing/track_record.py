"""How an account has lately done with a model: error rate and time to the first token (spec 3.5).

Knows: moving averages, and that evidence grows old. Refuses to know: stores, clocks. Invariant: an account
that is no longer chosen is forgiven with time, so that it gets another chance.
"""

from typing import Self

import msgspec
from msgspec.structs import replace

ALPHA = 0.2
"""Share of the newest attempt in the averages."""
ERROR_HALF_LIFE_MS = 10 * 60_000
"""In which time without attempts the error rate halves."""
TTFT_KEPT_MS = 60 * 60_000
"""After which time without attempts the time to the first token counts as unknown."""


class TrackRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    error_rate: float = 0.0
    """0 to 1, as of `at_ms`."""
    ttft_ms: float | None = None
    answer_ms: float | None = None
    """Time that complete answers took."""
    at_ms: int = 0
    """When the last attempt ended."""

    def at(self, now_ms: int) -> Self:
        """The same, aged; a clock that went back ages nothing."""
        age_ms = now_ms - self.at_ms
        if age_ms <= 0:
            return self
        return replace(
            self,
            error_rate=self.error_rate * 0.5 ** (age_ms / ERROR_HALF_LIFE_MS),
            ttft_ms=self.ttft_ms if age_ms < TTFT_KEPT_MS else None,
            answer_ms=self.answer_ms if age_ms < TTFT_KEPT_MS else None,
            at_ms=now_ms,
        )

    def after(
        self, *, has_failed: bool, ttft_ms: int | None, now_ms: int, answer_ms: int | None = None
    ) -> Self:
        """With one more attempt; `ttft_ms` None: the answer was no stream, or there was none; `answer_ms`
        None: it was not complete."""
        aged = self.at(now_ms)
        rate = aged.error_rate + ALPHA * ((1.0 if has_failed else 0.0) - aged.error_rate)
        return replace(
            aged,
            error_rate=rate,
            ttft_ms=_averaged(aged.ttft_ms, ttft_ms),
            answer_ms=_averaged(aged.answer_ms, answer_ms),
            at_ms=now_ms,
        )


def _averaged(known: float | None, newest_ms: int | None) -> float | None:
    if newest_ms is None:
        return known
    return float(newest_ms) if known is None else known + ALPHA * (newest_ms - known)


NO_RECORD = TrackRecord()
