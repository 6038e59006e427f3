"""What is generated from the routes runs on SQLite: the suites beside each slice try both databases."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headgate.settings import WebhookSettings
from headgate.storage.engine import DatabaseTarget


@pytest.fixture
def target(sqlite_target: DatabaseTarget) -> DatabaseTarget:
    return sqlite_target


@pytest.fixture
async def control(make_control: Callable[..., Awaitable[Any]]) -> Any:
    """Webhooks may go to the loopback address."""
    return await make_control(webhooks=WebhookSettings(private_hosts=("127.0.0.1",)))
