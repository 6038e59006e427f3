"""Tying a re-sent request to the broken exchange before it, as Claude Code and Codex do (clients/README)."""

from collections import OrderedDict

from headgate.core.ids import ExchangeId, SessionKey
from headgate.kit.clock import Clock

_REMEMBERED_MS = 5 * 60 * 1000
_MOST = 10_000


class BrokenSessions:
    """Conversations whose last answer broke off, for a few minutes. Per process: it only feeds the trace."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._broken: OrderedDict[SessionKey, tuple[ExchangeId, int]] = OrderedDict()

    def broke(self, session: SessionKey, exchange: ExchangeId) -> None:
        self._broken[session] = (exchange, self._clock.now_ms())
        self._broken.move_to_end(session)
        if len(self._broken) > _MOST:
            self._broken.popitem(last=False)

    def take(self, session: SessionKey) -> ExchangeId | None:
        """The broken exchange that the next one of this conversation most likely repeats; told once."""
        if not self._broken:
            return None
        found = self._broken.pop(session, None)
        if found is None or self._clock.now_ms() - found[1] > _REMEMBERED_MS:
            return None
        return found[0]
