"""A circuit breaker: after several failures in a row, stop asking for a while (PAINS 36: slow is not down,
and worse)."""


class Breaker:
    """Counts failures in a row. While open nothing is asked; afterwards the first failure opens it again."""

    def __init__(self, *, threshold: int, open_s: float) -> None:
        self._threshold = threshold
        self._open_s = open_s
        self._failures = 0
        self._closed_from = 0.0

    def is_open(self, now: float) -> bool:
        """`now` in seconds of a monotonic clock, as in `failed`."""
        return now < self._closed_from

    def failed(self, now: float) -> None:
        self._failures += 1
        if self._failures >= self._threshold:
            self._closed_from = now + self._open_s

    def succeeded(self) -> None:
        self._failures = 0
        self._closed_from = 0.0

    def __repr__(self) -> str:
        return f"Breaker(failures={self._failures}, closed_from={self._closed_from})"
