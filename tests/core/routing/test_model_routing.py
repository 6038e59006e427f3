"""The most specific route of a model names the accounts that serve it first (spec 3.4)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.ids import AccountId
from headgate.core.routing.model_routing import pattern_fault, route_of, routes_from

ROUTES = routes_from({"claude-opus-4": [1], "claude-opus-*": [2], "claude-*": [3], "*": [4]})


@pytest.mark.parametrize(
    ("model", "account"),
    [("claude-opus-4", 1), ("claude-opus-5", 2), ("claude-haiku", 3), ("claude-", 3), ("gpt-5", 4)],
)
def test_exact_names_come_first_then_the_longest_prefix(model: str, account: int) -> None:
    route = route_of(ROUTES, model)
    assert route is not None
    assert route.accounts == {account}


def test_no_model_or_no_route_means_any_account() -> None:
    assert route_of(ROUTES, "") is None
    assert route_of({}, "claude") is None
    assert route_of({"gpt-*": frozenset({AccountId(1)})}, "claude") is None


@pytest.mark.parametrize("pattern", ["", " ", "a*b", "**", "*a", "a\n", "\x00*"])
def test_a_pattern_that_cannot_match_as_meant_is_named(pattern: str) -> None:
    assert pattern_fault(pattern) is not None


@pytest.mark.parametrize("pattern", ["*", "a*", "a", "vendor/model:1 x*"])
def test_names_and_prefixes_are_patterns(pattern: str) -> None:
    assert pattern_fault(pattern) is None


@pytest.mark.parametrize(
    "stored", [None, [], "x", {"m": 5}, {"m": []}, {"m": ["1"]}, {"a*b": [1]}, {"m": None}]
)
def test_stored_routes_of_another_shape_are_left_out(stored: Any) -> None:
    assert routes_from(stored) == {}


NAMES = st.text("ab*", min_size=1, max_size=4)


@given(rules=st.dictionaries(NAMES, st.just([1]), max_size=6), model=st.text("ab", min_size=1, max_size=4))
def test_the_chosen_pattern_matches_and_none_that_is_longer_does(
    rules: dict[str, list[int]], model: str
) -> None:
    routes = routes_from(rules)
    matching = [p for p in routes if p == model or (p.endswith("*") and model.startswith(p[:-1]))]
    route = route_of(routes, model)
    if route is None:
        assert not matching
    else:
        assert route.pattern == (model if model in matching else max(matching, key=len))
