"""What everything costs in a crash run: the harness's own arithmetic, apart from the product's.

Every price is a whole multiple of 1,000 nano-USD per token and every multiplier of a thousandth, so that no
product needs rounding: a difference of one nano-USD is a bug.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.e2e.money_load import MODELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Nano-USD per token of each bucket."""

    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int

    def list_cost(self, usage: Mapping[str, int]) -> int:
        return (
            usage["input"] * self.input + usage["output"] * self.output
            + usage["cache_read"] * self.cache_read + usage["cache_write_5m"] * self.cache_write_5m
            + usage["cache_write_1h"] * self.cache_write_1h
        )  # fmt: skip

    def as_price(self, model: str) -> dict[str, object]:
        """A body of `POST /admin/prices`: USD per million tokens, for all names that begin with `model`."""
        names = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
        return {"model": f"{model}*", **{name: getattr(self, name) / 1000 for name in names}}


ALL_MODELS = sorted({model for models in MODELS.values() for model in models}, key=len, reverse=True)
RATES = {
    model: Rates(
        input=(2 + n) * 1000,
        output=(11 + 3 * n) * 1000,
        cache_read=1000,
        cache_write_5m=(3 + n) * 1000,
        cache_write_1h=(5 + 2 * n) * 1000,
    )
    for n, model in enumerate(ALL_MODELS)
}


def rates_for(model: str) -> Rates:
    """By longest prefix; names carry the number of their request as a suffix."""
    return RATES[next(name for name in ALL_MODELS if model.startswith(name))]


def times(amount: int, multiplier: int) -> int:
    """`multiplier` in thousandths."""
    return amount * multiplier // 1000
