"""Hash chains of ledger entries: what makes a changed, missing, moved or forged line visible (ADR 14).

One chain per writer, so that no charge waits for another writer's: 0 and below belong to the management
plane, 1 and above to journals. An entry's hash covers the hash before it, chain, place and every column,
under a key that is not in the database. The head says what the newest entry must be; it is sealed under the
same key, so that a cut-off tail cannot be covered up by setting the head back. A writer that finds a chain's
end not as its head says leaves it alone, as evidence, and goes on with a fresh chain.

Pure; the SQL is the writers'.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

CHAINED_COLUMNS = (
    "exchange_id", "attempt", "kind", "debit_book", "credit_book", "amount_nano", "price_version", "tariff",
    "multiplier", "note", "actor_id", "created_at_ms",
)  # fmt: skip
"""Every column of an entry but its number in the table and its place in the chain."""
ENTRY_COLUMNS = (*CHAINED_COLUMNS, "chain", "seq", "hash")
"""What `link` returns."""
MANAGEMENT, FIRST_JOURNAL = 0, 1
NO_KEY = b""
"""Hashes without a key: whoever writes the database can forge them. For tests."""
LEDGER_KEY = "ledger_key"
"""Where a session carries the key (`Session.info`)."""
HASH_BYTES = 16
_HEAD = b"head"
_pack = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    chain: int
    seq: int
    """Place of the newest entry; 0: no entry yet."""
    hash: bytes
    """Hash of the newest entry."""
    seal: bytes
    """What the table of heads says, and only who has the key can make."""


def beginning(key: bytes, chain: int) -> Head:
    return _head(key, chain, 0, bytes(HASH_BYTES))


def link(key: bytes, head: Head, rows: Iterable[Sequence[Any]]) -> tuple[list[tuple[Any, ...]], Head]:
    """Entries (`CHAINED_COLUMNS`) with chain, seq and hash appended, in their order, and the new head."""
    chain, seq, digest = head.chain, head.seq, head.hash
    linked = []
    begun = blake2b(key=key, digest_size=HASH_BYTES)
    for row in rows:
        seq += 1
        sealing = begun.copy()  # `entry_hash`, with the key taken in once for all
        sealing.update(digest + _pack((chain, seq, *row)))
        digest = sealing.digest()
        linked.append((*row, chain, seq, digest))
    return linked, _head(key, chain, seq, digest)


def entry_hash(key: bytes, chain: int, seq: int, before: bytes, row: Sequence[Any]) -> bytes:
    """Of the entry at `seq`, whose columns are `row`, after the entry with hash `before`."""
    return blake2b(before + _pack((chain, seq, *row)), key=key, digest_size=HASH_BYTES).digest()


def resume(
    key: bytes, chain: int, stored: tuple[int, bytes] | None, newest: tuple[int, bytes] | None
) -> Head | None:
    """The head to go on from: `stored` is the chain's row of heads (seq, seal), `newest` its last entry
    (seq, hash). None: they do not belong together, somebody has been at one of them."""
    if stored is None:
        return beginning(key, chain) if newest is None else None
    head = beginning(key, chain) if newest is None else _head(key, chain, *newest)
    return head if (head.seq, head.seal) == stored else None


def _head(key: bytes, chain: int, seq: int, digest: bytes) -> Head:
    seal = blake2b(_HEAD + _pack((chain, seq, digest)), key=key, digest_size=HASH_BYTES).digest()
    return Head(chain, seq, digest, seal)
