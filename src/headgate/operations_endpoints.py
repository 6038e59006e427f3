"""For whoever runs it: /health (alive), /ready (dependencies, migrations), /metrics, /setup/status."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.kit import json
from headgate.observability.metrics import RelayMetrics, render
from headgate.relay.billing_gate import BillingGate
from headgate.relay.directory import Directory
from headgate.relay.standings import Standings
from headgate.settings import Settings
from headgate.state.protocols import SharedState, StateUnavailable
from headgate.storage.migrate import is_current

_PATHS = frozenset({"/health", "/ready", "/metrics", "/setup/status"})
_FORWARDED = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"})
_DEADLINE_S = 2.0

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class OperationsEndpoints:
    def __init__(
        self,
        engine: AsyncEngine,
        state: SharedState,
        metrics: RelayMetrics,
        directory: Directory,
        billing: BillingGate,
        standings: Standings,
        settings: Settings,
    ) -> None:
        self._engine = engine
        self._state = state
        self._metrics = metrics
        self._directory = directory
        self._billing = billing
        self._standings = standings
        self._open_metrics = settings.server.metrics_access == "open"

    def serves(self, path: str) -> bool:
        return path in _PATHS

    async def __call__(self, scope: Message, _receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, {"message": "use GET"})
            return
        match scope["path"]:
            case "/health":
                await _answer(send, 200, {"status": "ok"})
            case "/ready":
                checks = await self._checks()
                is_ready = all(value == "ok" for value in checks.values())
                await _answer(
                    send,
                    200 if is_ready else 503,
                    {"status": "ready" if is_ready else "not ready", "checks": checks},
                )
            case "/metrics":
                await self._show_metrics(scope, send)
            case _:
                await _answer(send, 200, {"code": 0, "data": {"needs_setup": False, "step": "completed"}})

    async def _show_metrics(self, scope: Message, send: Send) -> None:
        if not self._open_metrics and not _is_local(scope):
            await _answer(
                send, 403, {"message": "metrics are for this machine only; see server.metrics_access"}
            )
            return
        await _within(self._look())
        await _raw(send, 200, b"text/plain; version=0.0.4; charset=utf-8", render(self._metrics))

    async def _look(self) -> str:
        """For the gauges that say how everything stands."""
        await self._standings.look()
        return "ok"

    async def _checks(self) -> dict[str, str]:
        return {
            "database": await _within(self._database()),
            "state": await _within(self._shared_state()),
            "directory": "ok" if self._directory.version >= 0 else "not loaded",
            "billing": self._billing.describe(),
        }

    async def _database(self) -> str:
        try:
            async with self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
            return "ok" if await is_current(self._engine) else "migrations pending; run `headgate migrate`"
        except (SQLAlchemyError, OSError) as error:
            return type(error).__name__

    async def _shared_state(self) -> str:
        try:
            await self._state.counters.value("readiness")
        except StateUnavailable:
            return "unavailable"
        return "ok"


async def _within(check: Awaitable[str]) -> str:
    try:
        async with asyncio.timeout(_DEADLINE_S):
            return await check
    except TimeoutError:
        return "timed out"


def _is_local(scope: Message) -> bool:
    """A direct request from this machine. Behind a reverse proxy the peer is local too, but then it says
    so."""
    peer = scope["client"][0] if scope["client"] else ""
    try:
        is_loopback = ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
    return is_loopback and not any(name in _FORWARDED for name, _ in scope["headers"])


async def _answer(send: Send, status: int, document: dict[str, Any]) -> None:
    await _raw(send, status, b"application/json", json.dumps(document))


async def _raw(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
