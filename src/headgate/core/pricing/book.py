"""Price book: which price applies to a model (spec 4.4).

Knows: the order of sources: operator override by exact name, override by longest `prefix*`, price file,
bundled catalogue, operator's default. Refuses to know: usage, files, settings. Invariants: immutable but for
a bounded memo of answers; versioned by content, so a record's price can be found again; an unknown model is
refused or priced by default and flagged, never silently free.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from headgate.core.pricing.catalogue import Catalogue, Dated
from headgate.core.pricing.cost import Quote
from headgate.core.pricing.names import MAX_NAME, spellings
from headgate.core.pricing.price import Price
from headgate.core.world import UnknownPrice

_Known = tuple[tuple[int, Quote], ...]
"""Quotes of one name with the instant from which each is valid, newest first."""
_MAX_MEMO = 4096
"""Names remembered; clients may send any name, so the memo starts over when it is full."""


@dataclass(frozen=True, slots=True)
class PriceUnknown:
    """Nobody knows the price and the operator refuses unknown models."""

    model: str


class PriceBook:
    """An immutable set of prices; ask with `quote`."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        default: Price,
        refuse_unknown: bool = False,
        overrides: Mapping[str, Price] | None = None,
        file: Mapping[str, Price] | None = None,
    ) -> None:
        """`default` prices unknown models unless they are refused. Keys of `overrides` may end in `*`."""
        exact = {name.lower(): price for name, price in (overrides or {}).items()}
        self._patterns = sorted(
            ((name[:-1], price) for name, price in exact.items() if name.endswith("*")),
            key=lambda pattern: -len(pattern[0]),
        )
        self._overrides = {name: price for name, price in exact.items() if not name.endswith("*")}
        self._file = {name.lower(): price for name, price in (file or {}).items()}
        self._catalogue = catalogue
        self._refuses_unknown = refuse_unknown
        self._memo: dict[str, _Known] = {}
        self.version = f"{catalogue.version}+{_digest(exact, self._file, default)}"
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
            if len(known) == 1:
                return known[0][1]
            for from_ms, quote in known:
                if from_ms <= at_ms:
                    return quote
        if unknown is UnknownPrice.REFUSE or (self._refuses_unknown and unknown is UnknownPrice.INHERIT):
            return PriceUnknown(models[0])
        return self._default

    def default_quote(self) -> Quote:
        """The operator's default, for what was admitted while it still had a price."""
        return self._default

    def _remember(self, model: str) -> _Known:
        source, entry, dated = self._find(model)
        known = tuple(
            (d.from_ms, Quote(price=d.price, version=self.version, source=source, entry=entry))
            for d in reversed(dated)
        )
        if len(model) <= MAX_NAME:  # or a client could fill the memory with names
            if len(self._memo) >= _MAX_MEMO:
                self._memo.clear()
            self._memo[model] = known
        return known

    def _find(self, model: str) -> tuple[str, str, tuple[Dated, ...]]:
        names = spellings(model) if len(model) <= MAX_NAME else ()
        for name in names:
            if name in self._overrides:
                return "override", name, _always(self._overrides[name])
        for prefix, price in self._patterns:
            if any(name.startswith(prefix) for name in names):
                return "override", prefix + "*", _always(price)
        for name in names:
            if name in self._file:
                return "file", name, _always(self._file[name])
        found = self._catalogue.find(names)
        if found is not None:
            return "bundled", f"{found.provider}/{found.model}", found.prices
        return "", "", ()

    def __repr__(self) -> str:
        return f"PriceBook({self.version})"


def _always(price: Price) -> tuple[Dated, ...]:
    return (Dated(from_ms=0, price=price),)


def _digest(*parts: object) -> str:
    """Eight hex digits that change with any price."""
    return hashlib.blake2b(msgspec.json.encode(parts, order="deterministic"), digest_size=4).hexdigest()
