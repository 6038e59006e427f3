"""From a use case to a letter on its way."""

import secrets
from functools import partial

from headgate.control.mail.delivery import deliver_due, packed
from headgate.control.mail.letters import Letter
from headgate.control.mail.outbox import Posted, post, require_room
from headgate.control.mail.settings import ADDRESS, MailConfig, mail_config
from headgate.control.work import Work
from headgate.errors import BadRequest
from headgate.upstream.mail import deliver


async def send_after_commit(
    work: Work, recipient: str, letter: Letter, *, lifetime_s: int, goes: bool = True
) -> None:
    """The letter is on record with the commit and leaves then, tried for `lifetime_s` at most. With `goes`
    off everything happens but the sending: nobody can tell from outside. Raises EMAIL_NOT_CONFIGURED,
    EMAIL_QUEUE_FULL, INVALID_EMAIL."""
    await mail_config(work)
    await require_room(work.deps, work.session)
    _require_address(recipient)
    posted = Posted(recipient=recipient, letter=letter, goes=goes)
    post(work.deps, work.session, posted, lifetime_ms=lifetime_s * 1000)
    work.after_commit(lambda: work.deps.mail.wake(partial(deliver_due, work.deps)))


async def send_now(work: Work, config: MailConfig, recipient: str, letter: Letter) -> None:
    """Without the outbox, and with the work's connection given back. Raises INVALID_EMAIL, `MailFailed`."""
    _require_address(recipient)
    message = packed(config, recipient, letter, name=secrets.token_hex(16), sent_at=work.now())
    await work.release_connection()
    await deliver(config.server, message, work.deps.mail.settings)


def _require_address(recipient: str) -> None:
    if not ADDRESS.fullmatch(recipient):
        raise BadRequest("no mail can be sent to this address", reason="INVALID_EMAIL")
