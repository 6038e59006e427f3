"""Reads the books straight from the database (exact integers) and holds them against the simulator's bill."""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from headgate.kit.crypto import Vault
from headgate.storage.engine import create_engine
from headgate.storage.ledger import LedgerReport, verify
from tests.support.databases import target_for

BUCKETS = {
    "input": "input_tokens", "cache_read": "cache_read_tokens", "cache_write_5m": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens", "output": "output_tokens", "reasoning": "reasoning_tokens",
    "images": "image_count",
}  # fmt: skip
Record = Mapping[str, Any]
Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Books:
    """A gateway's database, read beside it."""

    url: str
    key_file: Path | None = None
    """The gateway's `secret.key`; None: beside the SQLite file, if it is there. With it `verify` checks the
    hash chains and the arithmetic of every line as well."""

    def rows(self, sql: str) -> list[dict[str, Any]]:
        if self.url.startswith("sqlite:///"):
            path = self.url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                connection.row_factory = sqlite3.Row
                return [dict(row) for row in connection.execute(sql)]
        return asyncio.run(self._fetch(sql))

    async def _fetch(self, sql: str) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.url)
        try:
            return [dict(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    def value(self, sql: str) -> int:
        (row,) = self.rows(sql)
        return int(next(iter(row.values())) or 0)

    def records(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM usage_records ORDER BY id")

    def open_intents(self) -> int:
        return self.value("SELECT COUNT(*) FROM usage_intents")

    def verify(self) -> LedgerReport:
        return asyncio.run(self._verify())

    def _ledger_key(self) -> bytes | None:
        path = self.key_file
        if path is None and self.url.startswith("sqlite:///"):
            path = Path(self.url.removeprefix("sqlite:///")).with_name("secret.key")
        if path is None or not path.exists():
            return None
        return Vault(bytes.fromhex(path.read_text().strip())).ledger_key()

    async def _verify(self) -> LedgerReport:
        engine = create_engine(target_for(self.url))
        try:
            return await verify(engine, ledger_key=self._ledger_key())
        finally:
            await engine.dispose()


def usage_of(record: Record) -> dict[str, int]:
    return {bucket: record[column] for bucket, column in BUCKETS.items()}


def total(usages: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {bucket: sum(usage[bucket] for usage in usages) for bucket in BUCKETS}


def same_money(books: Books) -> int:
    """What balances paid, in records, in the ledger and missing from the balances: one number in nano-USD.
    What subscriptions paid may be another number than the charge (`quota_basis`); `verify` counts it."""
    recorded = books.value("SELECT SUM(charge_nano) FROM usage_records WHERE subscription_id IS NULL")
    booked = books.value(
        "SELECT SUM(amount_nano) FROM ledger_entries WHERE kind = 'charge' AND debit_book LIKE 'user:%'"
    )
    put_in = books.value(
        "SELECT SUM(CASE WHEN debit_book = 'equity' THEN amount_nano ELSE -amount_nano END)"
        " FROM ledger_entries WHERE kind = 'adjustment'"
    )
    gone = put_in - books.value("SELECT SUM(balance_nano) FROM users")
    assert recorded == booked == gone
    report = books.verify()
    assert report.is_sound, report
    return recorded


def by_request_id(records: Sequence[Record]) -> dict[str, Record]:
    """Records that name their upstream call; no call is on record twice."""
    named = [record for record in records if record["upstream_request_id"]]
    found = {record["upstream_request_id"]: record for record in named}
    assert len(found) == len(named), "an upstream call is recorded twice"
    return found


_BROKE_OFF = frozenset({"upstream_cut", "upstream_timeout", "client_gone"})


def compare(record: Record, line: Line) -> None:
    """One call as we booked it and as the provider billed it."""
    ours, theirs, reported = usage_of(record), line["usage"], line["reported"]
    shown = json.dumps({"record": dict(record), "line": line}, default=str)
    match record["usage_source"]:
        case "reported":
            assert ours == theirs, shown
        case "partial":
            # a broken element in a JSON array cannot be skipped: what follows it is out of reach
            if record["outcome"] == "interrupted" or line["status"] == "complete":
                assert all(ours[bucket] <= theirs[bucket] for bucket in BUCKETS), shown
            else:
                # message_start states output but not how much of it is thinking; the bill knows that too
                assert ours["reasoning"] <= reported["reasoning"], shown
                assert {**ours, "reasoning": 0} == {**reported, "reasoning": 0}, shown
        case "estimated":
            # a failed attempt's estimate stands for what a broken answer did not get to say; an answer that
            # was ended because the money was, for the usage that its own end would have said; one that broke
            # off, for the output that was passed after the last report
            assert reported is None or record["outcome"] in ("failed", "partial"), shown
            broke_off = record["outcome"] == "partial" and record["fault"] in _BROKE_OFF
            if reported is not None and broke_off and line["status"] != "complete":
                assert ours == {**reported, "output": ours["output"], "reasoning": ours["reasoning"]}, shown
                assert ours["output"] >= reported["output"], shown
            assert record["outcome"] != "failed" or record["charge_nano"] == 0, shown
        case _:
            assert not any(ours.values()), shown
            assert record["charge_nano"] == 0, shown


def summary(records: Sequence[Record]) -> str:
    kinds = Counter(f"{record['outcome']}/{record['usage_source']}" for record in records)
    return ", ".join(f"{name} {count}" for name, count in sorted(kinds.items()))


def show(line: str) -> None:
    print(f"\n  {line}", end="")  # noqa: T201 -- read with `pytest -s`
