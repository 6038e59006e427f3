"""Where conversations live: which account answered last, and how much of the conversation is cached there.

Losing a home costs one cold prompt cache; so the store may forget, and a store that is down holds no answer
up.
"""

import structlog

from headgate.core.ids import AccountId, SessionKey
from headgate.core.routing.affinity import response_session, state_session
from headgate.core.routing.stickiness import Home, Stake, StickinessPrices, cache_value_nano, home_after
from headgate.core.routing.verdicts import Reason, Selected, WaitFor
from headgate.core.world import Provider
from headgate.kit.clock import Clock
from headgate.relay.degraded import Degraded
from headgate.relay.exchange import Exchange
from headgate.settings import GatewaySettings, StickinessSettings
from headgate.state.protocols import AffinityStore, StateUnavailable

log = structlog.get_logger(__name__)


PREVIOUS_RESPONSE, OPAQUE_STATE = "previous_response_id", "opaque_state"


class Homes:
    """Finds a conversation's account, says what it is worth to go there, and remembers who answered."""

    def __init__(self, affinity: AffinityStore, clock: Clock, settings: GatewaySettings) -> None:
        self._affinity = affinity
        self._clock = clock
        self._ttl_s = settings.sticky_ttl_s
        self._prices = stickiness_prices(settings.stickiness)
        self.degraded = Degraded(clock)

    async def find(self, exchange: Exchange) -> Home | None:
        """The account that made the response to be continued, or the thinking that is sent back, for no other
        is sure to understand it; else that of the conversation. Raises `StateUnavailable`."""
        exchange.home = await self._affinity.get(exchange.session) if exchange.session else None
        for what, session in self._carried(exchange):
            minter = exchange.home if session == exchange.session else await self._affinity.get(session)
            if minter is not None:
                exchange.minted_by = (what, minter.account_id)
                if what == PREVIOUS_RESPONSE:
                    exchange.trace.note("session_rule", what)
                known = exchange.home
                return known if known is not None and known.account_id == minter.account_id else minter
        exchange.minted_by = None
        return exchange.home

    def _carried(self, exchange: Exchange) -> list[tuple[str, SessionKey]]:
        """What of the request one account alone has made, and under which name that account is known."""
        key_id, peek = exchange.caller.key.id, exchange.peek
        carried = []
        if peek.previous_response_id is not None:
            carried.append((PREVIOUS_RESPONSE, response_session(key_id, peek.previous_response_id)))
        if peek.opaque_state is not None:
            carried.append((OPAQUE_STATE, state_session(key_id, peek.opaque_state)))
        return carried

    def stake(self, exchange: Exchange, home: Home) -> Stake | None:
        """What the conversation has at home; None: not known, or no other account has it (a stored response;
        OpenAI's encrypted reasoning, which other organisations refuse), so it stays (spec 3.4)."""
        has_minted, provider = exchange.minted_by is not None, exchange.handler.provider
        is_bound = has_minted and (exchange.peek.opaque_state is None or provider is Provider.OPENAI)
        if exchange.quote is None or is_bound:
            return None
        rates, _ = exchange.quote.price.rates_for(exchange.peek.service_tier, home.warm_tokens or 0)
        is_written = provider is Provider.ANTHROPIC
        value = cache_value_nano(
            home,
            fresh_nano=rates.cache_write_5m if is_written else rates.input,
            cached_nano=rates.cache_read,
            now_ms=self._clock.now_ms(),
        )
        if value is None:
            return None
        need = exchange.need
        request = 0 if need is None else need.list_nano(need.wanted_tokens)
        return Stake(value, request, self._prices, has_minted)

    def note_move(self, exchange: Exchange, selection: Selected | WaitFor) -> None:
        """Remember why the conversation goes elsewhere, if it does, and what is lost by that."""
        self._note_degraded(exchange, selection)
        home = exchange.home
        if home is None or home.account_id == selection.account.id:
            exchange.moved_because = None
            return
        rejection = selection.rejections.get(home.account_id)
        cause = _absent(exchange) if rejection is None else rejection.reason.value
        balance = selection.stickiness
        if rejection is not None and rejection.reason is Reason.LEFT_HOME and balance is not None:
            cause = balance.cause
        exchange.moved_because = cause

    def _note_degraded(self, exchange: Exchange, selection: Selected | WaitFor) -> None:
        """Another account than the one that minted what the request carries: it may refuse it, or answer
        without it. Seen in the trace, by the client, in log and metrics, until the conversation is whole
        again: with the next request that its own account answers."""
        if exchange.minted_by is None:
            return
        what, minter = exchange.minted_by
        if minter == selection.account.id:
            exchange.announce_degraded(None)
            exchange.trace.drop("degraded")
            return
        rejection = selection.rejections.get(minter)
        because = _absent(exchange) if rejection is None else rejection.reason.value
        exchange.announce_degraded(what)
        exchange.trace.note(
            "degraded",
            {"what": what, "minted_by": minter, "served_by": selection.account.id, "because": because},
        )

    async def keep(self, exchange: Exchange, account_id: AccountId) -> None:
        """The account answered: the conversation stays with it, and so does what it stored and minted."""
        self.degraded.note(exchange, account_id)
        try:
            if exchange.session is not None:
                home = home_after(
                    exchange.home,
                    account_id,
                    exchange.used,
                    provider=exchange.handler.provider,
                    model=exchange.used_model,
                    now_ms=self._clock.now_ms(),
                )
                await self._affinity.bind(exchange.session, home, ttl_s=self._ttl_s)
            if exchange.response_id is not None:
                session = response_session(exchange.caller.key.id, exchange.response_id)
                await self._affinity.bind(session, Home(account_id), ttl_s=self._ttl_s)
            for state in exchange.minted:
                session = state_session(exchange.caller.key.id, state)
                await self._affinity.bind(session, Home(account_id), ttl_s=self._ttl_s)
        except StateUnavailable:  # the client has its answer already: only a warm cache may be missed
            log.warning("session_not_bound", exchange_id=exchange.id)


def _absent(exchange: Exchange) -> str:
    """Why an account is not even among those that could have been chosen."""
    return "gone" if exchange.moved_from is None else "group_fallback"


def stickiness_prices(settings: StickinessSettings) -> StickinessPrices:
    return StickinessPrices(
        second_nano=round(settings.wait_usd_per_hour * 1e9 / 3600),
        unhealthy_error_rate=settings.unhealthy_error_rate,
        scarce_requests=settings.scarce_requests,
    )
