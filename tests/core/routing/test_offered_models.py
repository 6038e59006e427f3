"""Which models a group offers by name."""

from headgate.core.routing.model_mapping import rules_of
from headgate.core.routing.offered_models import DEFAULT_MODELS, offered_models, upstream_names

KNOWN = ("claude-a", "claude-b", "gpt-c")


def test_every_provider_has_models_by_default() -> None:
    assert all(names and len(set(names)) == len(names) for names in DEFAULT_MODELS.values())


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
