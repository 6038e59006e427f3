"""Walking the ledger's chains: every entry against its hash, its place and its own arithmetic (ADR 14).

Pure: rows in, findings out; the SQL is `ledger_verify`'s. A finding names the first entry that is wrong; what
follows is checked against what is stored there, so that one changed line is one finding.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.core.money import MULTIPLIER_ONE, div_half_even
from headgate.core.pricing.cost import MAX_AMOUNT
from headgate.storage.ledger_chain import CHAINED_COLUMNS, HASH_BYTES, beginning, entry_hash, resume

_EXCHANGE, _ATTEMPT, _KIND, _AMOUNT, _TARIFF, _MULTIPLIER = (
    CHAINED_COLUMNS.index(name)
    for name in ("exchange_id", "attempt", "kind", "amount_nano", "tariff", "multiplier")
)
_PRICED = frozenset({"charge", "key", "cost"})
"""Kinds whose amount is their tariff lines' sum times their multiplier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it must be."""

    check: str
    """chain | line | book | record | entry | negative"""
    text: str
    """One sentence that names where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEnd:
    """A chain as it was found."""

    chain: int
    entries: int
    seq: int
    """Place of the newest entry."""
    hash: bytes
    is_whole: bool


class ChainWalk:
    """Takes entries ordered by (chain, seq); knows at the end what each chain is worth."""

    def __init__(self, key: bytes, heads: Mapping[int, tuple[int, bytes]]) -> None:
        """`heads`: chain -> (seq, seal), as stored."""
        self._key = key
        self._heads = heads
        self._chain: int | None = None
        self._seq = 0
        self._before: bytes | None = None
        """Hash of the entry before; None after a gap: nobody knows it any more."""
        self._entries = 0
        self._is_whole = True
        self.ends: list[ChainEnd] = []

    def see(self, number: int, row: Sequence[Any], chain: int, seq: int, digest: bytes) -> Iterator[Finding]:
        """An entry: its number in the table, `CHAINED_COLUMNS`, and its place."""
        if chain != self._chain:
            yield from self._finish()
            self._begin(chain)
        name = _name(number, row, chain, seq)
        if seq != self._seq + 1:
            self._is_whole, self._before = False, None
            yield _broken(f"{_missing(self._seq + 1, seq - 1)} missing from chain {chain}, before {name}")
        elif self._before is not None and entry_hash(self._key, chain, seq, self._before, row) != digest:
            self._is_whole = False
            yield _broken(f"{name} is not what was written: its hash does not match")
        self._seq, self._before = seq, digest
        self._entries += 1

    def finish(self) -> Iterator[Finding]:
        """After the last entry: the heads, also of chains that have no entry left."""
        yield from self._finish()
        seen = {end.chain for end in self.ends}
        for chain in sorted(set(self._heads) - seen):
            self._begin(chain)
            yield from self._finish()

    def _begin(self, chain: int) -> None:
        self._chain, self._seq, self._before = chain, 0, bytes(HASH_BYTES)
        self._entries, self._is_whole = 0, True

    def _finish(self) -> Iterator[Finding]:
        if self._chain is None:
            return
        chain, stored = self._chain, self._heads.get(self._chain)
        newest = (self._seq, self._before or bytes(HASH_BYTES)) if self._entries else None
        if stored is None:
            self._is_whole = False
            yield _broken(f"chain {chain} has {self._entries} entries and no head")
        elif stored[0] > self._seq:
            self._is_whole = False
            yield _broken(f"{_missing(self._seq + 1, stored[0])} missing at the end of chain {chain}")
        elif stored[0] < self._seq:
            self._is_whole = False
            yield _broken(f"{_missing(stored[0] + 1, self._seq)} beyond the head of chain {chain}")
        elif resume(self._key, chain, stored, newest) is None:
            self._is_whole = False
            yield _broken(f"the head of chain {chain} (seq {self._seq}) is not what was written")
        self.ends.append(
            ChainEnd(
                chain=chain,
                entries=self._entries,
                seq=self._seq,
                hash=self._before or beginning(self._key, chain).hash,
                is_whole=self._is_whole,
            )
        )


def check_line(number: int, row: Sequence[Any]) -> Finding | None:
    """Whether an entry's amount is what its own tariff lines and multiplier say."""
    amount, tariff, multiplier = row[_AMOUNT], row[_TARIFF], row[_MULTIPLIER]
    name = f"entry {number} ({row[_KIND]} of {row[_EXCHANGE]}/{row[_ATTEMPT]})"
    if amount < 0:
        return Finding(check="line", text=f"{name} has a negative amount: {amount} nano-USD")
    if not tariff or multiplier is None or row[_KIND] not in _PRICED:
        return None
    try:
        total = sum(int(line.partition("=")[2]) for line in tariff.split(" "))
    except ValueError:
        return Finding(check="line", text=f"{name} has tariff lines that nobody can read")
    expected = div_half_even(total * multiplier, MULTIPLIER_ONE)
    if amount == expected or max(total, expected) >= MAX_AMOUNT:  # capped (core.pricing.cost)
        return None
    told = f"its lines add up to {total} x {multiplier / MULTIPLIER_ONE:g} = {expected} nano-USD"
    return Finding(check="line", text=f"{name} says {amount}, but {told}")


def _name(number: int, row: Sequence[Any], chain: int, seq: int) -> str:
    return f"entry {number} (chain {chain}, seq {seq}, {row[_KIND]} of {row[_EXCHANGE]}/{row[_ATTEMPT]})"


def _missing(first: int, last: int) -> str:
    return f"seq {first} is" if first == last else f"seq {first} to {last} are"


def _broken(text: str) -> Finding:
    return Finding(check="chain", text=text)
