"""What attempts teach about accounts, for the scored policy: one record per (account, model).

Kept per process and bounded: the record that was touched longest ago goes first; losing one costs a little
wisdom, never an answer.
"""

from collections import OrderedDict

from headgate.core.faults import Blame, Fault
from headgate.core.ids import AccountId
from headgate.core.routing.track_record import NO_RECORD, TrackRecord
from headgate.kit.clock import Clock

_MOST = 20_000
_COUNTED = frozenset({Blame.ACCOUNT, Blame.UPSTREAM})
"""Whose faults say something about the account; a client's or our own do not."""


class TrackRecords:
    """One per process, fed by attempts."""

    def __init__(self, clock: Clock, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._known: OrderedDict[tuple[AccountId, str], TrackRecord] = OrderedDict()

    def of(self, account_id: AccountId, model: str) -> TrackRecord:
        """As of now."""
        known = self._known.get((account_id, model))
        return NO_RECORD if known is None else known.at(self._clock.now_ms())

    def note(
        self,
        account_id: AccountId,
        model: str,
        *,
        fault: Fault | None,
        ttft_ms: int | None,
        answer_ms: int | None = None,
    ) -> None:
        """An attempt ended; `fault` None: with a complete answer, after `answer_ms`."""
        if fault is not None and fault.kind.blame not in _COUNTED:
            return
        key = (account_id, model)
        before = self._known.pop(key, NO_RECORD)
        self._known[key] = before.after(
            has_failed=fault is not None,
            ttft_ms=ttft_ms,
            answer_ms=None if fault is not None else answer_ms,
            now_ms=self._clock.now_ms(),
        )
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def __len__(self) -> int:
        return len(self._known)
