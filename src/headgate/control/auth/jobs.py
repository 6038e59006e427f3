"""Forgetting refresh tokens whose time is over: nobody can use them, and nobody can steal their session."""

from datetime import UTC, datetime

from headgate.control.auth.sessions import SessionRepository
from headgate.control.deps import UnitOfWorkFactory
from headgate.kit.clock import Clock
from headgate.kit.crypto import Vault

EVERY_S = 600
CHUNK = 500
"""Rows of one transaction, so that nobody waits long for the database."""


async def delete_expired_tokens(uow: UnitOfWorkFactory, clock: Clock, vault: Vault) -> int:
    """How many went."""
    deleted = 0
    while True:
        now = datetime.fromtimestamp(clock.now_ms() / 1000, tz=UTC)
        async with uow() as work:
            gone = await SessionRepository(work.session, vault).delete_expired(now, limit=CHUNK)
        deleted += gone
        if gone < CHUNK:
            return deleted
