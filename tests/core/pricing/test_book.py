"""The book finds the right price, or says that nobody knows it (spec 4.4, DESIGN 5)."""

import pytest

from headgate.core.pricing.book import NO_LIST, PriceBook, PriceUnknown, always, price_list
from headgate.core.pricing.catalogue import Catalogue, Dated, Entry, Match
from headgate.core.pricing.cost import Quote
from headgate.core.pricing.price import Price, flat_price
from headgate.core.world import UnknownPrice

NOW = 1_750_000_000_000


def usd(amount: int) -> Price:
    return flat_price(input_usd_per_mtok=amount, output_usd_per_mtok=amount)


CATALOGUE = Catalogue(
    version="prices-1",
    entries=(
        Entry(
            provider="anthropic", model="claude-x", match=Match(prefixes=("claude-x",)),
            prices=(Dated(from_ms=0, price=usd(3)), Dated(from_ms=NOW, price=usd(4))),
        ),
        Entry(
            provider="openai", model="gpt-x", match=Match(equals=frozenset({"gpt-x"})),
            prices=(Dated(from_ms=0, price=usd(5)),),
        ),
        Entry(
            provider="google", model="resold", match=Match(others=(("contains", "claude-x"),)),
            prices=(Dated(from_ms=0, price=usd(6)),),
        ),
        Entry(
            provider="google", model="new", match=Match(equals=frozenset({"new"})),
            prices=(Dated(from_ms=NOW, price=usd(7)),),
        ),
    ),
)  # fmt: skip


def book(
    *,
    refuse_unknown: bool = False,
    overrides: dict[str, Price] | None = None,
    file: dict[str, Price] | None = None,
) -> PriceBook:
    return PriceBook(
        catalogue=CATALOGUE,
        default=usd(99),
        refuse_unknown=refuse_unknown,
        overrides={name: always(price) for name, price in (overrides or {}).items()},
        file=price_list(file) if file else NO_LIST,
    )


def found(prices: PriceBook, *models: str, at_ms: int = NOW) -> Quote:
    quote = prices.quote(*models, at_ms=at_ms)
    assert isinstance(quote, Quote)
    return quote


def test_the_catalogue_answers_with_version_and_entry() -> None:
    prices = book()
    assert found(prices, "gpt-x") == Quote(
        price=usd(5), version=prices.version, source="bundled", entry="openai/gpt-x"
    )


def test_the_price_file_overrides_the_catalogue() -> None:
    assert found(book(file={"GPT-X": usd(1)}), "gpt-x").source == "file"


def test_the_operators_override_wins_over_all() -> None:
    quote = found(book(overrides={"gpt-x": usd(2)}, file={"gpt-x": usd(1)}), "GPT-X")
    assert (quote.source, quote.price) == ("override", usd(2))


def test_an_exact_override_wins_over_a_pattern_and_the_longest_pattern_over_shorter_ones() -> None:
    prices = book(overrides={"*": usd(10), "gpt-*": usd(20), "gpt-x-*": usd(30), "gpt-x": usd(40)})
    assert [found(prices, m).price for m in ("gpt-x", "gpt-x-mini", "gpt-5", "other")] == [
        usd(40), usd(30), usd(20), usd(10),
    ]  # fmt: skip
    assert found(prices, "gpt-5").entry == "gpt-*"


def test_prices_change_on_their_date() -> None:
    prices = book()
    assert found(prices, "claude-x", at_ms=NOW - 1).price == usd(3)
    assert found(prices, "claude-x", at_ms=NOW).price == usd(4)


def test_a_price_that_is_not_valid_yet_is_unknown() -> None:
    assert found(book(), "new").price == usd(7)
    prices = PriceBook(
        catalogue=Catalogue(
            version="v",
            entries=(
                Entry(
                    provider="p",
                    model="m",
                    match=Match(equals=frozenset({"m"})),
                    prices=(Dated(from_ms=NOW, price=usd(1)), Dated(from_ms=NOW + 5, price=usd(2))),
                ),
            ),
        ),
        default=usd(99),
    )
    assert found(prices, "m", at_ms=NOW - 1).is_default


@pytest.mark.parametrize(
    "name", ["us.anthropic.claude-x-20250929-v1:0", "anthropic/claude-x", "claude-x@20250929"]
)
def test_the_makers_price_comes_before_a_resellers(name: str) -> None:
    assert found(book(), name).entry == "anthropic/claude-x"


def test_the_first_name_that_has_a_price_is_taken() -> None:
    prices = book()
    assert found(prices, "my-alias", "gpt-x").entry == "openai/gpt-x"
    assert found(prices, "gpt-x", "claude-x").entry == "openai/gpt-x"


def test_an_unknown_model_gets_the_default_flagged() -> None:
    quote = found(book(), "nobody-knows")
    assert quote.is_default
    assert quote.price == usd(99)
    assert quote == book().default_quote()


def test_an_unknown_model_can_be_refused() -> None:
    assert book(refuse_unknown=True).quote("nobody-knows", "nor-this", at_ms=NOW) == PriceUnknown(
        "nobody-knows"
    )


@pytest.mark.parametrize("refuses", [True, False])
def test_a_group_may_decide_otherwise_about_unknown_models(refuses: bool) -> None:
    prices = book(refuse_unknown=refuses)
    assert isinstance(prices.quote("nobody-knows", at_ms=NOW, unknown=UnknownPrice.REFUSE), PriceUnknown)
    flagged = prices.quote("nobody-knows", at_ms=NOW, unknown=UnknownPrice.DEFAULT)
    assert flagged == prices.default_quote()
    known = prices.quote("gpt-x", at_ms=NOW, unknown=UnknownPrice.REFUSE)
    assert isinstance(known, Quote)


def dated(*prices: tuple[int, int]) -> tuple[Dated, ...]:
    return tuple(Dated(from_ms=at, price=usd(amount)) for at, amount in prices)


def test_a_price_that_was_entered_beforehand_applies_from_its_instant_on() -> None:
    prices = PriceBook(
        catalogue=CATALOGUE,
        default=usd(99),
        overrides={"claude-x": dated((NOW + 10, 7), (NOW + 20, 8)), "later-*": dated((NOW, 1))},
        file=price_list({"later-model": usd(2)}),
    )
    at = {ms: found(prices, "claude-x", at_ms=ms) for ms in (NOW - 1, NOW, NOW + 10, NOW + 19, NOW + 20)}
    assert [(q.price, q.source) for q in at.values()] == [
        (usd(3), "bundled"), (usd(4), "bundled"), (usd(7), "override"), (usd(7), "override"),
        (usd(8), "override"),
    ]  # fmt: skip
    assert found(prices, "later-model", at_ms=NOW - 1).source == "file"
    assert found(prices, "later-model", at_ms=NOW).price == usd(1)
    assert found(prices, "later-other", at_ms=NOW - 1).is_default


def test_an_exact_override_that_is_not_valid_yet_leaves_the_pattern_in_place() -> None:
    prices = PriceBook(
        catalogue=CATALOGUE,
        default=usd(99),
        overrides={"gpt-x": dated((NOW, 1)), "gpt-*": always(usd(2))},
    )
    assert found(prices, "gpt-x", at_ms=NOW - 1).price == usd(2)
    assert found(prices, "gpt-x", at_ms=NOW).price == usd(1)


def test_an_overlong_name_is_unknown_and_not_remembered() -> None:
    prices = book(overrides={"*": usd(1)})
    assert found(prices, "x" * 201).is_default


def test_the_memo_is_bounded_and_answers_stay_the_same() -> None:
    prices = book()
    first = found(prices, "gpt-x")
    for number in range(5000):
        prices.quote(f"name-{number}", at_ms=NOW)
    assert found(prices, "gpt-x") == first


def test_the_version_follows_the_content() -> None:
    assert book().version == book().version
    assert book().version.startswith("prices-1+")
    assert book().version != book(overrides={"a": usd(1)}).version
    assert book(overrides={"a": usd(1)}).version != book(overrides={"a": usd(2)}).version
    assert book(file={"a": usd(1)}).version != book(overrides={"a": usd(1)}).version
    assert len(book().version) <= 64
    assert repr(book()) == f"PriceBook({book().version})"
