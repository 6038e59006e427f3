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
        if name in self.equals:
            return True
        if any(_is_same_model(name, at=0, text=prefix) for prefix in self.prefixes):
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


_PRODUCTS = frozenset(
    "nano micro mini lite flash pro max ultra plus turbo codex image audio tts live realtime embedding search"
    " transcribe computer guard 8b".split()
)
"""Words behind a known name that make it another product with another price, whatever a prefix says."""
_WORDS = re.compile(r"[-_.:@/ ]+")
_DIGITS_AT_END, _DIGITS_AT_START = re.compile(r"\d+$"), re.compile(r"\d+")
_MAX_VERSION_DIGITS = 3
"""Longer runs of digits are dates, and those with a leading zero revisions."""


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


def _is_same_model(name: str, *, at: int, text: str) -> bool:
    """`text` stands at this place of the name, and what follows it names no other model: no longer version
    number (`opus-4-1` is not `opus-4-15`), no word for another product (`-lite`, `-pro`)."""
    if at < 0 or not name.startswith(text, at):
        return False
    rest = name[at + len(text) :]
    if not rest:
        return True
    if text[-1].isdigit() and rest[0].isdigit():
        number = _DIGITS_AT_END.search(text)
        run = (number[0] if number else "") + _DIGITS_AT_START.match(rest)[0]  # type: ignore[index]
        if run[0] != "0" and len(run) <= _MAX_VERSION_DIGITS:
            return False
    return not _PRODUCTS.intersection(_WORDS.split(rest.partition(":")[0]))


def _holds(clause: tuple[str, Any], name: str) -> bool:
    operator, operand = clause
    match operator:
        case "equals":
            return bool(name == operand)
        case "starts":
            return _is_same_model(name, at=0, text=operand)
        case "ends":
            return name.endswith(operand)
        case "contains":
            return _is_same_model(name, at=name.find(operand), text=operand)
        case "regex":
            return re.search(operand, name) is not None
        case "and":
            return all(_holds(inner, name) for inner in operand)
        case _:
            return any(_holds(inner, name) for inner in operand)
