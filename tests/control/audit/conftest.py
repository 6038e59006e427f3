"""Reading the log."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

LOG = "/admin/audit-log"


@pytest.fixture
def entries(control: Any) -> Callable[..., Awaitable[list[dict[str, Any]]]]:
    """`await entries(action="PUT")`: what the log shows, newest first."""

    async def read(**query: Any) -> list[dict[str, Any]]:
        return list((await control.admin("GET", LOG, query=query)).data["items"])

    return read
