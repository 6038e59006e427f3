"""Letters on their way: tried again when the server may take them later, bounded in number."""

import pytest

from headgate.control.mail.queue import MailQueue, Outgoing
from headgate.errors import Unavailable
from headgate.settings import MailSettings
from headgate.upstream.mail import MailServer
from tests.support.mail_server import mail_server
from tests.upstream.test_mail import message


def letter(port):
    return Outgoing(MailServer(host="127.0.0.1", port=port), message(), "test")


async def test_a_server_that_asks_for_patience_gets_the_letter_later():
    queue = MailQueue(MailSettings(timeout_s=5, retry_delay_s=0))
    async with mail_server() as box:
        box.refusals = ["451 greylisted", "451 greylisted"]
        queue.submit(letter(box.port))
        await queue.join()
    assert (queue.sent, len(box.letters)) == (1, 1)


async def test_a_refusal_for_good_is_not_tried_again():
    queue = MailQueue(MailSettings(timeout_s=5, retry_delay_s=0))
    async with mail_server() as box:
        box.refusals = ["550 no such user"]
        queue.submit(letter(box.port))
        await queue.join()
    assert (queue.failed, box.letters) == (1, [])


async def test_a_full_queue_says_so():
    queue = MailQueue(MailSettings(max_waiting=1, timeout_s=5))
    async with mail_server() as box:
        queue.require_room()
        queue.submit(letter(box.port))
        with pytest.raises(Unavailable) as full:
            queue.require_room()
        assert full.value.reason == "EMAIL_QUEUE_FULL"
        await queue.join()
        queue.require_room()
