"""What past answers teach about the next: how much output, how warm the cache, how dense the text.

Kept per process and bounded; losing it costs a little precision of reservations, never money. The first slice
of a stream is the learned p90 of (key, model) instead of a constant, and a conversation whose cache was warm
a moment ago may be admitted on what it really cost when the high estimate cannot be covered.
"""

from collections import deque

from headgate.core.ids import KeyId, SessionKey
from headgate.relay.exchange import Exchange
from headgate.settings import LimitsSettings

_SAMPLES = 32
_MOST = 20_000
_WARM_MS = 5 * 60_000
"""Providers keep a prompt's cache for five minutes after its last use."""
_MARGIN_PERCENT = 125
"""Head-room over the last input's cost: the conversation has grown by a turn."""


class _Outputs:
    """The last outputs of one (key, model), in tokens, with their p90 at hand."""

    __slots__ = ("last", "p90")

    def __init__(self) -> None:
        self.last: deque[int] = deque(maxlen=_SAMPLES)
        self.p90 = 0

    def add(self, tokens: int) -> None:
        self.last.append(tokens)
        ranked = sorted(self.last)
        self.p90 = ranked[len(ranked) * 9 // 10]


class Experience:
    """One per process, fed by settlements."""

    def __init__(self) -> None:
        self._outputs: dict[tuple[KeyId, str], _Outputs] = {}
        self._inputs: dict[SessionKey, tuple[int, int]] = {}
        """Session -> (cost of the last input per estimated cost, in ten-thousandths; when)."""

    def first_slice(self, key_id: KeyId, model: str) -> int | None:
        """The p90 of this key's answers by this model, in tokens; None before the first."""
        known = self._outputs.get((key_id, model))
        return None if known is None else known.p90

    def likely_input(self, session: SessionKey | None, estimated_nano: int, *, now_ms: int) -> int | None:
        """What the input will probably cost when the high estimate is `estimated_nano`: as the conversation's
        last one turned out, while its cache is warm. Never more than the estimate; None: not known."""
        known = self._inputs.get(session) if session is not None else None
        if known is None or now_ms - known[1] > _WARM_MS:
            return None
        return min(estimated_nano, -(-estimated_nano * known[0] * _MARGIN_PERCENT // 1_000_000))

    def note(
        self,
        key_id: KeyId,
        model: str,
        *,
        output_tokens: int,
        session: SessionKey | None,
        input_nano: int,
        estimated_nano: int,
        now_ms: int,
    ) -> None:
        """A complete answer whose usage the provider reported."""
        if len(self._outputs) >= _MOST:
            self._outputs.clear()
        self._outputs.setdefault((key_id, model), _Outputs()).add(output_tokens)
        if session is not None and estimated_nano > 0:
            if len(self._inputs) >= _MOST:
                self._inputs.clear()
            self._inputs[session] = (-(-input_nano * 10_000 // estimated_nano), now_ms)


def first_slice(exchange: Exchange, experience: Experience, limits: LimitsSettings) -> int:
    """Output tokens that one answer is taken to need at first, whatever limit the request states."""
    known = experience.first_slice(exchange.caller.key.id, exchange.peek.model)
    return limits.first_output_slice_tokens if known is None else max(known, limits.min_output_tokens)
