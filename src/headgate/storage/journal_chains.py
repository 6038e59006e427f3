"""The journal's end of a ledger chain: which chain it writes, and where that chain ends (ADR 14).

On SQLite all journals write the same chain: the write lock of the transaction guards its head, which is read
in each. On PostgreSQL a journal holds an advisory lock on its chain for as long as its connection lives, so
that the head it remembers cannot move under it. Entries and head are written in the caller's transaction.
"""

import sqlite3
from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol

import structlog

from headgate.storage.journal_rows import Row
from headgate.storage.ledger_chain import ENTRY_COLUMNS, FIRST_JOURNAL, Head, link, resume

log = structlog.get_logger(__name__)

_STORED = "SELECT seq, hash FROM ledger_chains WHERE chain = "
_NEWEST = "SELECT seq, hash FROM ledger_entries WHERE chain = "
_LAST = " ORDER BY seq DESC LIMIT 1"
_SET_HEAD = "ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, hash = excluded.hash"
_PUT_HEAD = f"INSERT INTO ledger_chains (chain, seq, hash) VALUES (?, ?, ?) {_SET_HEAD}"  # noqa: S608
_MOVE_HEAD = "UPDATE ledger_chains SET seq = ?, hash = ? WHERE chain = ? AND seq = ? AND hash = ?"
_POSTGRES_LOCKS = 0x4C454447
"""Class of the advisory locks on chains ("LEDG"); they live in a space of their own (two-number locks)."""


class InsertsEntries(Protocol):
    def run(self, connection: sqlite3.Connection, given: Sequence[Row]) -> int: ...


class SqliteChain:
    def __init__(self, connection: sqlite3.Connection, key: bytes, insert: InsertsEntries) -> None:
        """`insert` writes entries with their chain, seq and hash."""
        self._connection = connection
        self._key = key
        self._insert = insert
        self._head: Head | None = None

    def append(self, entries: Sequence[Row]) -> None:
        """The head moves only from where the table says it is: a rollback or another process may have moved
        the remembered one."""
        head = self._head
        linked, new = link(self._key, head, entries) if head is not None else ((), None)
        if head is None or new is None or not self._advance(head, new):
            linked, new = link(self._key, self._current(), entries)
            self._connection.execute(_PUT_HEAD, (new.chain, new.seq, new.seal))
        self._insert.run(self._connection, linked)
        self._head = new

    def _advance(self, old: Head, new: Head) -> bool:
        moved = (new.seq, new.seal, old.chain, old.seq, old.seal)
        return self._connection.execute(_MOVE_HEAD, moved).rowcount == 1

    def _current(self) -> Head:
        return next(head for chain in count(FIRST_JOURNAL) if (head := self._resume(chain)) is not None)

    def _resume(self, chain: int) -> Head | None:
        stored, newest = self._one(_STORED + "?", chain), self._one(f"{_NEWEST}?{_LAST}", chain)
        return _checked(resume(self._key, chain, stored, newest), chain)

    def _one(self, query: str, chain: int) -> Any:
        return self._connection.execute(query, (chain,)).fetchone()


class PostgresChain:
    def __init__(self, connection: Any, key: bytes, insert: str) -> None:
        """Of one connection. `insert` has the arrays of `ENTRY_COLUMNS` as its parameters."""
        self._connection = connection
        self._key = key
        head = ", ".join(f"${len(ENTRY_COLUMNS) + number}" for number in (1, 2, 3))
        set_head = f"INSERT INTO ledger_chains (chain, seq, hash) VALUES ({head}) {_SET_HEAD}"  # noqa: S608
        self._sql = f"WITH head AS ({set_head}) {insert}"
        self._number = FIRST_JOURNAL - 1
        self._head: Head | None = None

    def forget(self) -> None:
        """The transaction was rolled back: read the head again."""
        self._head = None

    async def append(self, entries: Sequence[Row]) -> None:
        head = self._head or await self._current()
        linked, head = link(self._key, head, entries)
        arrays = zip(*linked, strict=True)
        await self._connection.execute(self._sql, *arrays, head.chain, head.seq, head.seal)
        self._head = head

    async def _current(self) -> Head:
        if self._number >= FIRST_JOURNAL and (head := await self._resume(self._number)) is not None:
            return head
        for chain in count(self._number + 1):
            if await self._claim(chain) and (head := await self._resume(chain)) is not None:
                self._number = chain
                return head
        raise AssertionError("there is always another chain")

    async def _claim(self, chain: int) -> bool:
        taken: bool = await self._connection.fetchval(
            f"SELECT pg_try_advisory_lock({_POSTGRES_LOCKS}, $1::int)", chain
        )
        return taken

    async def _resume(self, chain: int) -> Head | None:
        stored = await self._connection.fetchrow(_STORED + "$1", chain)
        newest = await self._connection.fetchrow(f"{_NEWEST}$1{_LAST}", chain)
        return _checked(resume(self._key, chain, _pair(stored), _pair(newest)), chain)


def _pair(record: Any) -> tuple[int, bytes] | None:
    return None if record is None else (record["seq"], bytes(record["hash"]))


def _checked(head: Head | None, chain: int) -> Head | None:
    if head is None:
        log.error("ledger_chain_broken", chain=chain, remedy="run `headgate ledger verify`")
    return head
