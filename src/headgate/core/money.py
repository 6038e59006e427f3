"""Money as integers.

Knows: nano-USD arithmetic and the one rounding rule (half-even, once per ledger line).
Refuses to know: prices, tokens, databases. Invariant: no float takes part in an amount.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import NewType

NanoUSD = NewType("NanoUSD", int)
"""One billionth of a US dollar. All amounts in code and database (DESIGN 5)."""

NANO_PER_USD = 1_000_000_000
TOKENS_PER_PRICE_UNIT = 1_000_000
MULTIPLIER_ONE = 10_000
"""Multipliers are ten-thousandths: 10_000 means x1."""


def div_half_even(numerator: int, denominator: int) -> int:
    """Divide integers, rounding half to even. `denominator` must be positive."""
    quotient, remainder = divmod(numerator, denominator)
    twice = remainder * 2
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


def from_usd(amount: Decimal | int | str | float) -> NanoUSD:
    """Turn a USD amount from the edge into nano-USD; floats go through their shortest decimal form."""
    exact = Decimal(str(amount)) * NANO_PER_USD
    return NanoUSD(int(exact.to_integral_value(rounding=ROUND_HALF_EVEN)))


def to_usd(amount: int) -> float:
    """USD number for JSON at the edge (HOUSE_STYLE 6)."""
    return amount / NANO_PER_USD


def multiplier_from(value: Decimal | int | str | float) -> int:
    """Ten-thousandths from an edge number such as 1.5."""
    return int((Decimal(str(value)) * MULTIPLIER_ONE).to_integral_value(rounding=ROUND_HALF_EVEN))
