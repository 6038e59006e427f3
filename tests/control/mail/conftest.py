"""The API with a real mail server behind it."""

import pytest

from tests.support.mail_server import PASSWORD, USER, mail_server


@pytest.fixture
async def mailbox(control):
    """Configured as an operator does it; letters arrive in it."""
    async with mail_server(login=True) as box:
        await control.admin("PUT", "/admin/settings", smtp(box.port))
        yield box
        await control.deps.mail.close()


def smtp(port, **fields):
    return {
        "smtp_host": "127.0.0.1", "smtp_port": port, "smtp_username": USER, "smtp_password": PASSWORD,
        "smtp_from_email": "no-reply@site.example", "smtp_from_name": "Site",
    } | fields  # fmt: skip
