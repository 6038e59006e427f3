"""A bounded map whose entries expire: what in-process caches are made of."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class ExpiringMap(Generic[K, V]):
    """At most `max_entries`, the least recently used goes first; an entry past its end is as good as
    absent."""

    __slots__ = ("_entries", "_max_entries")

    def __init__(self, *, max_entries: int) -> None:
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._max_entries = max_entries

    def get(self, key: K, *, now_ms: int) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[1] <= now_ms:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, *, ends_ms: int) -> None:
        """Add or replace; the end is set anew."""
        entries = self._entries
        entries[key] = (value, ends_ms)
        entries.move_to_end(key)
        if len(entries) > self._max_entries:
            entries.popitem(last=False)

    def replace(self, key: K, value: V) -> None:
        """Change the value of a present key and keep its end."""
        self._entries[key] = (value, self._entries[key][1])

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)
