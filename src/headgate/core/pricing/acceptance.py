"""Acceptance: which prices of a new file are believed (PAINS 9).

Knows: what a mistake in a published price file looks like: zeroed, moved by more than a factor of ten, half
of it gone. Refuses to know: where files come from. Invariants: pure; a model keeps the price that it had
until its new one is believed; a file with many such models is refused as a whole. Nothing becomes free by a
file: who wants a free model says so in an override.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headgate.core.pricing.book import NO_LIST, PriceList, price_list
from headgate.core.pricing.price import Price, Rates

FACTOR = 10
"""A price that moves by more than this is not believed."""
MAX_DOUBTED_SHARE = 20
"""One in so many known models may be doubted before the whole file is."""
MIN_DOUBTED = 3
"""So many are always borne."""
_RESELLER = "/"
"""`azure/x`, `bedrock/us-east-1/x`: other companies' prices, not to be compared with the vendor's own."""
MIN_KEPT_SHARE = 2
"""At least one in so many of the models of the previous file must be in the new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The prices to use, and the models whose new price was not believed (sorted)."""

    prices: PriceList
    doubted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Why no price of the file is used."""

    reason: str


def accept(
    new: Mapping[str, Price], *, before: PriceList = NO_LIST, otherwise: Callable[[str], Price | None]
) -> Accepted | Refused:
    """Judge a parsed file (lower-case names) against the prices of the one before, and against what the other
    sources say of a name (`otherwise`)."""
    if not new:
        return Refused("it holds no price")
    missing = sum(1 for name in before.prices if name not in new)
    if missing * MIN_KEPT_SHARE > len(before.prices):
        return Refused(f"{missing} of {len(before.prices)} models of the present file are missing")
    kept: dict[str, Price] = {}
    doubted: list[str] = []
    known = 0
    for name, price in new.items():
        old = before.prices.get(name) or (None if _RESELLER in name else otherwise(name))
        known += old is not None
        if _is_believable(price, old):
            kept[name] = price
        elif old is not None:
            doubted.append(name)
            if name in before.prices:
                kept[name] = old
    if len(doubted) > max(MIN_DOUBTED, known // MAX_DOUBTED_SHARE):
        names = ", ".join(sorted(doubted)[:5])
        return Refused(f"{len(doubted)} of {known} known prices became 0 or moved tenfold ({names} ...)")
    return Accepted(prices=price_list(kept), doubted=tuple(sorted(doubted)))


def accept_own(new: Mapping[str, Price]) -> Accepted | Refused:
    """Judge a file that the operator wrote: all but prices of 0."""
    believed = {name: price for name, price in new.items() if _is_believable(price, None)}
    if not believed:
        return Refused("it holds no price")
    return Accepted(prices=price_list(believed), doubted=tuple(sorted(new.keys() - believed.keys())))


def _is_believable(new: Price, old: Price | None) -> bool:
    """Not zero (without an old price: in all that it charges for), and near the old price in each bucket."""
    rates = new.standard.rates
    if old is None:
        return rates.input > 0 or rates.output > 0 or bool(new.image)
    return all(_is_near(a, b) for a, b in zip(_main(old.standard.rates), _main(rates), strict=True))


def _main(rates: Rates) -> tuple[int, int, int]:
    return rates.input, rates.output, rates.cache_read


def _is_near(old: int, new: int) -> bool:
    """A price that was 0 may become anything: nobody is undercharged."""
    return old == 0 or (new > 0 and old <= new * FACTOR and new <= old * FACTOR)
