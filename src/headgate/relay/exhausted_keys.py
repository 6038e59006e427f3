"""Keys whose quota could not cover a request, for whoever tells their owners. What a process forgets with its
end is seen again with the key's next request."""

from headgate.core.faults import FaultKind, RelayError
from headgate.core.ids import KeyId

MAX_KEYS = 10_000


class ExhaustedKeys:
    """Filled by admission, emptied by the watcher of events."""

    def __init__(self) -> None:
        self._keys: set[KeyId] = set()

    def note(self, ended: BaseException, key_id: KeyId) -> None:
        """What ended an admission: of interest when the key's quota did."""
        is_shut = isinstance(ended, RelayError) and ended.fault.kind is FaultKind.KEY_QUOTA_EXHAUSTED
        if is_shut and len(self._keys) < MAX_KEYS:
            self._keys.add(key_id)

    def take(self) -> frozenset[int]:
        """Those since the last call."""
        keys, self._keys = self._keys, set()
        return frozenset(keys)
