"""The input is reserved at the dearest rate that the request allows; the caller's own limit is an amount."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as struct_replace

from headgate.core.dialects.contract import CacheUse, Peek
from headgate.core.faults import FaultKind, RelayError
from headgate.core.ids import GroupId
from headgate.core.limits.estimate import MAX_COST_HEADER, input_and_unit, max_cost_nano
from headgate.core.pricing.price import Price, Tariff, flat_price, rates_of
from headgate.core.world import Group, Provider

GROUP = Group(id=GroupId(2), name="g", provider=Provider.OPENAI)
RATES = rates_of(input=1_000, output=5_000, cache_read=100, cache_write_5m=1_250, cache_write_1h=2_000)
PRICE = Price(standard=Tariff(rates=RATES))
PEEK = Peek(model="m", input_tokens_estimate=1_000_000)


@pytest.mark.parametrize(
    ("cache_use", "fixed"), [(CacheUse.NONE, 1_000), (CacheUse.WRITE_5M, 1_250), (CacheUse.WRITE_1H, 2_000)]
)
def test_a_request_that_writes_to_a_cache_reserves_the_price_of_writing(
    cache_use: CacheUse, fixed: int
) -> None:
    assert input_and_unit(PRICE, struct_replace(PEEK, cache_use=cache_use), GROUP) == (fixed, 5_000)


def test_pictures_are_reserved_at_the_groups_own_price() -> None:
    asks = Peek(model="m", input_tokens_estimate=0, image_count=2, image_size="2K")
    dear = replace(GROUP, image_prices_nano={"2K": 7_000_000})
    drawing = Price(standard=Tariff(rates=RATES), image=1_000_000)
    fixed, _ = input_and_unit(drawing, asks, dear)
    assert fixed == 2 * 7_000_000


def test_pictures_without_a_price_are_reserved_by_their_tokens() -> None:
    asks = Peek(model="m", input_tokens_estimate=0, image_count=1)
    fixed, unit = input_and_unit(flat_price(input_usd_per_mtok=1, output_usd_per_mtok=40), asks, GROUP)
    assert fixed >= 6_300 * unit // 1_000_000


@pytest.mark.parametrize(
    ("given", "nano"),
    [(None, None), ("0.05", 50_000_000), (" 1 ", 10**9), ("0", 0), ("999999999.999999999", 10**18 - 1)],
)
def test_the_callers_limit_is_exact(given: str | None, nano: int | None) -> None:
    assert max_cost_nano({} if given is None else {MAX_COST_HEADER: given}) == nano


@pytest.mark.parametrize(
    "given", ["", "-1", "NaN", "inf", "1e3", "1,5", "٣", "1234567890", "0.0000000001", "$1"]
)
def test_what_is_no_amount_is_the_callers_mistake(given: str) -> None:
    with pytest.raises(RelayError) as caught:
        max_cost_nano({MAX_COST_HEADER: given})
    assert caught.value.fault.kind is FaultKind.REQUEST_INVALID
    assert MAX_COST_HEADER in caught.value.fault.message
