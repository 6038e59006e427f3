"""Deleting the records whose time is over."""

from headgate.control.deps import UnitOfWorkFactory
from headgate.control.idempotency.records import IdempotencyRecords
from headgate.kit.clock import Clock, instant
from headgate.settings import IdempotencySettings


async def delete_expired_records(uow: UnitOfWorkFactory, clock: Clock, settings: IdempotencySettings) -> int:
    """How many went. One batch a transaction, so that nobody waits long for the database."""
    deleted = 0
    while True:
        now = instant(clock.now_ms())
        async with uow() as work:
            gone = await IdempotencyRecords(work.session).delete_expired(
                now, limit=settings.cleanup_batch_size
            )
        deleted += gone
        if gone < settings.cleanup_batch_size:
            return deleted
