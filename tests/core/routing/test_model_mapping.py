import pytest

from headgate.core.routing.model_mapping import rules_of, upstream_model


def test_no_mapping_supports_every_model_unchanged() -> None:
    assert upstream_model({}, "anything") == "anything"


def test_a_mapping_is_a_whitelist() -> None:
    assert upstream_model({"claude-opus-4-5": "x"}, "claude-sonnet-4-5") is None


def test_an_exact_name_wins_over_a_pattern() -> None:
    assert upstream_model({"claude-*": "pattern", "claude-a": "exact"}, "claude-a") == "exact"


@pytest.mark.parametrize("order", [1, -1])
def test_the_longest_prefix_wins_in_any_order(order: int) -> None:
    rules = [("*", "all"), ("claude-*", "claude"), ("claude-opus-*", "opus")][::order]
    assert upstream_model(dict(rules), "claude-opus-9") == "opus"


def test_a_star_alone_matches_everything() -> None:
    assert upstream_model({"*": "one"}, "anything") == "one"


def test_an_operation_without_a_model_is_always_supported() -> None:
    assert upstream_model({"claude-*": "x"}, "") == ""


def test_a_pattern_is_not_an_exact_name_for_others() -> None:
    assert upstream_model({"claude": "x"}, "claude-2") is None


def test_equal_mappings_have_the_same_rules() -> None:
    assert rules_of({"a": "x", "b-*": "y"}) is rules_of({"b-*": "y", "a": "x"})
    assert rules_of({"a": "x"}) is not rules_of({"a": "y"})
