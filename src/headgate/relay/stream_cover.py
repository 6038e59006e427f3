"""A running stream's reservation grows ahead of it (DESIGN 5).

The pump counts bytes and asks here only when it has passed the next mark. What the stream has cost so far is
what the provider has told (the input, usually in the first event) plus output estimated high from what was
passed. While at least half a slice (or half of the first one, where that was smaller) is covered beyond that,
nothing happens; below it the next slice is reserved beside the stream; where nothing is covered any more, the
stream waits for the answer. What then cannot be covered ends the stream (`strict`), after the operator's
overdraft where the group allows one.

Bound: with `strict` nothing is passed that was not covered, apart from the error of the estimates: of the
input until the provider tells it, and of output that the provider bills but does not show (hidden reasoning).
"""

import asyncio

import structlog
from msgspec.structs import replace

from headgate.core.dialects.contract import ResponseStream
from headgate.core.dialects.metering import BYTES_PER_OUTPUT_TOKEN
from headgate.core.faults import Fault, FaultKind
from headgate.core.limits.budget import Need, output_cost
from headgate.core.money import MULTIPLIER_ONE, TOKENS_PER_PRICE_UNIT
from headgate.core.pricing.cost import Quote, price_usage
from headgate.core.pricing.plausibility import believe, bounds_of
from headgate.core.usage import NO_USAGE, TokenUsage, UsageSource
from headgate.kit.tasks import TaskOwner
from headgate.relay.exchange import AccountHold, Exchange, Hold
from headgate.relay.reserver import Reserver
from headgate.state.protocols import Refused, StateUnavailable

log = structlog.get_logger(__name__)

BYTES_PER_TOKEN = 3
"""Prose has 4 bytes per token, code and most other scripts 3: estimated high."""
NEVER = 2**62
_STEP_BYTES = 512
"""Marks are at least so far apart: asking costs a microsecond or two."""
_SLOWEST = 16
"""Bytes per token that a stream is trusted to keep to at most: a token per event makes 100 and more, events
with a line of text 15."""
_TOLD = (UsageSource.REPORTED, UsageSource.PARTIAL)


class StreamCover:
    """One per metered stream whose exchange has a hold."""

    def __init__(
        self,
        reserver: Reserver,
        tasks: TaskOwner,
        stream: ResponseStream,
        hold: Hold,
        need: Need,
        quote: Quote,
        *,
        reservation_id: str,
        account: AccountHold | None,
        service_tier: str | None,
        slice_tokens: int,
        most_tokens: int | None,
        input_estimate: int = 0,
    ) -> None:
        """`most_tokens`: the output limit that the provider was sent, all choices together; None: none."""
        self._account = account
        self._most_tokens = most_tokens
        self._input_estimate = input_estimate
        self._reserver = reserver
        self._tasks = tasks
        self._stream = stream
        self._hold = hold
        self._need = need
        self._quote = quote
        self._bounds = bounds_of(quote.price, max_output_asked=None)
        """A report that cannot be true must not end the stream (PAINS 10)."""
        self._id = reservation_id
        self._tier = service_tier
        self._slice_nano = max(output_cost(slice_tokens, need.output_nano_per_mtok), 1)
        self._low_nano = output_cost(min(slice_tokens, need.wanted_tokens), need.output_nano_per_mtok) // 2
        """With less than this left the next slice is reserved: half a slice, or half of what was wanted at
        first where that is less. Who is known for short answers ends most of them without asking for more."""
        self._growth: asyncio.Task[None] | None = None
        self._refused: Refused | None = None
        self._blind_slices = 0
        self.extensions = 0
        self.check_at = self._mark(0, hold.list_nano - need.fixed_nano)

    def is_covered(self, passed_bytes: int) -> bool:
        """Asked by the pump at a mark: may it go on at once? Sets the next mark, and has the next slice
        reserved beside the stream when little is left."""
        usage = self._usage(BYTES_PER_TOKEN)
        left = self._left(usage)
        if self._is_all_covered(usage, left):
            self.check_at = NEVER
            return True
        if left <= 0:
            return False
        if left < self._low_nano and self._growth is None and self._refused is None:
            self._growth = self._tasks.spawn(self._grow_beside(), name="grow_reservation")
        self.check_at = self._mark(passed_bytes, left)
        return True

    def _is_all_covered(self, usage: TokenUsage, left: int) -> bool:
        """Everything that the answer may still cost within its output limit is reserved."""
        if self._most_tokens is None:
            return False
        if left < output_cost(self._most_tokens - usage.output, self._need.output_nano_per_mtok):
            return False  # far from it, nearly always: not worth pricing it exactly
        return self._left(replace(usage, output=self._most_tokens)) >= 0

    async def ensure(self, passed_bytes: int) -> Fault | None:
        """Nothing is covered any more: reserve now, or say how the stream ends."""
        await self.close()  # a growth under way may be enough
        if self._left() <= 0:
            await self._grow()
        left = self._left()
        if left > 0:
            self.check_at = self._mark(passed_bytes, left)
            return None
        self.check_at = NEVER
        if self._refused is None:
            return Fault(
                kind=FaultKind.STATE_UNAVAILABLE, message="The rest of the answer cannot be covered now"
            )
        bound = self._hold.budget.find(self._refused.bound)
        shown = await self._reserver.refusal(bound, self._refused, 0)
        return Fault(kind=FaultKind.BUDGET_ENDED, message=f"The answer was ended: {shown.message}")

    async def close(self) -> None:
        """A growth under way ends. Before the settlement, or it would hold money that nobody gives back."""
        if self._growth is not None:
            await asyncio.wait({self._growth})

    def final_usage(self) -> TokenUsage:
        """What is booked for a stream that was ended here: estimated as every answer that told nothing, but
        never more than was covered (an estimate does not overdraw)."""
        usage = self._usage(BYTES_PER_OUTPUT_TOKEN)
        if usage.total == usage.output:
            return self.within(replace(usage, input=self._input_estimate), told=NO_USAGE)
        return self.within(usage, told=replace(usage, output=0))

    def within(self, usage: TokenUsage, *, told: TokenUsage) -> TokenUsage:
        """The same, but what was estimated in it beyond what was `told` keeps to what was covered: first the
        output, then the input."""
        beyond, unit = -self._left(usage), self._need.output_nano_per_mtok
        if beyond > 0 and unit > 0:
            fitting = usage.output - -(-beyond * TOKENS_PER_PRICE_UNIT // unit)
            usage = replace(usage, output=max(told.output, fitting, 0))
        left = self._left(usage)
        if left < 0 and not told.total:
            usage = replace(usage, input=usage.input * self._hold.list_nano // (self._hold.list_nano - left))
        return usage

    def _usage(self, bytes_per_token: int) -> TokenUsage:
        """What the provider told, output at least as estimated from what was passed."""
        reading = self._stream.reading()
        seen = self._stream.output_tokens(bytes_per_token=bytes_per_token)
        if self._most_tokens is not None:
            seen = min(seen, self._most_tokens)  # the provider keeps to it
        if reading.source not in _TOLD:
            return replace(NO_USAGE, output=seen)
        usage = believe(
            reading.usage,
            reading.source,
            self._bounds,
            input_estimate=self._input_estimate,
            output_estimate=seen,
        ).usage
        return usage if usage.output >= seen else replace(usage, output=seen)

    def _left(self, usage: TokenUsage | None = None) -> int:
        """List cost that is covered beyond what was used; below 0: used and not covered."""
        usage = usage or self._usage(BYTES_PER_TOKEN)
        cost = price_usage(
            self._quote.price,
            usage,
            charge_multiplier=MULTIPLIER_ONE,
            cost_multiplier=0,
            service_tier=self._tier,
        )
        is_input_told = usage.total > usage.output
        used = cost.list_cost if is_input_told else cost.list_cost + self._need.fixed_nano
        return self._hold.list_nano - used

    def _mark(self, passed_bytes: int, left: int) -> int:
        """When to ask again. Towards `_low_nano` by the stream's own pace so far, twice as fast: being late
        there costs head-room. Below it by the fastest that bytes can be tokens."""
        unit, low = self._need.output_nano_per_mtok, self._low_nano
        if unit <= 0:
            return NEVER
        if left > low:
            seen = self._stream.output_tokens(bytes_per_token=BYTES_PER_TOKEN)
            pace = (
                min(max(BYTES_PER_TOKEN, passed_bytes // (2 * seen)), _SLOWEST) if seen else BYTES_PER_TOKEN
            )
            tokens = (left - low) * TOKENS_PER_PRICE_UNIT // unit
        else:
            pace, tokens = BYTES_PER_TOKEN, left * TOKENS_PER_PRICE_UNIT // unit
        return passed_bytes + max(_STEP_BYTES, tokens * pace)

    async def _grow_beside(self) -> None:
        try:
            await self._grow()
        finally:
            self._growth = None

    async def _grow(self) -> None:
        """One slice beyond what was used; where the slice is not there, what is; then the overdraft."""
        try:
            refused = await self._extend(self._wanted(), may_overdraw=False)
            if refused is not None:
                budget = self._hold.budget
                bought = budget.bought_by(budget.find(refused.bound), refused.available)
                if bought > 0:
                    await self._extend(bought, may_overdraw=False)
                if self._left() <= 0 and any(bound.overdraft_nano for bound in budget.bounds):
                    refused = await self._extend(self._wanted(), may_overdraw=True)
            self._refused = None if self._left() > 0 else refused
        except StateUnavailable:
            self._serve_blind()

    def _wanted(self) -> int:
        return max(self._slice_nano - self._left(), 1)

    async def _extend(self, list_nano: int, *, may_overdraw: bool) -> Refused | None:
        refused = await self._reserver.extend(self._hold, self._id, list_nano, may_overdraw=may_overdraw)
        if refused is None:
            self.extensions += 1
            if self._account is not None:
                await self._reserver.extend_account(self._account, list_nano)
        return refused

    def _serve_blind(self) -> None:
        """The store of reservations does not answer: one more slice on trust, then the stream ends."""
        if self._blind_slices == 0:
            self._blind_slices += 1
            self._hold.list_nano += self._slice_nano
            log.warning("reservation_not_extended", exchange_id=self._id)


class CoverFactory:
    """Opens the cover of a stream; built once."""

    def __init__(self, reserver: Reserver, tasks: TaskOwner, slice_tokens: int) -> None:
        self._reserver = reserver
        self._tasks = tasks
        self._slice_tokens = slice_tokens

    def open(self, exchange: Exchange, stream: ResponseStream) -> StreamCover | None:
        """None: nothing has to be covered."""
        if exchange.hold is None or exchange.need is None or exchange.quote is None:
            return None
        return StreamCover(
            self._reserver,
            self._tasks,
            stream,
            exchange.hold,
            exchange.need,
            exchange.quote,
            reservation_id=exchange.id,
            account=exchange.account_hold,
            service_tier=exchange.peek.service_tier,
            slice_tokens=self._slice_tokens,
            most_tokens=most_tokens(exchange),
            input_estimate=exchange.peek.input_tokens_estimate,
        )


def most_tokens(exchange: Exchange) -> int | None:
    """The output limit that is sent upstream, all choices together; None: none."""
    peek = exchange.peek
    limit = peek.max_output_tokens if exchange.output_limit is None else exchange.output_limit
    return None if limit is None else limit * peek.choices
