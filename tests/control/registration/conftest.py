"""Registration with a real mail server; on SQLite, but for the races and what two databases may do
differently."""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from headgate.settings import AuthSettings
from headgate.storage.engine import DatabaseTarget
from tests.control.mail.conftest import smtp
from tests.support.mail_server import Mailbox, mail_server

SETTINGS = "/admin/settings"
NEW = {"email": "new@example.com", "password": "a long password 7"}


@dataclass
class Door:
    """A registration page: what a stranger can do."""

    control: Any
    box: Mailbox

    async def set(self, **settings: Any) -> Any:
        return await self.control.admin("PUT", SETTINGS, settings)

    async def register(self, **fields: Any) -> Any:
        return await self.control.nobody("POST", "/auth/register", NEW | fields)

    async def reason(self, **fields: Any) -> tuple[int, str]:
        answer = await self.register(**fields)
        return answer.status, answer.json.get("reason", "")

    async def ask(self, email: str = "new@example.com", **headers: str) -> Any:
        body = {"email": email}
        return await self.control.nobody("POST", "/auth/send-verify-code", body, headers=headers)

    async def mailed_code(self) -> str:
        await self.control.deps.mail.join()
        found = re.search(r"^\d{6}$", self.box.text(), re.MULTILINE)
        assert found is not None
        return found[0]

    async def users(self) -> int:
        return (await self.control.admin("GET", "/admin/users")).data["total"]


@pytest.fixture
def target(sqlite_target: DatabaseTarget) -> DatabaseTarget:
    return sqlite_target


@pytest.fixture
async def door(control: Any):
    """Open, with a mail server; an administrator and two users exist."""
    object.__setattr__(control.deps.settings, "auth", AuthSettings(register_limit_per_minute=20))
    async with mail_server(login=True) as box:
        await control.admin(
            "PUT",
            SETTINGS,
            smtp(box.port, registration_enabled=True, frontend_url="https://gate.example.com"),
        )
        yield Door(control, box)
        await control.deps.mail.close()
