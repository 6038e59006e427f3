"""Invariant 7: every admission passes the one choke point. No route reaches a provider without it.

The whole data plane runs in process, with a real provider's socket behind it. An admission that refuses
everybody must keep every route away from the provider; with the real one every relayed route gets there, so
that the refusals mean something.
"""

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.dialects.contract import Operation, Target
from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.data_plane import Foundation, build_data_plane
from headgate.kit.clock import FakeClock
from headgate.kit.fail_points import NO_FAIL_POINTS
from headgate.observability.logging import BufferedLines
from headgate.relay import routes
from headgate.relay.admission import Admission
from headgate.relay.body import Receive
from headgate.relay.exchange import Exchange
from headgate.relay.gateway import Gateway
from headgate.relay.pipeline import Pipeline
from headgate.relay.responder import Responder
from headgate.relay.watchdog import Watchdog
from headgate.settings import SecuritySettings, Settings, UrlAllowlistSettings
from headgate.state.protocols import SharedState
from headgate.storage.journal import Journal
from tests.relay.conftest import DOLLAR, Change
from tests.relay.people import Client, member
from tests.storage.books import VAULT, account_row, group_row, key_row, user_row
from tests.support.asgi import AsgiClient
from tests.support.data_plane_routes import (
    BELOW,
    BODY,
    every_request,
    platform_of,
    relayed_requests,
    route_of,
)
from tests.support.scripted_upstream import ScriptedUpstream

LAX = UrlAllowlistSettings(allow_private_hosts=True, allow_insecure_http=True)
PLATFORMS = ("anthropic", "openai", "gemini")
NOBODY = Fault(kind=FaultKind.RATE_LIMITED, message="nobody enters")


class Closed:
    """An admission that lets nobody in."""

    async def enter(self, exchange: Exchange) -> None:
        raise RelayError(NOBODY)

    async def enter_unmetered(self, exchange: Exchange) -> None:
        raise RelayError(NOBODY)


class Bypassing(Pipeline):
    """What must never be built: embeddings go straight to the provider."""

    async def run(
        self, exchange: Exchange, receive: Receive, responder: Responder, watchdog: Watchdog
    ) -> None:
        if exchange.target.operation is not Operation.EMBED:
            await super().run(exchange, receive, responder, watchdog)
            return
        await self._authenticate(exchange)
        await self._read(exchange, receive)
        self._peek(exchange, responder)
        await self._serve(exchange, responder, watchdog)


@pytest.fixture
async def provider() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
async def world(change: Change, provider: ScriptedUpstream) -> None:
    """Key `sk-1` of the Anthropic group, `sk-2` of OpenAI's, `sk-3` of Gemini's, all of one rich user."""
    await change(user_row(1, balance_nano=DOLLAR))
    for number, platform in enumerate(PLATFORMS, start=1):
        await change(
            group_row(number, platform=platform), key_row(number, group_id=number),
            account_row(number, platform=platform, credentials_open={"base_url": provider.url}),
            member(number, number),
        )  # fmt: skip


@pytest.fixture
async def gateway(
    engine: AsyncEngine, journal: Journal, state: SharedState, clock: FakeClock, world: None
) -> AsyncIterator[Gateway]:
    base = Foundation(
        settings=Settings(security=SecuritySettings(url_allowlist=LAX)), vault=VAULT, clock=clock,
        engine=engine, state=state, journal=journal, lines=BufferedLines(io.BytesIO()),
        fail_points=NO_FAIL_POINTS,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        yield (await build_data_plane(base, stack)).gateway


async def ask(gateway: Gateway, method: str, path: str) -> int:
    """Status of the answer."""

    async def with_connection(scope: Any, receive: Any, send: Any) -> None:
        await gateway({**scope, "extensions": {"headgate.connection": Client()}}, receive, send)

    route = route_of(method, path)
    platform = platform_of(route) if isinstance(route, Target) else "anthropic"
    key = f"sk-{PLATFORMS.index(platform) + 1}"
    body = BODY if method == "POST" else None
    answer = await AsgiClient(with_connection).call(
        method, path, body, headers={"authorization": f"Bearer {key}"}
    )
    return answer.status


def close(gateway: Gateway, kind: type[Pipeline] = Pipeline) -> None:
    """From now on nobody is admitted."""
    parts = {name: getattr(gateway._pipeline, name) for name in Pipeline.__dataclass_fields__}
    gateway._pipeline = kind(**{**parts, "admission": cast(Admission, Closed())})


async def check_route(gateway: Gateway, provider: ScriptedUpstream, method: str, path: str) -> None:
    """While nobody is admitted, a request on this route reaches no provider."""
    status = await ask(gateway, method, path)
    assert provider.requests == [], f"{method} {path} reached the provider without admission"
    if isinstance(route_of(method, path), Target):
        assert status == NOBODY.kind.http_status


@pytest.mark.parametrize(("method", "path"), every_request(), ids=lambda value: value)
async def test_no_route_reaches_a_provider_without_admission(
    gateway: Gateway, provider: ScriptedUpstream, method: str, path: str
) -> None:
    close(gateway)
    await check_route(gateway, provider, method, path)


@pytest.mark.parametrize(("method", "path"), relayed_requests(), ids=lambda value: value)
async def test_with_admission_every_relayed_route_reaches_its_provider(
    gateway: Gateway, provider: ScriptedUpstream, method: str, path: str
) -> None:
    await ask(gateway, method, path)
    assert len(provider.requests) == 1


async def test_a_route_around_the_admission_is_noticed(gateway: Gateway, provider: ScriptedUpstream) -> None:
    close(gateway, Bypassing)
    await check_route(gateway, provider, "POST", "/v1/chat/completions")
    with pytest.raises(AssertionError, match="POST /v1/embeddings reached the provider without admission"):
        await check_route(gateway, provider, "POST", "/v1/embeddings")


def test_every_prefix_has_samples_of_all_that_it_serves() -> None:
    assert {prefix for prefix, _ in routes._PREFIXES} == set(BELOW)
    served = {route_of(*sample).operation for sample in relayed_requests()}  # type: ignore[union-attr]
    assert served == set(Operation)
