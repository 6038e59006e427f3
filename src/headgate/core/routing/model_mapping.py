"""Model mapping of an account: client model -> upstream model (spec 2.4, 3.6).

Knows: exact names before patterns, the longest `prefix*` before shorter ones, a mapping as whitelist.
Refuses to know: which models exist. Invariant: a target is a literal name, never a pattern.
"""

from collections.abc import Iterable, Mapping


def upstream_model(mapping: Mapping[str, str], model: str) -> str | None:
    """The model to ask the provider for; None when the mapping (a whitelist as soon as it is not empty) lacks
    it."""
    if not mapping or not model:
        return model  # an empty name: the operation addresses an object, not a model
    exact = mapping.get(model)
    if exact is not None:
        return exact
    best = best_prefix(mapping, model)
    return None if best is None else mapping[best]


def best_prefix(patterns: Iterable[str], model: str) -> str | None:
    """The longest `prefix*` that the model begins with."""
    best: str | None = None
    for pattern in patterns:
        if (
            pattern[-1:] == "*"
            and model.startswith(pattern[:-1])
            and (best is None or len(pattern) > len(best))
        ):
            best = pattern
    return best
