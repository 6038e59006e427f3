"""From a use case to a letter on its way."""

import secrets

from headgate.control.mail.letters import Envelope, Letter, message_of
from headgate.control.mail.queue import Outgoing
from headgate.control.mail.settings import ADDRESS, MailConfig, mail_config
from headgate.control.work import Work
from headgate.errors import BadRequest


async def send_after_commit(work: Work, recipient: str, letter: Letter, *, goes: bool = True) -> None:
    """Raises EMAIL_NOT_CONFIGURED, EMAIL_QUEUE_FULL, INVALID_EMAIL. With `goes` off everything happens
    but the sending: nobody can tell from outside."""
    config = await mail_config(work)
    work.deps.mail.require_room()
    mail = outgoing(work, config, recipient, letter)
    if goes:
        work.after_commit(lambda: work.deps.mail.submit(mail))


def outgoing(work: Work, config: MailConfig, recipient: str, letter: Letter) -> Outgoing:
    """Raises INVALID_EMAIL."""
    if not ADDRESS.fullmatch(recipient):
        raise BadRequest("no mail can be sent to this address", reason="INVALID_EMAIL")
    domain = config.sender.rpartition("@")[2]
    envelope = Envelope(
        sender=config.sender,
        sender_name=config.sender_name,
        recipient=recipient,
        site_name=config.site_name,
        sent_at=work.now(),
        message_id=f"<{secrets.token_hex(16)}@{domain}>",
    )
    return Outgoing(config.server, message_of(letter, envelope), letter.kind.value)
