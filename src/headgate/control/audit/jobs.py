"""Deleting what is older than the operator keeps."""

from headgate.control.audit.repository import AuditRepository
from headgate.control.deps import UnitOfWorkFactory
from headgate.kit.clock import Clock
from headgate.settings import AuditSettings

DAY_MS = 86_400_000
CHUNK = 500
"""Rows of one transaction, so that nobody waits long for the database."""


async def delete_old_entries(uow: UnitOfWorkFactory, clock: Clock, settings: AuditSettings) -> int:
    """How many went; with `retention_days` 0 nothing ever goes."""
    if settings.retention_days == 0:
        return 0
    deleted = 0
    while True:
        async with uow() as work:
            end = clock.now_ms() - settings.retention_days * DAY_MS
            gone = await AuditRepository(work.session).delete_before(end, limit=CHUNK)
        deleted += gone
        if gone < CHUNK:
            return deleted
