"""Catalogue: list prices of the providers' own models, from genai-prices (MIT), with their dates of validity.

Knows: the shape of `catalogue.json`, which `tools/refresh_prices.py` converts from the genai-prices package:
importing that package takes 0.35 s of CPU and 85 MB of memory in every process, reading this file a few
milliseconds. Refuses to know: operator prices. Invariant: first match wins, providers in the order of the
file.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import msgspec

from headgate.core.pricing.price import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """A price and since when it is valid (Unix ms)."""

    from_ms: int
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which names mean a model: any of these. All lower-case."""

    equals: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    others: tuple[tuple[str, Any], ...] = ()
    """Rarer clauses: (`contains` | `ends` | `regex`, text), (`equals`, text), (`starts`, text), (`and` |
    `or`, clauses)."""

    def matches(self, name: str) -> bool:
        if name in self.equals or name.startswith(self.prefixes):
            return True
        return any(_holds(clause, name) for clause in self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model of one provider."""

    provider: str
    model: str
    match: Match
    prices: tuple[Dated, ...]
    """Ascending by date; the first is valid from the beginning (0)."""


class Catalogue:
    """All entries with the version of their source. Immutable."""

    def __init__(self, *, version: str, entries: tuple[Entry, ...]) -> None:
        self.version, self.entries = version, entries
        self._by_provider: dict[str, list[Entry]] = {}
        for entry in entries:
            self._by_provider.setdefault(entry.provider, []).append(entry)

    def find(self, names: Sequence[str]) -> Entry | None:
        """The entry for a model by any of its lower-case spellings, the first spelling being the most
        specific.

        A provider is asked for all spellings before the next one: Google resells `...claude...` under every
        spelling.
        """
        for entries in self._by_provider.values():
            for name in names:
                for entry in entries:
                    if entry.match.matches(name):
                        return entry
        return None

    def __repr__(self) -> str:
        return f"Catalogue({self.version}, {sum(map(len, self._by_provider.values()))} models)"


class _File(msgspec.Struct):
    version: str
    entries: tuple[Entry, ...]


def parse_catalogue(data: bytes) -> Catalogue:
    """Read the converted price data. Raises `msgspec.ValidationError` when it is not ours."""
    file = msgspec.json.decode(data, type=_File)
    return Catalogue(version=file.version, entries=file.entries)


def encode_catalogue(catalogue: Catalogue) -> bytes:
    """What `parse_catalogue` reads."""
    return msgspec.json.encode(_File(catalogue.version, catalogue.entries), order="deterministic")


def bundled_catalogue() -> Catalogue:
    """The prices that ship with this version of the program; their version names the data's source and its
    content. Reads our own package data: as constant as the code itself."""
    data = resources.files(__package__).joinpath("catalogue.json").read_bytes()
    read = parse_catalogue(data)
    content = hashlib.blake2b(data, digest_size=4).hexdigest()
    return Catalogue(version=f"{read.version}.{content}", entries=read.entries)


def _holds(clause: tuple[str, Any], name: str) -> bool:
    operator, operand = clause
    match operator:
        case "equals":
            return bool(name == operand)
        case "starts":
            return name.startswith(operand)
        case "ends":
            return name.endswith(operand)
        case "contains":
            return operand in name
        case "regex":
            return re.search(operand, name) is not None
        case "and":
            return all(_holds(inner, name) for inner in operand)
        case _:
            return any(_holds(inner, name) for inner in operand)
