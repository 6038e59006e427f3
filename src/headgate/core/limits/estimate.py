"""What a request will cost before anybody has answered it: input estimated high, and the price of output.

Knows: which bucket's rate the input is reserved at. Refuses to know: budgets, headers' transport.
Invariant: apart from the token estimate itself, the input part is never below what the books will say.
Source: DESIGN 5, spec 4.2.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from msgspec.structs import replace

from headgate.core.dialects.contract import CacheUse, Peek
from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.money import MULTIPLIER_ONE, TOKENS_PER_PRICE_UNIT, from_usd
from headgate.core.pricing.cost import price_usage
from headgate.core.pricing.price import Price
from headgate.core.usage import TokenUsage
from headgate.core.world import Group

MAX_COST_HEADER = "x-headgate-max-cost"
_USD = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_TOKENS_PER_IMAGE = 6_300
"""The dearest picture of models that bill pictures by tokens (high quality, 1024 x 1536)."""


def input_and_unit(price: Price, peek: Peek, group: Group) -> tuple[int, int]:
    """(list cost of what cannot be made smaller, list cost of a million output tokens), nano-USD."""
    tokens = peek.input_tokens_estimate
    match peek.cache_use:
        case CacheUse.NONE:
            usage = TokenUsage(input=tokens)
        case CacheUse.WRITE_5M:
            usage = TokenUsage(cache_write_5m=tokens)
        case CacheUse.WRITE_1H:
            usage = TokenUsage(cache_write_1h=tokens)
    fixed = _list_cost(price, usage, peek, group)
    unit = _list_cost(price, replace(usage, output=TOKENS_PER_PRICE_UNIT), peek, group) - fixed
    if peek.image_count:
        drawn = replace(
            usage,
            output=peek.image_count * _TOKENS_PER_IMAGE,
            images=peek.image_count,
            image_size=peek.image_size,
        )
        fixed = max(fixed, _list_cost(price, drawn, peek, group))
    return fixed, unit


def max_cost_nano(headers: Mapping[str, str]) -> int | None:
    """The caller's own limit on this request's charge, from `x-headgate-max-cost` in USD. Raises `RelayError`
    (REQUEST_INVALID) when it is no amount."""
    given = headers.get(MAX_COST_HEADER)
    if given is None:
        return None
    if _USD.fullmatch(given.strip()) is None:
        raise RelayError(
            Fault(
                kind=FaultKind.REQUEST_INVALID,
                message=f"{MAX_COST_HEADER} must be an amount in USD such as 0.05",
            )
        )
    return from_usd(Decimal(given.strip()))


def _list_cost(price: Price, usage: TokenUsage, peek: Peek, group: Group) -> int:
    return price_usage(
        price,
        usage,
        charge_multiplier=MULTIPLIER_ONE,
        cost_multiplier=0,
        service_tier=peek.service_tier,
        image_prices=group.image_prices_nano,
    ).list_cost
