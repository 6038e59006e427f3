"""Mail on its way: a few at a time, in the background, tried again when the server may take it later.

What waits is lost with the process; letters hold codes of minutes, and whoever waits for one asks again.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from email.message import EmailMessage

import structlog

from headgate.errors import Unavailable
from headgate.kit.tasks import TaskOwner
from headgate.settings import MailSettings
from headgate.upstream.mail import MailFailed, MailServer, deliver

log = structlog.get_logger(__name__)

WORKERS = 3
CLOSE_S = 5
"""How long a stopping process waits for mail that is being handed over."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    server: MailServer
    message: EmailMessage
    kind: str
    """For the log; who gets it is not logged."""


class MailQueue:
    def __init__(self, settings: MailSettings | None = None) -> None:
        self._settings = settings or MailSettings()
        self._waiting: deque[Outgoing] = deque()
        self._tasks = TaskOwner("mail")
        self.sent = 0
        self.failed = 0

    @property
    def settings(self) -> MailSettings:
        return self._settings

    def require_room(self) -> None:
        """Raises EMAIL_QUEUE_FULL."""
        if len(self._waiting) >= self._settings.max_waiting:
            raise Unavailable(
                "too much mail is waiting to be sent; try again in a minute",
                reason="EMAIL_QUEUE_FULL",
                metadata={"retry_after": "60"},
            )

    def submit(self, mail: Outgoing) -> None:
        """Beyond the bound only by what was promised room in the same instant."""
        self._waiting.append(mail)
        if len(self._tasks) < WORKERS:
            self._tasks.spawn(self._work(), name="deliver")

    async def join(self, timeout_s: float = CLOSE_S) -> None:
        """Until everything has left, or for so long."""
        await self._tasks.join(timeout_s)

    async def close(self) -> None:
        await self.join()
        if self._waiting:
            log.warning("mail_lost", letters=len(self._waiting))
        await self._tasks.close()

    async def _work(self) -> None:
        while self._waiting:
            mail = self._waiting.popleft()
            if await self._try(mail):
                self.sent += 1
            else:
                self.failed += 1

    async def _try(self, mail: Outgoing) -> bool:
        for attempt in range(1, self._settings.max_attempts + 1):
            try:
                await deliver(mail.server, mail.message, self._settings)
            except MailFailed as failure:
                is_last = failure.is_final or attempt == self._settings.max_attempts
                log.warning(
                    "mail_failed", kind=mail.kind, attempt=attempt, reason=failure.reason, is_last=is_last
                )
                if is_last:
                    return False
                await asyncio.sleep(self._settings.retry_delay_s * attempt)
            else:
                return True
        return False
