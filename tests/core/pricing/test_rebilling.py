"""What a call of the past costs with another price book, and how much more that is than what is booked."""

from typing import Any

import pytest

from headgate.core.pricing.book import PriceBook, always
from headgate.core.pricing.catalogue import Catalogue
from headgate.core.pricing.price import flat_price
from headgate.core.pricing.rebilling import BilledCall, rebill
from headgate.core.usage import TokenUsage


def book(usd_per_mtok: int, **fields: Any) -> PriceBook:
    price = flat_price(input_usd_per_mtok=usd_per_mtok, output_usd_per_mtok=usd_per_mtok)
    return PriceBook(
        catalogue=Catalogue(version="c", entries=()), default=price, overrides={"m": always(price)}, **fields
    )


def call(**fields: Any) -> BilledCall:
    """1000 tokens for 3 USD a million, at x1.5 for the user and x0.5 for the account, booked in full."""
    given: dict[str, Any] = {
        "exchange_id": "x1", "attempt": 1, "outcome": "completed", "user_id": 1, "key_id": 1, "group_id": 1,
        "subscription_id": None, "client_model": "m", "upstream_model": "m",
        "usage": TokenUsage(input=400, output=600), "service_tier": None, "charge_multiplier": 15_000,
        "cost_multiplier": 5000, "started_at_ms": 1, "paid_nano": 4_500_000, "account_nano": 1_500_000,
    }  # fmt: skip
    return BilledCall(**{**given, **fields})


def test_the_same_prices_change_nothing() -> None:
    again = rebill(call(), book(3), {})
    assert again.is_same
    assert (again.paid_nano, again.cost.account_cost) == (4_500_000, 1_500_000)


def test_other_prices_change_payer_key_and_account_by_their_own_multipliers() -> None:
    again = rebill(call(key_nano=4_500_000), book(4), {})
    assert (again.paid_more, again.key_more, again.account_more) == (1_500_000, 1_500_000, 500_000)
    assert rebill(call(key_nano=4_500_000), book(2), {}).paid_more == -1_500_000


def test_a_key_without_a_quota_is_left_alone() -> None:
    assert rebill(call(), book(4), {}).key_more == 0


def test_what_counts_list_cost_goes_on_counting_it() -> None:
    counts = call(
        subscription_id=7, pays_list_cost=True, paid_nano=3_000_000, key_nano=3_000_000,
        key_counts_list_cost=True,
    )  # fmt: skip
    assert rebill(counts, book(3), {}).is_same
    assert rebill(counts, book(4), {}).paid_more == 1_000_000


@pytest.mark.parametrize("fields", [{"outcome": "failed"}, {"charge_multiplier": 0}], ids=["failed", "free"])
def test_who_did_not_pay_pays_nothing_now_but_the_account_does(fields: dict[str, Any]) -> None:
    again = rebill(call(paid_nano=0, pays_list_cost=True, **fields), book(4), {})
    assert (again.paid_nano, again.paid_more, again.account_more) == (0, 0, 500_000)


def test_a_correction_that_was_booked_meanwhile_counts() -> None:
    assert rebill(call(paid_nano=6_000_000, account_nano=2_000_000), book(4), {}).is_same


def test_a_model_that_the_book_refuses_costs_its_default() -> None:
    unknown = call(client_model="other", upstream_model="another", paid_nano=6_000_000)
    assert rebill(unknown, book(4, refuse_unknown=True), {}).paid_more == 0


def test_pictures_cost_what_the_group_says() -> None:
    drawn = call(usage=TokenUsage(images=2), paid_nano=0, account_nano=0)
    assert rebill(drawn, book(3), {"1K": 1000}).paid_more == 3000
