"""`POST /v1/cost/preview`: what a request would reserve and could cost, from the same body as the real call.

Nothing is reserved, recorded or sent. The endpoint that is meant is told by `?endpoint=/v1/chat/completions`,
else by the group's provider and the shape of the body; Gemini's model stands in `?model=`.
"""

from typing import Any
from urllib.parse import parse_qs

from headgate.core.dialects.contract import Target
from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.limits.admission import charge_multiplier
from headgate.core.limits.budget import Budget, Need, budget_of, charge_of, output_cost
from headgate.core.limits.estimate import max_cost_nano
from headgate.core.money import MULTIPLIER_ONE, to_usd
from headgate.core.pricing.cost import Quote
from headgate.core.wire.json_edit import NotAnObject, members
from headgate.core.world import Provider
from headgate.kit import json
from headgate.relay.authentication import Authenticator
from headgate.relay.body import BodyReader, Receive, check_content_type
from headgate.relay.client_rules import ClientRules
from headgate.relay.dialects import HANDLERS
from headgate.relay.estimator import Estimator
from headgate.relay.exchange import Exchange
from headgate.relay.responder import Responder
from headgate.relay.routes import match
from headgate.storage.read_model import UNBOUNDED, ReadModel

_JSON = [(b"content-type", b"application/json")]


class CostPreview:
    def __init__(
        self,
        authenticator: Authenticator,
        bodies: BodyReader,
        estimator: Estimator,
        read_model: ReadModel,
        client_rules: ClientRules,
    ) -> None:
        self._client_rules = client_rules
        self._authenticator = authenticator
        self._bodies = bodies
        self._estimator = estimator
        self._read_model = read_model

    async def answer(self, exchange: Exchange, receive: Receive, responder: Responder) -> None:
        """Raises `RelayError` like the real call: key, body, price, `x-headgate-max-cost`. A budget that
        could not cover the request is told in the answer, not as an error."""
        exchange.caller = await self._authenticator.authenticate(
            exchange.target.dialect, exchange.headers, exchange.query, exchange.client_ip, skip_spending=True
        )
        check_content_type(exchange.headers)
        exchange.body = await self._bodies.read(exchange.headers, receive)
        try:
            self._aim(exchange, responder)
            answer = await self._preview(exchange)
        finally:
            self._bodies.free(exchange)
        await responder.whole(200, _JSON, json.dumps(answer))

    def _aim(self, exchange: Exchange, responder: Responder) -> None:
        """Find out which call is meant, and read the body as that call would."""
        exchange.target = target = meant_target(exchange.query, exchange.caller.group.provider, exchange.body)
        exchange.handler = HANDLERS[target.dialect]
        responder.speak(exchange.handler)
        peek = exchange.handler.peek(target, exchange.body)
        if isinstance(peek, Fault):
            raise RelayError(peek)
        exchange.peek = peek
        self._client_rules.enter(exchange)
        exchange.charge_multiplier = charge_multiplier(exchange.caller.user, exchange.caller.group)

    async def _preview(self, exchange: Exchange) -> dict[str, Any]:
        budget = budget_of(exchange.caller, exchange.charge_multiplier, now_ms=exchange.started_at_ms)
        need, allowed = self._estimator.need(exchange, budget)
        assert exchange.quote is not None
        left = await self._read_model.load_bounds([bound.name for bound in budget.bounds])
        return {
            "object": "cost_preview",
            "model": exchange.peek.model,
            "currency": "USD",
            **_price(exchange, exchange.quote),
            **_costs(exchange, need, allowed),
            "limits": [
                {
                    "limit": bound.name,
                    "remaining": None if left[bound.name] >= UNBOUNDED else to_usd(left[bound.name]),
                    "covers_reservation": left[bound.name]
                    >= budget.amount(bound, need.list_nano(need.wanted_tokens)),
                    "resets_at_ms": await self._read_model.bound_resets_at(bound.name),
                }
                for bound in budget.bounds
            ],
            "is_affordable": _is_affordable(budget, need, left),
        }


def meant_target(query: bytes, provider: Provider, body: bytes) -> Target:
    """The call that a preview is about. Raises `RelayError` (REQUEST_INVALID, NOT_FOUND)."""
    params = parse_qs(query.decode("latin-1"))
    endpoint = params.get("endpoint", [""])[-1] or _endpoint_by_shape(provider, body, params)
    found = match("POST", endpoint, b"")
    if isinstance(found, Fault):
        raise RelayError(found)
    if not isinstance(found, Target) or HANDLERS[found.dialect].provider is not provider:
        message = f"endpoint must be a metered call of a {provider.value} group, such as /v1/messages"
        raise RelayError(Fault(kind=FaultKind.REQUEST_INVALID, message=message))
    return found


def _endpoint_by_shape(provider: Provider, body: bytes, params: dict[str, list[str]]) -> str:
    if provider is Provider.ANTHROPIC:
        return "/v1/messages"
    try:
        names = members(body).keys()
    except NotAnObject:
        names = {}.keys()
    if provider is Provider.GEMINI:
        model = params.get("model", [""])[-1]
        if not model:
            message = "name the model: /v1/cost/preview?model=gemini-2.5-flash"
            raise RelayError(Fault(kind=FaultKind.REQUEST_INVALID, message=message))
        return f"/v1beta/models/{model}:generateContent"
    if "messages" in names:
        return "/v1/chat/completions"
    return "/v1/images/generations" if "prompt" in names and "input" not in names else "/v1/responses"


def _price(exchange: Exchange, quote: Quote) -> dict[str, Any]:
    peek = exchange.peek
    rates, factor = quote.price.rates_for(peek.service_tier, peek.input_tokens_estimate)

    def usd(nano: int) -> float:
        return to_usd(nano if factor is None else nano * factor.times // factor.over)

    return {
        "price_version": quote.version,
        "price_source": quote.source,
        "is_price_default": quote.is_default,
        "usd_per_million_tokens": {
            "input": usd(rates.input),
            "output": usd(rates.output),
            "cache_read": usd(rates.cache_read),
            "cache_write_5m": usd(rates.cache_write_5m),
            "cache_write_1h": usd(rates.cache_write_1h),
        },
        "rate_multiplier": exchange.charge_multiplier / MULTIPLIER_ONE,
    }


def _costs(exchange: Exchange, need: Need, allowed: int | None) -> dict[str, Any]:
    """`reserved_usd` is held at first, `worst_case_usd` is the charge when the answer takes all the output it
    may (null: the request states no limit)."""
    peek, multiplier = exchange.peek, exchange.charge_multiplier
    most = peek.max_output_tokens
    if most is not None and allowed is not None:
        most = min(most, allowed)
    worst = None
    if most is not None or need.wanted_tokens == 0:
        tokens = (most or 0) * peek.choices if need.wanted_tokens else 0
        worst = charge_of(need.fixed_nano + output_cost(tokens, need.output_nano_per_mtok), multiplier)
    limit = max_cost_nano(exchange.headers)
    return {
        "input_tokens_estimate": peek.input_tokens_estimate,
        "max_output_tokens": most if most is not None else allowed,
        "reserved_output_tokens": need.wanted_tokens,
        "reserved_usd": to_usd(charge_of(need.list_nano(need.wanted_tokens), multiplier)),
        "worst_case_usd": None if worst is None else to_usd(worst),
        "max_cost_usd": None if limit is None else to_usd(limit),
    }


def _is_affordable(budget: Budget, need: Need, left: Any) -> bool:
    smallest = need.list_nano(need.floor_tokens)
    return all(left[bound.name] >= budget.amount(bound, smallest) for bound in budget.bounds)
