"""Model routing of a group: which of its accounts serve a model before all others (spec 3.4, first layer).

Knows: exact names before patterns, the longest `prefix*` before shorter ones. Refuses to know: which accounts
exist, whether they can serve. Invariant: a route without accounts is no route.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from headgate.core.ids import AccountId
from headgate.core.routing.model_mapping import best_prefix

ModelRoutes = Mapping[str, frozenset[AccountId]]


class Route(NamedTuple):
    pattern: str
    accounts: frozenset[AccountId]


def route_of(routes: ModelRoutes, model: str) -> Route | None:
    """The most specific route of a client model; None: any account of the group will do."""
    if not routes or not model:
        return None
    pattern = model if model in routes else best_prefix(routes, model)
    return None if pattern is None else Route(pattern, routes[pattern])


def pattern_fault(pattern: str) -> str | None:
    """What is wrong with a pattern; None: nothing."""
    if not pattern.strip() or not pattern.isprintable():
        return "must be a model name, or the beginning of one with a trailing *"
    if "*" in pattern[:-1]:
        return "may hold a * at its end only"
    return None


def routes_from(stored: Any) -> ModelRoutes:
    """Routes as they are stored (pattern -> list of account ids); what has another shape is left out."""
    if not isinstance(stored, dict):
        return {}
    found = {
        pattern: frozenset(AccountId(one) for one in accounts if isinstance(one, int))
        for pattern, accounts in stored.items()
        if isinstance(accounts, list) and pattern_fault(pattern) is None
    }
    return {pattern: accounts for pattern, accounts in found.items() if accounts}
