"""An API whose webhooks may go to the loopback address, and somebody who listens there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from headgate.settings import WebhookSettings
from tests.control.webhooks.receiver import PATH, Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
async def control(make_control: Callable[..., Awaitable[Any]]) -> AsyncIterator[Any]:
    made = await make_control(webhooks=WebhookSettings(private_hosts=("127.0.0.1",), balance_low_usd=5))
    yield made
    await made.deps.web.close()


@pytest.fixture
async def hook(control: Any, receiver: Receiver) -> dict[str, Any]:
    """An endpoint that hears of everything."""
    answer = await control.admin("POST", PATH, {"name": "ops", "url": receiver.url})
    assert answer.status == 201, answer.body
    return dict(answer.data)
