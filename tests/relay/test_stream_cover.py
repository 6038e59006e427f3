"""A stream's reservation grows beside it, and never after it: nothing is held once the stream is settled."""

import asyncio
from collections.abc import Sequence

import pytest

from headgate.core.limits.budget import Need, budget_of
from headgate.core.pricing.cost import Quote
from headgate.core.pricing.price import flat_price
from headgate.core.usage import NO_USAGE, TokenUsage
from headgate.kit.clock import FakeClock
from headgate.kit.tasks import TaskOwner
from headgate.relay.exchange import Hold
from headgate.relay.reserver import Reserver
from headgate.relay.stream_cover import CoverFactory, StreamCover
from headgate.settings import LimitsSettings
from headgate.state.memory.reservations import MemoryReservations
from headgate.state.protocols import Claim, Refused, Reserved, UnknownBounds
from headgate.storage.read_model import ReadModel
from tests.relay.people import NOW_MS, exchange_for

BALANCE = "user:1:balance"
DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"%s"}}\n\n'
)


class SlowStore(MemoryReservations):
    """Takes its time over every claim after the first, as Redis or a cold bound does."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.gate = asyncio.Event()
        self.asked = 0

    async def reserve(
        self, reservation_id: str, claims: Sequence[Claim], *, expires_at_ms: int
    ) -> Reserved | Refused | UnknownBounds:
        self.asked += 1
        if self.asked > 1:
            await self.gate.wait()
        return await super().reserve(reservation_id, claims, expires_at_ms=expires_at_ms)


async def test_a_growth_under_way_ends_before_the_settlement_and_nothing_stays_held(
    read_model: ReadModel, clock: FakeClock, tasks: TaskOwner, world: None
) -> None:
    store = SlowStore(clock)
    await store.load({BALANCE: 10**9})
    reserver = Reserver(store, read_model, clock, LimitsSettings())
    exchange = exchange_for()
    price = flat_price(input_usd_per_mtok=1, output_usd_per_mtok=1)
    exchange.quote = Quote(price=price, version="v", source="file", entry="m")
    need = Need(
        budget=budget_of(exchange.caller, 10_000, now_ms=NOW_MS), fixed_nano=0,
        output_nano_per_mtok=10**9, wanted_tokens=100, plenty_tokens=100, floor_tokens=1,
    )  # fmt: skip
    exchange.need = need
    await reserver.reserve(exchange, need)
    stream = exchange.handler.open_stream(
        exchange.target, exchange.peek, client_model="m", upstream_model="m"
    )
    cover = CoverFactory(reserver, tasks, slice_tokens=100).open(exchange, stream)
    assert cover is not None
    passed = len(stream.feed(DELTA % (b"x" * 240)))
    assert cover.is_covered(passed)  # most of the slice is used: the next one is asked for beside the stream
    await asyncio.sleep(0)
    ending = asyncio.ensure_future(cover.close())
    await asyncio.sleep(0)
    assert store.asked == 2
    assert not ending.done()
    store.gate.set()
    await ending
    await store.settle(exchange.id, {BALANCE: 60_000})
    await tasks.join(1)
    assert await store.outstanding(BALANCE) == 0


async def test_who_is_known_for_short_answers_asks_for_more_only_when_half_of_what_was_held_is_used(
    read_model: ReadModel, clock: FakeClock, tasks: TaskOwner, world: None
) -> None:
    """A first slice of 100 tokens, learned from the key's answers, where a slice is 1,000."""
    store = SlowStore(clock)
    store.gate.set()
    await store.load({BALANCE: 10**9})
    reserver = Reserver(store, read_model, clock, LimitsSettings())
    exchange = exchange_for()
    price = flat_price(input_usd_per_mtok=1, output_usd_per_mtok=1)
    exchange.quote = Quote(price=price, version="v", source="file", entry="m")
    exchange.need = Need(
        budget=budget_of(exchange.caller, 10_000, now_ms=NOW_MS), fixed_nano=0,
        output_nano_per_mtok=10**9, wanted_tokens=100, plenty_tokens=100, floor_tokens=1,
    )  # fmt: skip
    await reserver.reserve(exchange, exchange.need)
    stream = exchange.handler.open_stream(
        exchange.target, exchange.peek, client_model="m", upstream_model="m"
    )
    cover = CoverFactory(reserver, tasks, slice_tokens=1_000).open(exchange, stream)
    assert cover is not None
    passed = len(stream.feed(DELTA % (b"x" * 120)))
    assert cover.is_covered(passed)
    await cover.close()
    assert store.asked == 1
    passed += len(stream.feed(DELTA % (b"x" * 120)))
    assert cover.is_covered(passed)
    await cover.close()
    assert (store.asked, cover.extensions) == (2, 1)
    assert await store.outstanding(BALANCE) > 900_000
    await store.settle(exchange.id, {})
    await tasks.join(1)


def covering(read_model: ReadModel, clock: FakeClock, tasks: TaskOwner, list_nano: int) -> StreamCover:
    """A stream at 1 USD per million tokens either way, with so much reserved."""
    exchange = exchange_for()
    exchange.quote = Quote(
        price=flat_price(input_usd_per_mtok=1, output_usd_per_mtok=1), version="v", source="file", entry="m"
    )
    budget = budget_of(exchange.caller, 10_000, now_ms=NOW_MS)
    exchange.need = Need(
        budget=budget, fixed_nano=0, output_nano_per_mtok=10**9, wanted_tokens=100, plenty_tokens=100,
        floor_tokens=1,
    )  # fmt: skip
    exchange.hold = Hold(budget=budget, list_nano=list_nano)
    stream = exchange.handler.open_stream(
        exchange.target, exchange.peek, client_model="m", upstream_model="m"
    )
    reserver = Reserver(MemoryReservations(clock), read_model, clock, LimitsSettings())
    cover = CoverFactory(reserver, tasks, slice_tokens=100).open(exchange, stream)
    assert cover is not None
    return cover


@pytest.mark.parametrize(
    ("told", "estimated", "billed"),
    [
        (TokenUsage(input=50, output=3), TokenUsage(input=50, output=40), TokenUsage(input=50, output=40)),
        (TokenUsage(input=50, output=3), TokenUsage(input=50, output=400), TokenUsage(input=50, output=50)),
        (
            TokenUsage(input=50, output=300),
            TokenUsage(input=50, output=400),
            TokenUsage(input=50, output=300),
        ),
        (TokenUsage(input=500, output=1), TokenUsage(input=500, output=9), TokenUsage(input=500, output=1)),
        (NO_USAGE, TokenUsage(input=60, output=90), TokenUsage(input=60, output=40)),
        (NO_USAGE, TokenUsage(input=250, output=90), TokenUsage(input=100)),
    ],
    ids=["fits", "output", "reported is kept", "reported input is kept", "all estimated", "input too"],
)
async def test_what_is_estimated_keeps_to_what_was_reserved_and_what_was_reported_is_billed(
    read_model: ReadModel, clock: FakeClock, tasks: TaskOwner,
    told: TokenUsage, estimated: TokenUsage, billed: TokenUsage,
) -> None:  # fmt: skip
    cover = covering(read_model, clock, tasks, list_nano=100_000)
    assert cover.within(estimated, told=told) == billed
