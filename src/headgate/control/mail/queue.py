"""The mail workers of this process: woken when a letter was written, and by the jobs for what waits longer.

What waits is in the database (`outbox`); this only knows whether somebody is at work.
"""

from collections.abc import Awaitable, Callable

from headgate.kit.tasks import TaskOwner
from headgate.settings import MailSettings

CLOSE_S = 5
"""How long a stopping process waits for mail that is being handed over."""


class MailQueue:
    def __init__(self, settings: MailSettings | None = None) -> None:
        self._settings = settings or MailSettings()
        self._tasks = TaskOwner("mail")
        self._is_woken = False
        self.counts: dict[str, int] = {"sent": 0, "failed": 0, "delayed": 0}
        """Attempts of this process by how they ended."""

    @property
    def settings(self) -> MailSettings:
        return self._settings

    def wake(self, deliver_due: Callable[[], Awaitable[int]]) -> None:
        """After the commit of a letter: send it now rather than at the jobs' next turn."""
        self._is_woken = True
        if not len(self._tasks):
            self._tasks.spawn(self._work(deliver_due), name="deliver")

    async def join(self, timeout_s: float = CLOSE_S) -> None:
        """Until every letter that can go now has gone, or for so long."""
        await self._tasks.join(timeout_s)

    async def close(self) -> None:
        await self.join()
        await self._tasks.close()

    async def _work(self, deliver_due: Callable[[], Awaitable[int]]) -> None:
        while self._is_woken:
            self._is_woken = False
            await deliver_due()
