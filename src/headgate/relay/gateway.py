"""The data plane as one ASGI application: route, run the pipeline, render what went wrong, note what
happened."""

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Mapping, MutableMapping
from typing import Any

import structlog

from headgate.core.dialects.contract import Target
from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.ids import ExchangeId
from headgate.kit.clock import Clock
from headgate.kit.ids import IdFactory
from headgate.kit.tasks import TaskOwner
from headgate.observability.access_log import AccessLog
from headgate.observability.metrics import RelayMetrics
from headgate.relay.billing_gate import billing_fault, cause_of
from headgate.relay.body import Receive
from headgate.relay.cost_preview import CostPreview
from headgate.relay.dialects import HANDLERS
from headgate.relay.exchange import ClientConnection, Exchange
from headgate.relay.headers import client_ip, collapse
from headgate.relay.local import LocalAnswers
from headgate.relay.pipeline import Pipeline
from headgate.relay.responder import Responder, Send
from headgate.relay.routes import PREVIEWED, Local, LocalEndpoint, dialect_of, match
from headgate.relay.trace import TraceBuilder
from headgate.relay.watchdog import Watchdog, tick_for
from headgate.settings import GatewaySettings
from headgate.state.protocols import StateUnavailable
from headgate.storage.journal import Journal, StorageUnavailable

log = structlog.get_logger(__name__)

_SANE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
TrustedProxies = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


class Gateway:
    """Built once by `app.py`."""

    def __init__(
        self,
        pipeline: Pipeline,
        local: LocalAnswers,
        preview: CostPreview,
        journal: Journal,
        clock: Clock,
        metrics: RelayMetrics,
        tasks: TaskOwner,
        settings: GatewaySettings,
        trusted_proxies: TrustedProxies,
        access_log: AccessLog,
    ) -> None:
        self._pipeline = pipeline
        self._local = local
        self._preview = preview
        self._journal = journal
        self._clock = clock
        self._metrics = metrics
        self._tasks = tasks
        self._settings = settings
        self._trusted = trusted_proxies
        self._access_log = access_log
        self._ids = IdFactory()
        self._tick_s = tick_for(settings)
        self.is_draining = False
        self._running: set[Watchdog] = set()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        headers = collapse(scope["headers"])
        method, path, query = scope["method"], scope["path"], scope["query_string"]
        route = match(method, path, query)
        exchange_id = ExchangeId(self._ids.new())
        connection: ClientConnection = scope["extensions"]["headgate.connection"]
        dialect = route.dialect if isinstance(route, (Target, Local)) and route.dialect else dialect_of(path)
        handler = HANDLERS[dialect]
        request_id = _request_id(headers, exchange_id)
        responder = Responder(send, connection, handler, request_id=request_id, exchange_id=exchange_id)
        ip = client_ip(scope["client"][0] if scope["client"] else "", headers, self._trusted)
        if isinstance(route, Fault):
            await responder.fail(route)
            return
        if isinstance(route, Local) and route.endpoint is not LocalEndpoint.COST_PREVIEW:
            await self._answer_locally(self._local.answer(route, headers, query, ip, responder), responder)
            return
        exchange = Exchange(
            id=exchange_id,
            request_id=request_id,
            method=method,
            path=path,
            query=query,
            headers=headers,
            client_ip=ip,
            target=route if isinstance(route, Target) else PREVIEWED,
            handler=handler,
            connection=connection,
            started_at_ms=self._clock.now_ms(),
            started=asyncio.get_running_loop().time(),
            trace=TraceBuilder(),
            announced=responder.announced,
        )
        if isinstance(route, Local):
            await self._answer_locally(self._preview.answer(exchange, receive, responder), responder)
        else:
            await self._relay(exchange, receive, responder)

    async def _answer_locally(self, answering: Awaitable[None], responder: Responder) -> None:
        try:
            await answering
        except RelayError as error:
            await responder.fail(error.fault)
        except (StateUnavailable, StorageUnavailable) as error:
            await responder.fail(billing_fault(cause_of(error)))

    async def _relay(self, exchange: Exchange, receive: Receive, responder: Responder) -> None:
        watchdog = Watchdog(self._settings, responder, exchange.connection, self._tasks, tick_s=self._tick_s)
        self._metrics.in_flight += 1
        self._running.add(watchdog)
        fault: Fault | None = None
        try:
            if self.is_draining:
                raise RelayError(_SHUTTING_DOWN)
            await self._pipeline.run(exchange, receive, responder, watchdog)
        except RelayError as error:
            fault = error.fault
        except (StateUnavailable, StorageUnavailable) as error:
            fault = billing_fault(cause_of(error))
        except Exception as error:
            log.error("exchange_crashed", exchange_id=exchange.id, exc_info=error)
            fault = Fault(kind=FaultKind.INTERNAL, message="Internal error")
        finally:
            self._metrics.in_flight -= 1
            self._running.discard(watchdog)
        if fault is not None:
            await responder.fail(fault)
        if fault is not None or exchange.is_answered_here:
            await self._keep_trace(exchange, fault)
        self._finished(exchange, fault)

    def end_answers(self) -> None:
        """Abort every running upstream answer: what the clients have is booked, the rest is said to be
        missing."""
        for watchdog in list(self._running):
            watchdog.end(_SHUTTING_DOWN)

    async def _keep_trace(self, exchange: Exchange, fault: Fault | None) -> None:
        """The decision record of an exchange that no provider answered; who is nobody leaves no trace."""
        if not exchange.has_caller:
            return
        if fault is not None:
            facts = {"kind": fault.kind.value, "blame": fault.kind.blame.value, "message": fault.message}
            exchange.trace.note("fault", facts)
        try:
            await self._journal.write_trace(
                exchange.id, exchange.caller.user.id, exchange.trace.render(), exchange.started_at_ms
            )
        except StorageUnavailable:
            log.warning("trace_lost", exchange_id=exchange.id)

    def _finished(self, exchange: Exchange, fault: Fault | None) -> None:
        seconds = asyncio.get_running_loop().time() - exchange.started
        status = "ok" if fault is None else fault.kind.value
        if fault is not None and fault.shown is not None and fault.shown.is_unmonitored:
            status = "expected_error"
        target = exchange.target
        self._metrics.finished(target.dialect.value, target.operation.value, status, seconds)
        caller = exchange.caller if exchange.has_caller else None
        self._access_log.exchange(
            exchange_id=exchange.id,
            dialect=target.dialect.value,
            operation=target.operation.value,
            status=status,
            ms=round(seconds * 1000, 1),
            attempts=exchange.attempts,
            user_id=caller.user.id if caller else None,
            key_id=caller.key.id if caller else None,
            group_id=caller.group.id if caller else None,
        )


_SHUTTING_DOWN = Fault(
    kind=FaultKind.SHUTTING_DOWN, message="The gateway is restarting, retry shortly", retry_after_s=2
)


def _request_id(headers: Mapping[str, str], exchange_id: str) -> str:
    """The client's own X-Request-ID when it is harmless, else ours."""
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else exchange_id
