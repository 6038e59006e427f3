"""Values of user attributes by type and bounds (spec 1.12)."""

import time
from typing import Any

import pytest

from headgate.control.attributes.rules import MAX_VALUE_CHARS, Rules, is_pattern, why_not

GOOD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"type": "text"}, "Ünïcode, and 'quotes'"),
    ({"type": "textarea"}, "two\nlines"),
    ({"type": "number", "min": -3, "max": 2.5}, "-3"),
    ({"type": "number", "min": -3, "max": 2.5}, "2.5"),
    ({"type": "email"}, "Anna@example.com"),
    ({"type": "url"}, "https://example.com/a?b=c"),
    ({"type": "date"}, "2024-02-29"),
    ({"type": "select", "options": ["a", "b"]}, "b"),
    ({"type": "multi_select", "options": ["a", "b"]}, '["b", "a"]'),
    ({"type": "multi_select", "options": ["a"]}, "[]"),
    ({"type": "text", "min_length": 2, "max_length": 2}, "éé"),
    ({"type": "text", "pattern": "^[A-Z]{2}$"}, "DE"),
)
BAD: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"type": "number"}, "1e3", "must be a number"),
    ({"type": "number"}, "NaN", "must be a number"),
    ({"type": "number"}, "١", "must be a number"),
    ({"type": "number", "min": 1}, "0.9", "at least 1"),
    ({"type": "number", "max": 1}, "1.1", "at most 1"),
    ({"type": "email"}, "anna", "name@host"),
    ({"type": "url"}, "javascript:alert(1)", "http or https"),
    ({"type": "url"}, "https://", "http or https"),
    ({"type": "url"}, "https://[::1", "http or https"),
    ({"type": "url"}, "https://a b", "http or https"),
    ({"type": "date"}, "2023-02-29", "YYYY-MM-DD"),
    ({"type": "date"}, "20230201", "YYYY-MM-DD"),
    ({"type": "select", "options": ["a"]}, "A", "one of the options"),
    ({"type": "multi_select", "options": ["a"]}, "a", "JSON list"),
    ({"type": "multi_select", "options": ["a"]}, "[1]", "JSON list"),
    ({"type": "multi_select", "options": ["a"]}, '["a", "a"]', "each once"),
    ({"type": "multi_select", "options": ["a"]}, '["b"]', "each once"),
    ({"type": "text", "min_length": 3}, "ab", "at least 3 characters"),
    ({"type": "text", "max_length": 1}, "ab", "at most 1 characters"),
    ({"type": "text", "pattern": "^[A-Z]{2}$"}, "de", "does not match"),
    ({"type": "text", "pattern": "^[A-Z]{2}$", "message": "two capitals"}, "de", "two capitals"),
)


@pytest.mark.parametrize(("rules", "value"), GOOD)
def test_good_values(rules: dict[str, Any], value: str) -> None:
    assert why_not(Rules(**rules), value) is None


@pytest.mark.parametrize(("rules", "value", "words"), BAD)
def test_bad_values_are_told_why_and_not_repeated(rules: dict[str, Any], value: str, words: str) -> None:
    problem = why_not(Rules(**rules), value)
    assert problem is not None
    assert words in problem


def test_no_pattern_holds_the_process() -> None:
    start = time.perf_counter()
    assert why_not(Rules(type="text", pattern="^(a+)+$"), "a" * (MAX_VALUE_CHARS - 1) + "b") is not None
    assert time.perf_counter() - start < 1, "backtracking would take longer than the universe"


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "(a{1000}){1000}"])
def test_patterns_that_cannot_be_asked(pattern: str) -> None:
    assert not is_pattern(pattern)
