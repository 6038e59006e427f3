"""Where conversations live: which account answered last, and how much of the conversation is cached there.

Losing a home costs one cold prompt cache; so the store may forget, and a store that is down holds no answer
up.
"""

import structlog

from headgate.core.ids import AccountId
from headgate.core.routing.affinity import response_session
from headgate.core.routing.stickiness import Home, Stake, StickinessPrices, cache_value_nano, home_after
from headgate.core.routing.verdicts import Reason, Selected, WaitFor
from headgate.core.world import Provider
from headgate.kit.clock import Clock
from headgate.relay.exchange import Exchange
from headgate.settings import GatewaySettings, StickinessSettings
from headgate.state.protocols import AffinityStore, StateUnavailable

log = structlog.get_logger(__name__)


class Homes:
    """Finds a conversation's account, says what it is worth to go there, and remembers who answered."""

    def __init__(self, affinity: AffinityStore, clock: Clock, settings: GatewaySettings) -> None:
        self._affinity = affinity
        self._clock = clock
        self._ttl_s = settings.sticky_ttl_s
        self._prices = stickiness_prices(settings.stickiness)

    async def find(self, exchange: Exchange) -> Home | None:
        """The account that made the response to be continued, for no other has it; else that of the
        conversation. Raises `StateUnavailable`."""
        exchange.home = await self._affinity.get(exchange.session) if exchange.session else None
        continued = exchange.peek.previous_response_id
        if continued is not None:
            session = response_session(exchange.caller.key.id, continued)
            made_by = None if session == exchange.session else await self._affinity.get(session)
            if made_by is not None:
                exchange.trace.note("session_rule", "previous_response_id")
                return made_by
        return exchange.home

    def stake(self, exchange: Exchange, home: Home) -> Stake | None:
        """What the conversation has at home; None: not known, so it stays (spec 3.4)."""
        if exchange.quote is None:
            return None
        rates, _ = exchange.quote.price.rates_for(exchange.peek.service_tier, home.warm_tokens or 0)
        is_written = exchange.handler.provider is Provider.ANTHROPIC
        value = cache_value_nano(
            home,
            fresh_nano=rates.cache_write_5m if is_written else rates.input,
            cached_nano=rates.cache_read,
            now_ms=self._clock.now_ms(),
        )
        if value is None:
            return None
        need = exchange.need
        return Stake(value, 0 if need is None else need.list_nano(need.wanted_tokens), self._prices)

    def note_move(self, exchange: Exchange, selection: Selected | WaitFor) -> None:
        """Remember why the conversation goes elsewhere, if it does."""
        home = exchange.home
        if home is None or home.account_id == selection.account.id:
            exchange.moved_because = None
            return
        rejection = selection.rejections.get(home.account_id)
        cause = "gone" if rejection is None else rejection.reason.value
        balance = selection.stickiness
        if rejection is not None and rejection.reason is Reason.LEFT_HOME and balance is not None:
            cause = balance.cause
        exchange.moved_because = cause

    async def keep(self, exchange: Exchange, account_id: AccountId) -> None:
        """The account answered: the conversation stays with it, and so does what it stored."""
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
        except StateUnavailable:  # the client has its answer already: only a warm cache may be missed
            log.warning("session_not_bound", exchange_id=exchange.id)


def stickiness_prices(settings: StickinessSettings) -> StickinessPrices:
    return StickinessPrices(
        second_nano=round(settings.wait_usd_per_hour * 1e9 / 3600),
        unhealthy_error_rate=settings.unhealthy_error_rate,
        scarce_requests=settings.scarce_requests,
    )
