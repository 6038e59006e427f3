"""Traces of exchanges: whole for admins, the user's own part for users (DESIGN 1.3, PAINS S11, S12).

The relay writes ids, rules and numbers. A user sees how long it waited, how the attempts ended and how the
price came
about; which other accounts there are, why they were not chosen, and what the operator pays stays the
operator's.
"""

from collections.abc import Mapping
from typing import Any

from headgate.kit import json

_PLAIN = ("session_rule", "reserved")
_ATTEMPT = ("n", "upstream_model", "fault", "status", "outcome", "ms", "estimated", "edits")
_WAIT = ("waited_ms", "first_position", "result")
_BILL = (
    "source",
    "usage",
    "service_tier",
    "lines_nano",
    "list_cost_nano",
    "charge_nano",
    "charge_multiplier",
    "price_version",
    "is_default_price",
    "review",
)
_FAULT = ("kind", "blame")


def full_trace(stored: str | None) -> dict[str, Any]:
    """As written; empty when there is none (any more)."""
    if stored is None:
        return {}
    try:
        trace = json.loads(stored)
    except json.JSONDecodeError:
        return {}
    return trace if isinstance(trace, dict) else {}


def user_trace(stored: str | None) -> dict[str, Any]:
    """An allow-list: what is new in a trace stays hidden until somebody decides otherwise."""
    trace = full_trace(stored)
    safe = {name: trace[name] for name in _PLAIN if name in trace}
    for name, fields in (("attempts", _ATTEMPT), ("waits", _WAIT)):
        if isinstance(trace.get(name), list):
            safe[name] = [_only(item, fields) for item in trace[name] if isinstance(item, dict)]
    for name, allowed in (("bill", _BILL), ("fault", _FAULT)):
        if isinstance(trace.get(name), dict):
            safe[name] = _only(trace[name], allowed)
    return safe


def _only(item: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: item[name] for name in fields if name in item}
