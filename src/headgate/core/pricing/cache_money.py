"""Cache money: what reading a prompt from the provider's cache saved, and what moving a conversation away
from its cache lost. Nano-USD at list prices.

Knows: usage, rates, where the conversation lived. Refuses to know: why it moved. Invariants: never negative;
nothing is both saved and lost; tokens that were read from a cache are not lost.
"""

from typing import NamedTuple

from headgate.core.ids import AccountId
from headgate.core.money import TOKENS_PER_PRICE_UNIT, div_half_even
from headgate.core.pricing.price import Price
from headgate.core.routing.stickiness import Home
from headgate.core.usage import TokenUsage


class CacheMoney(NamedTuple):
    saved_nano: int = 0
    """Cached input, had it been plain input."""
    lost_nano: int = 0
    """What was cached at home and had to be read or written again elsewhere."""


NO_CACHE_MONEY = CacheMoney()


def cache_money(
    price: Price,
    usage: TokenUsage,
    *,
    service_tier: str | None,
    home: Home | None,
    account_id: AccountId,
    model: str,
    started_at_ms: int,
) -> CacheMoney:
    """Of an answer of the account by an upstream model; `home`: where the conversation lived before it."""
    written = usage.cache_write_5m + usage.cache_write_1h
    prompt = usage.input + usage.cache_read + written
    rates, factor = price.rates_for(service_tier, prompt + usage.audio_input)
    times, over = (1, 1) if factor is None else (factor.times, factor.over)
    unit = over * TOKENS_PER_PRICE_UNIT
    saved = usage.cache_read * max(0, rates.input - rates.cache_read)
    again = 0
    if home is not None and home.account_id != account_id and home.model == model:
        if started_at_ms < home.warm_until_ms:
            again = max(0, min(home.warm_tokens or 0, prompt) - usage.cache_read)
    fresh = rates.cache_write_5m if written else rates.input
    lost = again * max(0, fresh - rates.cache_read)
    return CacheMoney(div_half_even(saved * times, unit), div_half_even(lost * times, unit))
