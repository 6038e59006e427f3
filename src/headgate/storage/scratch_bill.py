"""A provider's bill for the time of a comparison: in a temporary file, so that its size costs no memory."""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.core.usage import TokenUsage

_BATCH = 1000
_TABLE = (
    "CREATE TABLE bill (day INTEGER, account INTEGER, model TEXT, request_id TEXT, calls INTEGER,"
    " input INTEGER, cache_read INTEGER, cache_write INTEGER, output INTEGER, audio INTEGER, cost INTEGER,"
    " is_seen INTEGER DEFAULT 0)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillRow:
    """A line of the provider; `day` in days since 1970 (UTC)."""

    day: int
    account: int
    model: str
    request_id: str | None
    calls: int | None
    usage: TokenUsage | None
    cost_nano: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Of calls; None: nobody said."""

    calls: int | None = None
    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    audio: int | None = None
    cost_nano: int | None = None

    @property
    def tokens(self) -> int | None:
        parts = (self.input, self.cache_read, self.cache_write, self.output, self.audio)
        return None if self.input is None else sum(part or 0 for part in parts)


class BillTooLarge(ValueError):
    """Sums beyond 64 bits."""


class ScratchBill:
    """Build with `scratch_bill`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute(_TABLE)

    def fill(self, rows: Iterable[BillRow]) -> None:
        """Raises BillTooLarge, and whatever `rows` raises."""
        batch: list[tuple[Any, ...]] = []
        for row in rows:
            batch.append(_values(row))
            if len(batch) == _BATCH:
                self._insert(batch)
                batch.clear()
        self._insert(batch)
        self._connection.execute("CREATE INDEX bill_request ON bill (request_id)")
        try:
            self._connection.execute(f"SELECT {_SUMS} FROM bill").fetchone()  # noqa: S608
        except sqlite3.OperationalError:
            raise BillTooLarge("the lines add up to more than can be") from None

    def period(self) -> tuple[int, int] | None:
        """First and last day; None: the bill is empty."""
        first, last = self._connection.execute("SELECT MIN(day), MAX(day) FROM bill").fetchone()
        return None if first is None else (first, last)

    def by_account_and_day(self) -> Iterator[tuple[int, int, Sums]]:
        sums = self._connection.execute(
            f"SELECT account, day, {_SUMS} FROM bill GROUP BY account, day ORDER BY account, day"  # noqa: S608
        )
        for account, day, *numbers in sums:
            yield account, day, _sums(numbers)

    def by_model(self, account: int, day: int) -> dict[str, Sums]:
        query = f"SELECT model, {_SUMS} FROM bill WHERE account = ? AND day = ? GROUP BY model"  # noqa: S608
        return {model: _sums(numbers) for model, *numbers in self._connection.execute(query, (account, day))}

    def has_request_ids(self, account: int, day: int) -> bool:
        query = "SELECT 1 FROM bill WHERE account = ? AND day = ? AND request_id IS NOT NULL LIMIT 1"
        return self._connection.execute(query, (account, day)).fetchone() is not None

    def take(self, request_id: str) -> Sums | None:
        """What the provider bills for a call, which is marked as known to us; None: nothing."""
        found = self._connection.execute(
            f"SELECT COUNT(*), {_SUMS} FROM bill WHERE request_id = ?",  # noqa: S608
            (request_id,),
        ).fetchone()
        if not found[0]:
            return None
        self._connection.execute("UPDATE bill SET is_seen = 1 WHERE request_id = ?", (request_id,))
        return _sums(found[1:])

    def not_taken(self, account: int, day: int) -> Iterator[tuple[str, str, Sums]]:
        """Calls that the provider bills and we did not ask for: request id, model, sums."""
        query = (
            f"SELECT request_id, model, {_SUMS} FROM bill WHERE account = ? AND day = ? AND NOT is_seen"  # noqa: S608
            " AND request_id IS NOT NULL GROUP BY request_id, model ORDER BY request_id"
        )
        for name, model, *numbers in self._connection.execute(query, (account, day)):
            yield name, model, _sums(numbers)

    def _insert(self, batch: Sequence[tuple[Any, ...]]) -> None:
        self._connection.executemany(
            "INSERT INTO bill (day, account, model, request_id, calls, input, cache_read, cache_write,"
            " output, audio, cost) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            batch,
        )


@contextlib.contextmanager
def scratch_bill() -> Iterator[ScratchBill]:
    """Gone when the block ends."""
    with (
        tempfile.TemporaryDirectory(prefix="headgate-") as folder,
        contextlib.closing(sqlite3.connect(Path(folder) / "bill.db", isolation_level=None)) as connection,
    ):
        for pragma in ("journal_mode = OFF", "synchronous = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        yield ScratchBill(connection)


_SUMS = "SUM(calls), SUM(input), SUM(cache_read), SUM(cache_write), SUM(output), SUM(audio), SUM(cost)"


def _values(row: BillRow) -> tuple[Any, ...]:
    usage = row.usage
    tokens: tuple[int | None, ...] = (None,) * 5
    if usage is not None:
        written = usage.cache_write_5m + usage.cache_write_1h
        audio = usage.audio_input + usage.audio_output
        tokens = (usage.input, usage.cache_read, written, usage.output, audio)
    return (row.day, row.account, row.model, row.request_id, row.calls, *tokens, row.cost_nano)


def _sums(numbers: Sequence[int | None]) -> Sums:
    calls, plain, cache_read, cache_write, output, audio, cost = numbers
    return Sums(
        calls=calls, input=plain, cache_read=cache_read, cache_write=cache_write, output=output, audio=audio,
        cost_nano=cost,
    )  # fmt: skip
