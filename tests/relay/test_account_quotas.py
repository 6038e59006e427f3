"""An account's quota is held per attempt; what was given back unused can be held again, and then counts."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.limits.budget import NO_BUDGET, Need
from headgate.core.pricing.cost import CostLines
from headgate.core.world import Account, AccountQuota
from headgate.kit.clock import FakeClock
from headgate.relay.account_quotas import QUOTA_EXHAUSTED, AccountQuotas
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange
from headgate.relay.reserver import Reserver
from headgate.settings import LimitsSettings
from headgate.state.protocols import SharedState
from headgate.storage.read_model import ReadModel
from tests.relay.people import exchange_for

LIMIT, BOUND = 1_000, "account:1:quota"


@pytest.fixture
def quotas(state: SharedState, read_model: ReadModel, clock: FakeClock) -> AccountQuotas:
    return AccountQuotas(
        Reserver(state.reservations, read_model, clock, LimitsSettings()), state.reservations, clock
    )


@pytest.fixture
async def account(directory: Directory, engine: AsyncEngine) -> Account:
    async with engine.begin() as connection:
        await connection.execute(text(f"UPDATE accounts SET quota_limit_nano={LIMIT} WHERE id=1"))
    exchange = exchange_for()
    (first, *_) = directory.accounts_of(exchange.caller.group.id, exchange.caller.group.provider)
    return replace(first, quota=AccountQuota(total_nano=LIMIT))


def costing(nano: int, name: str = "x1") -> Exchange:
    exchange = exchange_for(name=name)
    exchange.need = Need(
        budget=NO_BUDGET, fixed_nano=nano, output_nano_per_mtok=0, wanted_tokens=0, plenty_tokens=0,
        floor_tokens=0,
    )  # fmt: skip
    return exchange


def cost(nano: int) -> CostLines:
    return CostLines(
        input=nano, output=0, cache_read=0, cache_write=0, list_cost=nano, charge=0, account_cost=nano,
        price_version="v", is_default=False,
    )  # fmt: skip


async def test_a_hold_that_was_given_back_and_taken_again_is_settled_like_any_other(
    quotas: AccountQuotas, account: Account, state: SharedState
) -> None:
    """A free slot that is lost to another request: the same attempt looks again."""
    exchange = costing(600)
    assert await quotas.hold(exchange, account)
    await quotas.release(exchange, None)
    assert await state.reservations.outstanding(BOUND) == 0
    assert await quotas.hold(exchange, account)
    await quotas.release(exchange, cost(600))
    assert await state.reservations.outstanding(BOUND) == 0
    assert not await quotas.hold(costing(600, "x2"), account)


async def test_an_account_that_cannot_cover_the_next_attempt_is_no_candidate_for_a_moment(
    quotas: AccountQuotas, account: Account, clock: FakeClock
) -> None:
    assert not await quotas.hold(costing(LIMIT + 1), account)
    (refused,) = quotas.refused()
    assert (refused.account_id, refused.reason, refused.evidence) == (1, QUOTA_EXHAUSTED, BOUND)
    clock.advance(6)
    assert quotas.refused() == ()


async def test_a_quota_counts_as_used_up_until_a_request_finds_room_or_nobody_asks_any_more(
    quotas: AccountQuotas, account: Account, clock: FakeClock
) -> None:
    began = clock.now_ms()
    for name in ("x1", "x2"):
        assert not await quotas.hold(costing(LIMIT + 1, name), account)
        clock.advance(10)
    (seen,) = quotas.used_up().values()
    assert (seen.bound, seen.since_ms) == (BOUND, began)
    assert await quotas.hold(costing(1, "x3"), account)
    assert quotas.used_up() == {}
    assert not await quotas.hold(costing(LIMIT + 1, "x4"), account)
    clock.advance(16 * 60)
    assert quotas.used_up() == {}


async def test_an_account_without_a_quota_holds_nothing(quotas: AccountQuotas, account: Account) -> None:
    exchange = costing(10**12)
    assert await quotas.hold(exchange, replace(account, quota=None))
    assert exchange.account_hold is None
