"""Answers that may be some seconds old: what every open dashboard asks for is computed once."""

from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")
MAX_ENTRIES = 256
"""Beyond it everything is forgotten: these are seconds old at most."""


class Memo:
    """Of this process. Instants are Unix milliseconds."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[int, object]] = {}

    def __repr__(self) -> str:
        return f"Memo(entries={len(self._kept)})"

    async def get(
        self, key: Hashable, make: Callable[[], Awaitable[T]], *, ttl_s: float, now_ms: int
    ) -> tuple[T, bool]:
        """The value, and whether it was there already."""
        found = self._kept.get(key)
        if found is not None and now_ms - found[0] < ttl_s * 1000:
            return cast(T, found[1]), True
        value = await make()
        if len(self._kept) >= MAX_ENTRIES:
            self._kept.clear()
        self._kept[key] = (now_ms, value)
        return value, False
