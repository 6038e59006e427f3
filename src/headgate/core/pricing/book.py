"""Price book: which price applies to a model (spec 4.4).

Knows: the order of sources: operator override by exact name, override by longest `prefix*`, price file,
bundled catalogue, operator's default. A dated override applies from its instant on; before it, the next
source does. Refuses to know: usage, files, settings. Invariants: immutable but for a bounded memo of answers;
versioned by content, so that a record's price can be found again (content.py); an unknown model is refused or
priced by default and flagged, never silently free.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from headgate.core.pricing.catalogue import Catalogue, Dated
from headgate.core.pricing.cost import Quote
from headgate.core.pricing.names import MAX_NAME, spellings
from headgate.core.pricing.price import Price
from headgate.core.world import UnknownPrice

Dates = tuple[Dated, ...]
"""Prices of one name, ascending by date."""
_Known = tuple[tuple[int, Quote], ...]
"""Quotes of one name with the instant from which each is valid, newest first."""
_MAX_MEMO = 4096
"""Names remembered; clients may send any name, so the memo starts over when it is full."""


@dataclass(frozen=True, slots=True)
class PriceUnknown:
    """Nobody knows the price and the operator refuses unknown models."""

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices by lower-case model name, and a name for exactly these prices."""

    prices: Mapping[str, Price]
    digest: str


def price_list(prices: Mapping[str, Price]) -> PriceList:
    """Costs a pass over all prices: made once per file, not per snapshot."""
    lower = {name.lower(): price for name, price in prices.items()}
    return PriceList(prices=lower, digest=digest(lower))


NO_LIST = PriceList(prices={}, digest="")


def always(price: Price) -> Dates:
    """A price without a date."""
    return (Dated(from_ms=0, price=price),)


class PriceBook:
    """An immutable set of prices; ask with `quote`."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        default: Price,
        refuse_unknown: bool = False,
        overrides: Mapping[str, Dates] | None = None,
        file: PriceList = NO_LIST,
        version: str | None = None,
    ) -> None:
        """`default` prices unknown models unless they are refused. Keys of `overrides` may end in `*`.
        `version` is given for a book that is rebuilt: the one under which it was used."""
        self.catalogue, self.file = catalogue, file
        self.overrides = {name.lower(): dated for name, dated in (overrides or {}).items()}
        self.default_price, self.refuses_unknown = default, refuse_unknown
        self._patterns = sorted(
            ((name[:-1], dated) for name, dated in self.overrides.items() if name.endswith("*")),
            key=lambda pattern: -len(pattern[0]),
        )
        self._memo: dict[str, _Known] = {}
        self.version = version or f"{catalogue.version}+{digest(self.overrides, file.digest, default)}"
        self._default = Quote(price=default, version=self.version, source="default", entry="default")

    def quote(
        self, *models: str, at_ms: int, unknown: UnknownPrice = UnknownPrice.INHERIT
    ) -> Quote | PriceUnknown:
        """The price at an instant of the first of these names that has one: client model, then upstream
        model. `unknown`: what the group wants for names without a price."""
        for model in models:
            known = self._memo.get(model)
            if known is None:
                known = self._remember(model)
            if len(known) == 1 and known[0][0] <= 0:
                return known[0][1]
            for from_ms, quote in known:
                if from_ms <= at_ms:
                    return quote
        if unknown is UnknownPrice.REFUSE or (self.refuses_unknown and unknown is UnknownPrice.INHERIT):
            return PriceUnknown(models[0])
        return self._default

    def default_quote(self) -> Quote:
        """The operator's default, for what was admitted while it still had a price."""
        return self._default

    def _remember(self, model: str) -> _Known:
        known: list[tuple[int, Quote]] = []
        until_ms: int | None = None
        for source, entry, dated in self._find(model):
            for d in reversed(dated):
                if until_ms is None or d.from_ms < until_ms:
                    quote = Quote(price=d.price, version=self.version, source=source, entry=entry)
                    known.append((d.from_ms, quote))
            until_ms = known[-1][0]
            if until_ms <= 0:
                break
        if len(model) <= MAX_NAME:  # or a client could fill the memory with names
            if len(self._memo) >= _MAX_MEMO:
                self._memo.clear()
            self._memo[model] = tuple(known)
        return tuple(known)

    def _find(self, model: str) -> Iterator[tuple[str, str, Dates]]:
        """Source, entry and prices of everybody who knows this name, the first one in the order of sources
        first."""
        names = spellings(model) if len(model) <= MAX_NAME else ()
        for name in names:
            if name in self.overrides and not name.endswith("*"):
                yield "override", name, self.overrides[name]
        for prefix, dated in self._patterns:
            if any(name.startswith(prefix) for name in names):
                yield "override", prefix + "*", dated
        for name in names:
            if name in self.file.prices:
                yield "file", name, always(self.file.prices[name])
        found = self.catalogue.find(names)
        if found is not None:
            yield "bundled", f"{found.provider}/{found.model}", found.prices

    def __repr__(self) -> str:
        return f"PriceBook({self.version})"


def digest(*parts: object) -> str:
    """Sixteen hex digits that change with any price."""
    return hashlib.blake2b(msgspec.json.encode(parts, order="deterministic"), digest_size=8).hexdigest()
