"""What an attribute's value may be: by its type, its options, and its bounds (spec 1.12). Pure.

Invariants: the answer depends on definition and value alone; a pattern takes time linear in the value,
whatever it is (pydantic's engine is Rust's, which never backtracks: nobody can hold the process by one).
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from headgate.kit import json

AttributeType = Literal["text", "textarea", "number", "email", "url", "date", "select", "multi_select"]
TYPES: tuple[AttributeType, ...] = get_args(AttributeType)
EQUAL_TYPES = ("select", "number", "date")
"""Types whose values are searched for as a whole; of the others a part is enough."""
MAX_VALUE_CHARS = 10_000
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,30})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`type` is one of `TYPES`; `options` are the values of a choice; None is no bound."""

    type: str
    options: Sequence[str] = ()
    min_length: int | None = None
    max_length: int | None = None
    min: float | None = None
    max: float | None = None
    pattern: str = ""
    message: str = ""
    """Said in place of our own words."""


def is_pattern(pattern: str) -> bool:
    """Whether it can be asked: the syntax is that of Rust's `regex` (no look-around, no back-references)."""
    return _matcher(pattern) is not None


def why_not(rules: Rules, value: str) -> str | None:
    """None: the value is good; else one sentence without the value. Empty values are judged by the caller."""
    problem = (
        _JUDGES[rules.type](rules, value) or _length_problem(rules, value) or _pattern_problem(rules, value)
    )
    return problem and (rules.message or problem)


def _matcher(pattern: str) -> TypeAdapter[str] | None:
    try:
        return TypeAdapter(Annotated[str, Field(pattern=pattern)])
    except SchemaError:
        return None


def _pattern_problem(rules: Rules, value: str) -> str | None:
    if not rules.pattern:
        return None
    matcher = _matcher(rules.pattern)
    assert matcher is not None, "patterns are tried before they are kept"
    try:
        matcher.validate_python(value)
    except ValidationError:
        return "does not match the pattern"
    return None


def _length_problem(rules: Rules, value: str) -> str | None:
    if rules.min_length is not None and len(value) < rules.min_length:
        return f"must have at least {rules.min_length} characters"
    if rules.max_length is not None and len(value) > rules.max_length:
        return f"must have at most {rules.max_length} characters"
    return None


def _any_text(rules: Rules, value: str) -> str | None:
    return None


def _number(rules: Rules, value: str) -> str | None:
    if not _NUMBER.fullmatch(value) or not math.isfinite(number := float(value)):
        return "must be a number, such as -3 or 2.5"
    if rules.min is not None and number < rules.min:
        return f"must be at least {rules.min:g}"
    if rules.max is not None and number > rules.max:
        return f"must be at most {rules.max:g}"
    return None


def _email(rules: Rules, value: str) -> str | None:
    return None if _EMAIL.fullmatch(value) else "must look like name@host"


def _url(rules: Rules, value: str) -> str | None:
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", value)
    except ValueError:
        is_good = False
    return None if is_good else "must be an absolute http or https address"


def _date(rules: Rules, value: str) -> str | None:
    try:
        is_good = bool(_DATE.fullmatch(value)) and date.fromisoformat(value) is not None
    except ValueError:
        is_good = False
    return None if is_good else "must be a date as YYYY-MM-DD"


def _choice(rules: Rules, value: str) -> str | None:
    return None if value in rules.options else "must be one of the options"


def _choices(rules: Rules, value: str) -> str | None:
    try:
        chosen = json.loads(value)
    except json.JSONDecodeError:
        chosen = None
    if not isinstance(chosen, list) or not all(isinstance(item, str) for item in chosen):
        return "must be a JSON list of options"
    if len(set(chosen)) != len(chosen) or not set(chosen) <= set(rules.options):
        return "must be a JSON list of options, each once"
    return None


_JUDGES: Mapping[str, Callable[[Rules, str], str | None]] = {
    "text": _any_text,
    "textarea": _any_text,
    "number": _number,
    "email": _email,
    "url": _url,
    "date": _date,
    "select": _choice,
    "multi_select": _choices,
}
