"""Writing down what providers said about quota windows, and remembering it at a start.

Behind the answers, every few seconds: a window that was lost costs a little foresight, never an answer.
"""

import structlog

from headgate.kit.clock import Clock
from headgate.relay.quota_watch import QuotaWatch
from headgate.state.protocols import QuotaWindowStore, StateUnavailable
from headgate.storage.journal import StorageUnavailable
from headgate.storage.quota_windows import QuotaWindowTable

log = structlog.get_logger(__name__)

EVERY_S = 15


class QuotaKeeper:
    """One per process."""

    def __init__(
        self, watch: QuotaWatch, store: QuotaWindowStore, table: QuotaWindowTable, clock: Clock
    ) -> None:
        self._watch = watch
        self._store = store
        self._table = table
        self._clock = clock

    async def restore(self) -> None:
        """What was known before the start, where the shared state has forgotten it."""
        try:
            for account_id, readings in (await self._table.load(now_ms=self._clock.now_ms())).items():
                if not await self._store.readings(account_id):
                    await self._store.note(account_id, readings)
        except (StateUnavailable, StorageUnavailable) as error:
            log.warning("quota_windows_not_restored", error=type(error).__name__)

    async def keep(self) -> int:
        """Write down what is new. Raises StorageUnavailable: it is tried again the next time."""
        taken = self._watch.take_unwritten()
        if not taken:
            return 0
        rows = {account_id: list(windows.values()) for account_id, windows in taken.items()}
        try:
            return await self._table.save(rows, now_ms=self._clock.now_ms())
        except StorageUnavailable:
            self._watch.put_back(taken)
            raise

    async def close(self) -> None:
        try:
            await self.keep()
        except StorageUnavailable as error:
            log.warning("quota_windows_not_kept", error=str(error))
