"""The test of an account as a stream of server-sent events (spec 8.4)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, suppress
from typing import Any, cast

from headgate.control.accounts.service import AccountService
from headgate.control.accounts.tester import EVENT_TYPES
from headgate.control.audit.record import Call
from headgate.control.deps import ControlDeps
from headgate.control.work import Actor, open_work
from headgate.errors import ApiError
from headgate.kit import json

_FORBIDDEN = 403
TEST_DEADLINE_S = 120
"""Of the whole test: a picture takes a minute, a text seconds."""


async def stream_test(
    deps: ControlDeps, actor: Actor, account_id: int, *, call: Call, model: str, prompt: str
) -> AsyncIterator[bytes]:
    """Events as `data: {...}`."""
    async for event in tested(deps, actor, account_id, call=call, model=model, prompt=prompt):
        yield b"data: " + json.dumps(event) + b"\n\n"


async def tested(
    deps: ControlDeps, actor: Actor, account_id: int, *, call: Call, model: str, prompt: str
) -> AsyncIterator[Mapping[str, Any]]:
    """A success clears whatever had marked the account; a 403 of Anthropic marks it (spec 8.4): nothing but
    the account can be the cause of a test's."""
    async for event in test_events(deps, account_id, model=model, prompt=prompt):
        if event["type"] == "test_complete" and event.get("success") is True:
            await _recover(deps, actor, account_id, call)
        elif event["type"] == "error" and event.get("status_code") == _FORBIDDEN:
            await _refused(deps, actor, account_id, call)
        yield event


async def test_events(
    deps: ControlDeps, account_id: int, *, model: str, prompt: str
) -> AsyncIterator[Mapping[str, Any]]:
    """The events of one test, which ends at its deadline."""
    deadline = deps.clock.monotonic() + TEST_DEADLINE_S
    run = deps.account_tester.run(account_id, model=model, prompt=prompt)
    async with aclosing(cast("Any", run)) as events:
        while True:
            try:
                async with asyncio.timeout(max(0.0, deadline - deps.clock.monotonic())):
                    event = await anext(events)
            except StopAsyncIteration:
                return
            except TimeoutError:
                yield {"type": "error", "error": f"no end after {TEST_DEADLINE_S} seconds"}
                return
            if event.get("type") in EVENT_TYPES:
                yield event


async def _recover(deps: ControlDeps, actor: Actor, account_id: int, call: Call) -> None:
    with suppress(ApiError):  # deleted while it was being tested
        async with open_work(deps, actor, call=call) as work:
            await AccountService(work).recover(account_id)


async def _refused(deps: ControlDeps, actor: Actor, account_id: int, call: Call) -> None:
    with suppress(ApiError):
        async with open_work(deps, actor, call=call) as work:
            await AccountService(work).refused_in_test(account_id)
