"""A new price file is believed where it looks like prices, and never makes a model free (PAINS 9)."""

import pytest

from headgate.core.pricing.acceptance import Accepted, Refused, accept, accept_own
from headgate.core.pricing.book import NO_LIST, PriceList, price_list
from headgate.core.pricing.price import Price, flat_price


def usd(amount: float) -> Price:
    return flat_price(input_usd_per_mtok=amount, output_usd_per_mtok=amount)


def nobody(_name: str) -> None:
    return None


BEFORE = price_list({f"model-{number}": usd(2) for number in range(100)})


def changed(**changes: float) -> dict[str, Price]:
    names = {name.replace("_", "-"): usd(amount) for name, amount in changes.items()}
    return {**BEFORE.prices, **names}


def accepted(new: dict[str, Price], before: PriceList = BEFORE) -> Accepted:
    judged = accept(new, before=before, otherwise=nobody)
    assert isinstance(judged, Accepted), judged
    return judged


def test_new_models_and_moderate_moves_are_believed() -> None:
    new = changed(model_1=4, model_2=0.2, brand_new=5)
    assert accepted(new) == Accepted(prices=price_list(new))


@pytest.mark.parametrize("amount", [0, 0.19, 20.1])
def test_a_price_that_is_zeroed_or_moves_tenfold_is_kept_as_it_was_and_reported(amount: float) -> None:
    judged = accepted(changed(model_7=amount))
    assert judged.prices.prices["model-7"] == usd(2)
    assert judged.doubted == ("model-7",)


def test_a_file_in_which_many_prices_are_zeroed_is_refused() -> None:
    zeroed = {name: usd(0) for name in BEFORE.prices}
    judged = accept(zeroed, before=BEFORE, otherwise=nobody)
    assert isinstance(judged, Refused)
    assert "100 of 100 known prices" in judged.reason


def test_a_file_that_lost_half_of_its_models_is_refused() -> None:
    few = dict(list(BEFORE.prices.items())[:49])
    judged = accept(few, before=BEFORE, otherwise=nobody)
    assert judged == Refused("51 of 100 models of the present file are missing")


def test_an_empty_file_is_refused() -> None:
    assert accept({}, otherwise=nobody) == Refused("it holds no price")


def test_the_first_file_is_judged_by_what_the_other_sources_say() -> None:
    def bundled(name: str) -> Price | None:
        return usd(3) if name == "known" else None

    judged = accept({"known": usd(0), "new": usd(1)}, before=NO_LIST, otherwise=bundled)
    assert isinstance(judged, Accepted)
    assert judged.doubted == ("known",)
    assert dict(judged.prices.prices) == {"new": usd(1)}  # the bundled price goes on


def test_a_resellers_price_is_not_compared_with_the_vendors_own() -> None:
    def bundled(name: str) -> Price | None:
        return usd(3)

    judged = accept({"azure/known": usd(0.01)}, otherwise=bundled)
    assert isinstance(judged, Accepted)
    assert (judged.doubted, len(judged.prices.prices)) == ((), 1)


def test_a_file_makes_no_unknown_model_free() -> None:
    assert "gift" not in accepted(changed(gift=0)).prices.prices


def test_a_model_that_was_free_may_get_a_price() -> None:
    before = price_list({"m": usd(0), "n": usd(1)})
    assert accepted({"m": usd(1000), "n": usd(1)}, before).doubted == ()


def test_an_operators_own_file_may_say_anything_but_free() -> None:
    new = {"gift": usd(0), "dear": usd(10_000)}
    assert accept_own(new) == Accepted(prices=price_list({"dear": usd(10_000)}), doubted=("gift",))
    assert accept_own({"gift": usd(0)}) == Refused("it holds no price")
