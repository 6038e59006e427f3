"""Holding money for an exchange against every bound that applies, with the database behind the store.

The store mirrors what the database says is left; this module fills it, empties it when the world moved, and
asks the database once more before it believes a refusal (a window may have rolled over, another process may
have credited). Where what is left does not cover all the output wanted, less is granted, down to a floor;
where only other requests under way stand in between, it waits for them, because most give back more than
they use.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.limits.admission import Shortage, refused_fault
from headgate.core.limits.budget import Budget, Need, SpendingBound
from headgate.kit.clock import Clock
from headgate.relay.exchange import AccountHold, Exchange, Hold
from headgate.settings import LimitsSettings
from headgate.state.protocols import (
    NO_LIMIT,
    Claim,
    Refused,
    ReservationStore,
    Reserved,
    StateContended,
    UnknownBounds,
)
from headgate.storage.journal import StorageUnavailable
from headgate.storage.read_model import ReadModel

_RECHECK_MS = 1_000
"""A refused bound is read again at most this often: refusals must stay cheap."""
_MOST_BOUNDS = 100_000
_FILLING_S = (0.0, 0.0, 0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.1, 0.1, 0.1)
"""Pauses between tries to fill the store. A bound moves again while it is read whenever another exchange of
the same user settles meanwhile: three tries were not enough with ten exchanges on a busy machine."""
_FIRST_LOOK_S = 0.01
_LAST_LOOK_S = 0.25
"""How often held money is looked for again while an exchange waits for it: from, growing to."""


class Reserver:
    def __init__(
        self, reservations: ReservationStore, read_model: ReadModel, clock: Clock, limits: LimitsSettings
    ) -> None:
        self._reservations = reservations
        self._read_model = read_model
        self._clock = clock
        self._ttl_ms = limits.reservation_ttl_s * 1000
        self._wait_s = limits.held_money_wait_s
        self._loaded: dict[str, int] = {}
        """Bound -> when this process last read it from the database (Unix ms)."""
        self._reads: dict[tuple[str, ...], _Read] = {}
        """Under way. One read serves all who wait for the same bounds."""
        self.waiting = 0
        """Exchanges that wait for held money right now (metric)."""

    async def reserve(self, exchange: Exchange, need: Need) -> int:
        """Hold the fixed part and as much of the wanted output as can be covered; returns those tokens, at
        least `need.floor_tokens`. Raises `RelayError` naming the first bound that cannot cover even that."""
        budget = need.budget
        if not budget.bounds:
            return need.wanted_tokens
        list_nano = need.list_nano(need.wanted_tokens)
        held = budget.amounts_by_name(list_nano)
        claims = list(map(Claim, held, held.values()))
        expires = self._clock.now_ms() + self._ttl_ms
        answer = await self._reservations.reserve(exchange.id, claims, expires_at_ms=expires)
        if isinstance(answer, UnknownBounds):
            answer = await self.ask(exchange.id, claims)
        if isinstance(answer, Refused):
            return await _Search(self, exchange, need).run(answer)
        # All that was wanted, nearly always: every request pays for what is done here.
        exchange.hold, exchange.need = Hold(budget=budget, list_nano=list_nano), need
        _note(exchange, list_nano, need.wanted_tokens, held, answer)
        return need.wanted_tokens

    async def extend(
        self, hold: Hold, reservation_id: str, list_nano: int, *, may_overdraw: bool
    ) -> Refused | None:
        """Hold so much more list cost for a running stream; None: held. What is held for its own surprise is
        not in its way. Raises `StateUnavailable`."""
        overdrafts = {
            bound.name: _surprise(hold.budget, bound, hold.list_nano, hold.surprise_nano)
            + (bound.overdraft_nano if may_overdraw else 0)
            for bound in hold.budget.bounds
        }
        answer = await self.ask(reservation_id, _more(hold, list_nano, overdrafts))
        if isinstance(answer, Refused):
            return answer
        hold.list_nano += list_nano
        return None

    async def hold_account(self, reservation_id: str, budget: Budget, list_nano: int) -> Hold | Refused:
        """Hold an attempt's likely cost against its account's quota. Raises `StateUnavailable`."""
        answer = await self.ask(reservation_id, _claims(budget, list_nano))
        if isinstance(answer, Refused) and await self.reread(answer.bound):
            answer = await self.ask(reservation_id, _claims(budget, list_nano))
        if isinstance(answer, Refused):
            return answer
        left = answer.remaining if answer.remaining < NO_LIMIT else None
        return Hold(budget=budget, list_nano=list_nano, left_nano=left)

    async def extend_account(self, held: AccountHold, list_nano: int) -> None:
        """The same for the account's quota, which never ends a running answer: the limit may be passed."""
        anything = {bound.name: NO_LIMIT for bound in held.hold.budget.bounds}
        await self.ask(held.reservation_id, _more(held.hold, list_nano, anything))
        held.hold.list_nano += list_nano

    async def forget_all(self) -> None:
        """Configuration changed somewhere: read every bound again when it is next needed."""
        bounds, self._loaded = list(self._loaded), {}
        if bounds:
            await self._reservations.forget(bounds)

    async def refusal(self, bound: SpendingBound, refused: Refused, needed_nano: int) -> Fault:
        """The fault for a claim that `bound` could not cover, with the instant when the limit begins anew."""
        shortage = Shortage(needed_nano=needed_nano, available_nano=refused.available, held_nano=refused.held)
        resets_at = await self._read_model.bound_resets_at(bound.name)
        return refused_fault(bound, shortage, now_ms=self._clock.now_ms(), resets_at_ms=resets_at)

    async def ask(self, reservation_id: str, claims: Sequence[Claim]) -> Reserved | Refused:
        """Claim, filling the store from the database where it knows nothing."""
        expires = self._clock.now_ms() + self._ttl_ms
        for pause_s in _FILLING_S:
            answer = await self._reservations.reserve(reservation_id, claims, expires_at_ms=expires)
            if not isinstance(answer, UnknownBounds):
                return answer
            await self._load(answer)
            if pause_s:
                await asyncio.sleep(pause_s)
        raise StateContended("the reservation store forgets faster than it can be filled")

    async def reread(self, bound: str) -> bool:
        """Forget what is believed of a refused bound, so that the next claim asks the database; False: it
        was read a moment ago."""
        if self._clock.now_ms() - self._loaded.get(bound, 0) < _RECHECK_MS:
            return False
        await self._reservations.forget([bound])
        return True

    @property
    def wait_s(self) -> float:
        return self._wait_s

    async def _load(self, unknown: UnknownBounds) -> None:
        """Read the bounds, or wait for who reads them already and ask the store again. A thousand requests of
        one user each with a read of their own queued for so long that they were refused.

        Raises `StorageUnavailable`, also for who waited."""
        under_way = self._reads.get(unknown.bounds)
        if under_way is not None:
            await under_way.done.wait()
            if under_way.failure is not None:
                raise type(under_way.failure)(str(under_way.failure))
            return
        read = self._reads[unknown.bounds] = _Read()
        try:
            await self._read(unknown)
        except StorageUnavailable as error:
            read.failure = error
            raise
        finally:
            del self._reads[unknown.bounds]
            read.done.set()

    async def _read(self, unknown: UnknownBounds) -> None:
        bounds = unknown.bounds
        if len(self._loaded) > _MOST_BOUNDS:
            self._loaded.clear()
        now = self._clock.now_ms()
        self._loaded.update(dict.fromkeys(bounds, now))
        await self._reservations.load(await self._read_model.load_bounds(bounds), epoch=unknown.epoch)


class _Read:
    """Of bounds, under way. The database's deadline ends it."""

    __slots__ = ("done", "failure")

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.failure: StorageUnavailable | None = None


class _Search:
    """Finds what can be held for one exchange: all that is wanted, less of it, later, or nothing."""

    def __init__(self, reserver: Reserver, exchange: Exchange, need: Need) -> None:
        self._reserver = reserver
        self._exchange = exchange
        self._need = need
        self._tokens = need.wanted_tokens
        self._surprise_nano = 0
        """What the input would cost beyond `fixed_nano` (list cost), should the conversation's cache be cold
        after all. It is held as well, left or not, so that nobody else is admitted on that money: a balance
        ends below zero by one such surprise at most, however many warm conversations come at once."""
        self._waited_s = 0.0
        self._pause_s = _FIRST_LOOK_S

    async def run(self, answer: Refused) -> int:
        """Go on from the refusal of all that is wanted."""
        budget = self._need.budget
        while True:
            if not await self._reserver.reread(answer.bound):
                await self._ease(budget.find(answer.bound), answer)
            list_nano = self._need.list_nano(self._tokens)
            claims = _claims(budget, list_nano, surprise_nano=self._surprise_nano)
            asked = await self._reserver.ask(self._exchange.id, claims)
            if isinstance(asked, Reserved):
                return self._held(list_nano, claims, asked)
            answer = asked

    async def _ease(self, bound: SpendingBound, refused: Refused) -> None:
        """Ask for less, or later; raises `RelayError` when neither can help."""
        need = self._need
        fewer = need.tokens_within(need.budget.bought_by(bound, refused.available))
        if need.plenty_tokens <= fewer < self._tokens:
            self._tokens = fewer
        elif self._could_be_freed(bound, refused):
            await self._wait()
        elif need.floor_tokens <= fewer < self._tokens:
            self._tokens = fewer
        elif need.likely_nano is not None and need.likely_nano < need.fixed_nano:
            self._surprise_nano = need.fixed_nano - need.likely_nano
            self._need = replace(need, fixed_nano=need.likely_nano, likely_nano=None)
            self._tokens = need.wanted_tokens
        else:
            needed = need.budget.amount(bound, need.list_nano(need.floor_tokens))
            raise RelayError(await self._reserver.refusal(bound, refused, needed))

    def _could_be_freed(self, bound: SpendingBound, refused: Refused) -> bool:
        """What others hold on this bound would let us in if it came back unused, and there is time."""
        if refused.held <= 0 or self._waited_s >= self._reserver.wait_s:
            return False
        need = self._need
        smallest = need.budget.amount(bound, need.list_nano(need.floor_tokens))
        return refused.available + refused.held >= smallest

    async def _wait(self) -> None:
        if self._exchange.connection.is_gone:
            raise RelayError(Fault(kind=FaultKind.CLIENT_GONE, message="The client left while it waited"))
        self._reserver.waiting += 1
        try:
            await asyncio.sleep(self._pause_s)
        finally:
            self._reserver.waiting -= 1
        self._waited_s += self._pause_s
        self._pause_s = min(self._pause_s * 1.5, _LAST_LOOK_S)
        self._tokens = self._need.wanted_tokens

    def _held(self, list_nano: int, claims: Sequence[Claim], answer: Reserved) -> int:
        exchange, budget = self._exchange, self._need.budget
        exchange.hold = Hold(budget=budget, list_nano=list_nano, surprise_nano=self._surprise_nano)
        exchange.need = self._need
        bounds = {claim.bound: claim.amount - claim.overdraft for claim in claims}
        facts = _note(exchange, list_nano, self._tokens, bounds, answer)
        if self._waited_s:
            facts["waited_ms"] = round(self._waited_s * 1000)
        if self._surprise_nano:
            facts["input"] = "as this conversation's last"
        return self._tokens


def _note(
    exchange: Exchange, list_nano: int, tokens: int, bounds: Mapping[str, int], answer: Reserved
) -> dict[str, object]:
    """What is held, in the trace, and what is left beside it; returns the trace's facts."""
    remaining = answer.remaining
    exchange.budget_left_nano = None if remaining >= NO_LIMIT else max(0, remaining)
    facts: dict[str, object] = {"list_nano": list_nano, "output_tokens": tokens, "bounds": bounds}
    exchange.trace.note("reserved", facts)
    return facts


def _claims(budget: Budget, list_nano: int, *, surprise_nano: int = 0) -> list[Claim]:
    """`list_nano`, which must be left, and `surprise_nano` on top, which need not."""
    covered = budget.amounts(list_nano)
    if surprise_nano == 0:
        return list(map(Claim, budget.names, covered))
    amounts = zip(budget.names, covered, budget.amounts(list_nano + surprise_nano), strict=True)
    return [Claim(name, held, held - amount) for name, amount, held in amounts]


def _surprise(budget: Budget, bound: SpendingBound, list_nano: int, surprise_nano: int) -> int:
    return budget.amount(bound, list_nano + surprise_nano) - budget.amount(bound, list_nano)


def _more(hold: Hold, list_nano: int, overdrafts: Mapping[str, int]) -> list[Claim]:
    """What `list_nano` beyond what is held takes of each bound."""
    budget = hold.budget
    steps = zip(
        budget.bounds, budget.amounts(hold.list_nano), budget.amounts(hold.list_nano + list_nano), strict=True
    )
    return [
        Claim(bound.name, after - before, overdrafts.get(bound.name, 0)) for bound, before, after in steps
    ]
