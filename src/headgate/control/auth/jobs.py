"""Forgetting refresh tokens and mailed codes whose time is over: nobody can use them."""

from headgate.control.auth.mail_codes import delete_expired_codes
from headgate.control.auth.sessions import SessionRepository
from headgate.control.deps import UnitOfWorkFactory
from headgate.kit.clock import Clock, instant
from headgate.kit.crypto import Vault

EVERY_S = 600
CHUNK = 500
"""Rows of one transaction, so that nobody waits long for the database."""


async def delete_expired_tokens(uow: UnitOfWorkFactory, clock: Clock, vault: Vault) -> int:
    """How many went."""
    deleted = 0
    while True:
        now = instant(clock.now_ms())
        async with uow() as work:
            gone = await SessionRepository(work.session, vault).delete_expired(now, limit=CHUNK)
            codes = await delete_expired_codes(work.session, now, limit=CHUNK)
        deleted += gone + codes
        if max(gone, codes) < CHUNK:
            return deleted
