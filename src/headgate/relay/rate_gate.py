"""Requests and tokens per minute: drawn before anything else is held, tokens corrected at settlement.

Callers of this module ask first (`has_rate_limit`, `Exchange.rate_tokens`), so that the many requests that no
limit is on pay three comparisons. A store that does not answer refuses (`StateUnavailable`,
docs/operations/failures.md): a limit that is not checked is no limit.
"""

import structlog

from headgate.core.dialects.contract import WRITES
from headgate.core.faults import RelayError
from headgate.core.limits.rates import (
    rate_fault,
    request_charges,
    tightest,
    token_charges,
)
from headgate.core.usage import TokenUsage
from headgate.kit.clock import Clock
from headgate.relay.exchange import Exchange
from headgate.relay.experience import Experience, first_slice
from headgate.settings import LimitsSettings
from headgate.state.protocols import RateExceeded, RateStore, StateUnavailable

log = structlog.get_logger(__name__)


class RateGate:
    def __init__(
        self, rates: RateStore, clock: Clock, experience: Experience, limits: LimitsSettings
    ) -> None:
        self._rates = rates
        self._clock = clock
        self._experience = experience
        self._limits = limits

    async def enter(self, exchange: Exchange) -> None:
        """Draw one request, and the tokens that it may need by estimate. Raises `RelayError` (RATE_LIMITED);
        then nothing is drawn. Either way the answer will tell how the limits stand."""
        await self._draw(exchange, self.tokens_estimate(exchange))

    async def enter_unmetered(self, exchange: Exchange) -> None:
        """The same for operations that use no tokens (counting, stored objects): they are requests too."""
        await self._draw(exchange, 0)

    async def correct(self, exchange: Exchange, usage: TokenUsage | None) -> None:
        """Replace the estimate by the tokens that were used, of all buckets of the usage. None: nothing was;
        the request stays counted. Only the first call does anything."""
        drawn, exchange.rate_tokens = exchange.rate_tokens, 0
        missing = (0 if usage is None else usage.total) - drawn
        if drawn == 0 or missing == 0:
            return
        try:
            await self._rates.correct(token_charges(exchange.caller, exchange.peek.model, missing))
        except StateUnavailable:
            log.warning("rate_left_uncorrected", exchange_id=exchange.id)

    def tokens_estimate(self, exchange: Exchange) -> int:
        """The input as estimated, and a first slice of output for each answer asked for, as reservations have
        it (`first_slice`), within the request's own limit; at least one."""
        peek, output = exchange.peek, 0
        if exchange.target.operation in WRITES:
            likely = first_slice(exchange, self._experience, self._limits)
            output = min(peek.max_output_tokens or likely, likely) * peek.choices
        return max(1, peek.input_tokens_estimate + output)

    async def _draw(self, exchange: Exchange, tokens: int) -> None:
        caller, model = exchange.caller, exchange.peek.model
        for_tokens = token_charges(caller, model, tokens) if tokens else []
        charges = [*request_charges(caller, model), *for_tokens]
        if not charges:
            return  # limits of other models
        answer = await self._rates.draw(charges)
        refused = answer.bucket if isinstance(answer, RateExceeded) else None
        limits = tightest(answer.levels, refused=refused)
        exchange.announced += exchange.handler.rate_headers(limits, now_ms=self._clock.now_ms())
        if isinstance(answer, RateExceeded):
            level = answer.levels[answer.bucket]
            fault = rate_fault(answer.bucket, level, retry_after_ms=answer.retry_after_ms, wanted=tokens)
            raise RelayError(fault)
        exchange.rate_tokens = tokens if for_tokens else 0
