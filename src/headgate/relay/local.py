"""Data-plane answers that call no provider: model lists by dialect, the key's own usage, a few courtesies
(spec 2.9, 2.10)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.routing.offered_models import DEFAULT_MODELS, offered_models
from headgate.core.world import Caller, Dialect
from headgate.kit import json
from headgate.kit.clock import Clock, instant
from headgate.relay.authentication import Authenticator
from headgate.relay.dialects import HANDLERS
from headgate.relay.directory import Directory
from headgate.relay.model_lists import render_model, render_models
from headgate.relay.responder import Responder
from headgate.relay.routes import Local, LocalEndpoint
from headgate.relay.usage_answer import usage_answer
from headgate.storage.read_model import ReadModel

_JSON = [(b"content-type", b"application/json")]
_WELCOME = b'{"service":"headgate","docs":"/api/docs","health":"/health"}'


class LocalAnswers:
    def __init__(
        self, authenticator: Authenticator, directory: Directory, read_model: ReadModel, clock: Clock
    ) -> None:
        self._authenticator = authenticator
        self._directory = directory
        self._read_model = read_model
        self._clock = clock

    async def answer(
        self, route: Local, headers: Mapping[str, str], query: bytes, client_ip: str, responder: Responder
    ) -> None:
        """Raises `RelayError` for callers without a valid key. COST_PREVIEW, which reads a body, is
        `cost_preview`'s."""
        match route.endpoint:
            case LocalEndpoint.COST_PREVIEW:
                raise AssertionError("the gateway sends this to cost_preview.py")
            case LocalEndpoint.ROOT:
                await responder.whole(200, _JSON, _WELCOME)
            case LocalEndpoint.EVENT_LOGGING:
                await responder.whole(200, _JSON, b"{}")
            case LocalEndpoint.USAGE:
                caller = await self._caller(
                    Dialect.ANTHROPIC_MESSAGES, headers, query, client_ip, skip_spending=True
                )
                await responder.whole(200, _JSON, json.dumps(await self._usage(caller, query)))
            case LocalEndpoint.MODELS | LocalEndpoint.MODEL:
                dialect = route.dialect or models_dialect(headers, query)
                responder.speak(HANDLERS[dialect])
                caller = await self._caller(dialect, headers, query, client_ip, skip_spending=True)
                await responder.whole(200, _JSON, json.dumps(self._models(route, dialect, caller)))

    async def _caller(
        self,
        dialect: Dialect,
        headers: Mapping[str, str],
        query: bytes,
        client_ip: str,
        *,
        skip_spending: bool,
    ) -> Caller:
        return await self._authenticator.authenticate(
            dialect, headers, query, client_ip, skip_spending=skip_spending
        )

    def _models(self, route: Local, dialect: Dialect, caller: Caller) -> dict[str, Any]:
        if route.endpoint is LocalEndpoint.MODELS:
            return render_models(dialect, self._names(caller))
        if not self._is_served(caller, route.model):
            raise RelayError(
                Fault(
                    kind=FaultKind.MODEL_NOT_FOUND,
                    message=f"The model {route.model[:100]} is not offered by this group",
                )
            )
        return render_model(dialect, route.model)

    def _is_served(self, caller: Caller, model: str) -> bool:
        """What selection would accept: the list names only the models that are known by name, but an account
        without a mapping serves whatever its provider does."""
        accounts = self._directory.accounts_of(caller.group.id, caller.group.provider)
        return any(a.model_rules is None or a.model_rules.upstream_model(model) is not None for a in accounts)

    def _names(self, caller: Caller) -> Sequence[str]:
        """By name; the provider's usual ones where that is nothing."""
        provider = caller.group.provider
        accounts = self._directory.accounts_of(caller.group.id, provider)
        known = DEFAULT_MODELS[provider]
        return offered_models((account.model_rules for account in accounts), known) or sorted(known)

    async def _usage(self, caller: Caller, query: bytes) -> dict[str, Any]:
        since, until = self._period(query)
        subscription = (
            caller.user.subscriptions.get(caller.group.id) if caller.group.is_subscription else None
        )
        totals = await self._read_model.key_usage(
            caller.key.id,
            since_ms=since,
            until_ms=until,
            subscription_id=None if subscription is None else subscription.id,
        )
        return usage_answer(caller, totals, now_ms=self._clock.now_ms())

    def _period(self, query: bytes) -> tuple[int, int]:
        """`start_date`/`end_date` (YYYY-MM-DD, UTC, inclusive); default the last 30 days (spec 2.10)."""
        params = parse_qs(query.decode("latin-1"))
        today = instant(self._clock.now_ms()).replace(hour=0, minute=0, second=0, microsecond=0)
        start = _day(params.get("start_date"), today - timedelta(days=29))
        end = _day(params.get("end_date"), today) + timedelta(days=1)
        return round(start.timestamp() * 1000), round(end.timestamp() * 1000)


def models_dialect(headers: Mapping[str, str], query: bytes) -> Dialect:
    """`/v1/models` is shared: Google by its key header or `?key=`, Anthropic by its version header, else
    OpenAI."""
    if "x-goog-api-key" in headers or "key" in parse_qs(query.decode("latin-1")):
        return Dialect.GEMINI
    return Dialect.ANTHROPIC_MESSAGES if "anthropic-version" in headers else Dialect.OPENAI_CHAT


def _day(values: list[str] | None, default: datetime) -> datetime:
    if not values:
        return default
    try:
        return datetime.strptime(values[-1], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise RelayError(
            Fault(kind=FaultKind.REQUEST_INVALID, message="start_date and end_date have the form YYYY-MM-DD")
        ) from None
