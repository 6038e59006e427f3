"""New unique ids: time-sortable, cheap, without coordination."""

import itertools
import os
import secrets
import time


class IdFactory:
    """Ids of 26 lower-case hex digits: 12 of milliseconds, 8 of process randomness, 6 of a counter.

    Unique across processes by 32 random bits drawn per factory plus the start time; sorts by creation within
    a millisecond.
    """

    def __init__(self) -> None:
        self._process = secrets.token_hex(4)
        self._pid = os.getpid()
        self._counter = itertools.count(secrets.randbelow(1 << 20))

    def new(self) -> str:
        return f"{time.time_ns() // 1_000_000:012x}{self._process}{next(self._counter) & 0xFFFFFF:06x}"
