"""Limits on requests and tokens a minute of one model: for the callers of a group, all its users together and
each of them, and for a key (issue 4, item 5).

Knows: the stored form, which entry counts for a model. Refuses to know: buckets, stores. Invariants: pure;
the exact name counts before a `prefix*`, and the longest prefix before shorter ones; a stored value that
cannot be understood is no limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.core.limits.rate_limit import UNLIMITED_RATE, RateLimit
from headgate.core.routing.model_mapping import best_prefix

MAX_MODELS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRate:
    together: RateLimit = UNLIMITED_RATE
    """Of all users of the group, or of the key."""
    each: RateLimit = UNLIMITED_RATE
    """Of every single user in it."""


ModelRates = Mapping[str, ModelRate]
"""By client model, exact or with a trailing `*`."""
NO_MODEL_RATES: ModelRates = {}


def entry_for(rates: ModelRates, model: str) -> str | None:
    """The name of the entry that counts for a client model; None: it has no limit of its own."""
    return model if model in rates else best_prefix(rates, model)


def model_rates_from(stored: Any) -> ModelRates:
    """As it is stored with the group or the key."""
    if not isinstance(stored, dict):
        return NO_MODEL_RATES
    found = {
        pattern: ModelRate(
            together=_rate(limits, "rpm_limit", "tpm_limit"),
            each=_rate(limits, "user_rpm_limit", "user_tpm_limit"),
        )
        for pattern, limits in list(stored.items())[:MAX_MODELS]
        if isinstance(limits, dict)
    }
    found = {name: rate for name, rate in found.items() if rate != _NONE}
    return found or NO_MODEL_RATES


_NONE = ModelRate()


def _rate(stored: Mapping[str, Any], requests: str, tokens: str) -> RateLimit:
    return RateLimit(requests=_whole(stored.get(requests)), tokens=_whole(stored.get(tokens)))


def _whole(value: Any) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 < value < 10**12 else 0
