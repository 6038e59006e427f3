"""When the gateway dies: at a named step, or at an instant that nobody chose."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

from headgate.kit.fail_points import FailPoint

RANDOM = "random"
SOON_S, LATE_S, LATEST_S = 0.02, 1.2, 2.5
"""Random instants; after a second the usage of a long answer has been noted."""
MOST_HITS = {
    FailPoint.AFTER_ADMISSION: 80, FailPoint.AFTER_INTENT_QUEUED: 90, FailPoint.AFTER_INTENT_COMMITTED: 90,
    FailPoint.AFTER_UPSTREAM_HEAD: 90, FailPoint.AFTER_FIRST_BYTE: 25, FailPoint.MID_STREAM: 250,
    FailPoint.BEFORE_SETTLE: 80, FailPoint.AFTER_SETTLE_QUEUED: 80, FailPoint.BEFORE_COMMIT: 25,
    FailPoint.AFTER_COMMIT: 25, FailPoint.BEFORE_RESERVATION_SETTLED: 30, FailPoint.BEFORE_LAST_BYTE: 30,
    FailPoint.AFTER_LAST_BYTE: 30, FailPoint.BEFORE_RELEASE: 30, FailPoint.DURING_RECOVERY: 4,
    FailPoint.BEFORE_MANAGEMENT_COMMIT: 3, FailPoint.AFTER_MANAGEMENT_COMMIT: 3,
}  # fmt: skip
"""How often a place is passed before it is the last one: less than one round of traffic passes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One death. `place` None: after `delay_s` of traffic, wherever the gateway then is."""

    place: FailPoint | None
    hits: int = 1
    delay_s: float = 0.0

    @property
    def armed(self) -> str:
        """HEADGATE_FAIL_POINT."""
        return "" if self.place is None else f"{self.place.value}:{self.hits}"

    @property
    def name(self) -> str:
        return RANDOM if self.place is None else self.place.value


def plan(amount: int, *, seed: int, first: int = 0) -> list[Kill]:
    """Every named step in turn, two of three, beginning with the `first`; the rest at random. The same seed
    gives the same plan."""
    return list(islice(_endless(random.Random(seed), first), amount))


def _endless(dice: random.Random, first: int) -> Iterator[Kill]:
    places = islice(cycle(FailPoint), first, None)
    for earliest in cycle((SOON_S, LATE_S)):
        for _ in range(2):
            place = next(places)
            yield Kill(place=place, hits=dice.randint(1, MOST_HITS[place]))
        yield Kill(place=None, delay_s=dice.uniform(earliest, LATEST_S))
