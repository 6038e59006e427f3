"""Which models a group offers by name."""

from headgate.core.pricing.book import PriceBook, PriceUnknown
from headgate.core.pricing.catalogue import bundled_catalogue
from headgate.core.pricing.price import flat_price
from headgate.core.routing.model_mapping import rules_of
from headgate.core.routing.offered_models import DEFAULT_MODELS, offered_models, upstream_names

KNOWN = ("claude-a", "claude-b", "gpt-c")


def test_every_provider_has_models_by_default() -> None:
    assert all(names and len(set(names)) == len(names) for names in DEFAULT_MODELS.values())


UNPRICED = {"gpt-5.3-codex-spark"}
"""A preview whose vendor publishes no price; the group's rule for unknown prices decides."""


def test_what_is_offered_by_default_has_a_price() -> None:
    default = flat_price(input_usd_per_mtok=1, output_usd_per_mtok=1)
    book = PriceBook(catalogue=bundled_catalogue(), default=default, refuse_unknown=True)
    names = [name for names in DEFAULT_MODELS.values() for name in names]
    unpriced = {n for n in names if isinstance(book.quote(n, at_ms=1_795_824_000_000), PriceUnknown)}
    assert unpriced == UNPRICED


def test_an_account_without_a_mapping_offers_what_is_known() -> None:
    assert offered_models([None, rules_of({"mine": "x"})], KNOWN) == [*KNOWN, "mine"]


def test_patterns_let_known_models_through_and_are_no_names() -> None:
    assert offered_models([rules_of({"claude-*": "x", "mine": "y"})], KNOWN) == [
        "claude-a",
        "claude-b",
        "mine",
    ]


def test_without_accounts_nothing_is_offered() -> None:
    assert offered_models([], KNOWN) == []


def test_each_account_has_its_own_upstream_name() -> None:
    rules = [None, rules_of({"mine": "x"}), rules_of({"mine": "y"}), rules_of({"other": "z"})]
    assert upstream_names(rules, "mine") == ("mine", "x", "y")
