"""Places where a test may let this process die, so that what follows a death can be proven (tests/crash).

The process kills itself with SIGKILL, as the kernel or an operator would: no clean-up, no flush, no goodbye.
Armed only by the environment variable HEADGATE_FAIL_POINT; a gateway without it pays one comparison per
place.
"""

import os
import signal
from enum import StrEnum
from typing import Self


class FailPoint(StrEnum):
    """The step boundaries of the money path, in the order in which an exchange comes to them."""

    AFTER_ADMISSION = "after_admission"
    """Slot and money are held, nothing is written."""
    AFTER_INTENT_QUEUED = "after_intent_queued"
    AFTER_INTENT_COMMITTED = "after_intent_committed"
    """The intent is durable, the provider has not been asked."""
    AFTER_UPSTREAM_HEAD = "after_upstream_head"
    """The provider has answered with a status, and may bill."""
    AFTER_FIRST_BYTE = "after_first_byte"
    MID_STREAM = "mid_stream"
    """After any later event of a stream."""
    BEFORE_SETTLE = "before_settle"
    """The answer is known to its end, nothing of it is written."""
    AFTER_SETTLE_QUEUED = "after_settle_queued"
    BEFORE_COMMIT = "before_commit"
    """All rows of a journal's group are written, its transaction is open."""
    AFTER_COMMIT = "after_commit"
    """The group is durable, nobody has been told."""
    BEFORE_RESERVATION_SETTLED = "before_reservation_settled"
    """The charge is in the books, the money is still held in the shared state as well."""
    BEFORE_LAST_BYTE = "before_last_byte"
    AFTER_LAST_BYTE = "after_last_byte"
    BEFORE_RELEASE = "before_release"
    """The client has its answer, slot and reservation are not given back."""
    DURING_RECOVERY = "during_recovery"
    """One intent of a dead process is completed, the next is not."""
    BEFORE_MANAGEMENT_COMMIT = "before_management_commit"
    """A management write that moves money (a balance, a code, a subscription) is done, not committed."""
    AFTER_MANAGEMENT_COMMIT = "after_management_commit"
    """It is committed; neither the reservations nor the caller have heard."""


class FailPoints:
    """The armed place of this process, if any."""

    __slots__ = ("_armed", "_left")

    def __init__(self, armed: FailPoint | None = None, *, hits: int = 1) -> None:
        """Die when `armed` is reached for the `hits`-th time."""
        self._armed = armed
        self._left = hits

    @classmethod
    def parse(cls, text: str) -> Self:
        """`name` or `name:hits`; empty arms nothing. Raises ValueError, which names what is known."""
        if not text:
            return cls()
        name, _, hits = text.partition(":")
        known = {place.value: place for place in FailPoint}
        if name not in known:
            raise ValueError(f"no fail point is called {name!r}; known are {', '.join(known)}")
        if hits and not (hits.isascii() and hits.isdigit() and 0 < int(hits) < 10**9):
            raise ValueError("write name:hits, with hits from 1")
        return cls(known[name], hits=int(hits or 1))

    def reach(self, place: FailPoint) -> None:
        """Says that this process is at `place` now; does not return when that was the last step of its
        life."""
        if place is self._armed:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def __repr__(self) -> str:
        return f"FailPoints({self._armed}, left={self._left})"


NO_FAIL_POINTS = FailPoints()
