"""The judge: holds what the gateway booked against what the provider served and what the clients received.

Everything is checked in chapters: the records since the last chapter against the provider's bill since then,
which is reset afterwards. The ledger is verified as a whole. A finding is one sentence; none may be left.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.crash.overdrafts import Lowest, beyond, lowest_balances
from tests.crash.tariff import rates_for, times
from tests.crash.traffic import Writes
from tests.crash.world import COST_MULTIPLIER, NOBODY, World
from tests.e2e.money_books import Books, Line, Record, compare, usage_of
from tests.support.load import Outcome

_TERMINAL = {
    "/v1/messages": b"event: message_stop", "/v1/chat/completions": b"data: [DONE]",
    "/v1/responses": b"event: response.completed",
}  # fmt: skip
"""The terminal event of a streamed answer, by path. Gemini has none: its streams end with the connection's
message."""
Name = tuple[str, str]
"""(the account's secret, the upstream model): models carry the number of the client's request."""


@dataclass(kw_only=True)
class Totals:
    """What a run adds up to. Amounts in nano-USD; `ours` by our records, `theirs` by the provider's bill at
    the harness's own prices."""

    calls: int = 0
    records: Counter[str] = field(default_factory=Counter)
    """By outcome."""
    answers: int = 0
    """Complete answers that clients hold."""
    cost_ours: int = 0
    cost_theirs: int = 0
    charge_ours: int = 0
    charge_theirs: int = 0
    charge_interrupted: int = 0
    known_interrupted: int = 0
    """Interrupted calls of which the usage so far was known."""
    ended_for_money: int = 0
    """Answers that were ended, in their dialect, because the money was."""
    overdrafts: list[Lowest] = field(default_factory=list)
    """Users whose balance was ever below zero, the lowest first."""
    chained: int = 0
    """Ledger entries whose place in a hash chain was verified."""
    adjustments: int = 0


@dataclass(kw_only=True)
class Judge:
    """Judges one database. `findings` is empty as long as the books are right."""

    books: Books
    world: World = NOBODY
    totals: Totals = field(default_factory=Totals)
    findings: list[str] = field(default_factory=list)
    _last_id: int = 0

    def chapter(self, bill: Mapping[str, Any], outcomes: Sequence[Outcome], writes: Writes) -> None:
        """Judge everything since the last chapter. The gateway is at rest: nothing is open."""
        records = self.books.rows(f"SELECT * FROM usage_records WHERE id > {self._last_id} ORDER BY id")
        lines = {line["request_id"]: line for line in bill["lines"]}
        self._nothing_is_open()
        self._one_record_per_call(records, bill, lines)
        self._same_tokens(records, lines)
        self._same_money(records, lines)
        self._what_clients_hold(records, outcomes)
        self._adjustments(writes)
        self._last_id = max([self._last_id, *(record["id"] for record in records)])

    def whole(self) -> None:
        """The ledger against balances, records and counters, from the beginning."""
        report = self.books.verify()
        if not report.is_sound:
            self.findings.append(f"the ledger does not verify: {report}")
        self.totals.chained = sum(chain.entries for chain in report.chains)
        self._never_too_low()
        self._equal("charges in records and in the ledger", _CHARGED_RECORDS, _CHARGED_ENTRIES)
        self._equal("account costs in records and in the ledger", _COST_RECORDS, _COST_ENTRIES)
        for what, counters in _COUNTERS.items():
            for row in self.books.rows(counters):
                if row["used"] != row["booked"]:
                    self.findings.append(
                        f"{what} {row['id']}: its counter says {row['used']}, its records {row['booked']}"
                    )

    def _never_too_low(self) -> None:
        """No balance was ever below the stated bound, also between the looks."""
        lowest = lowest_balances(self.books)
        self.totals.overdrafts = lowest
        self._complain("a balance was below the stated bound", (str(low) for low in lowest if beyond(low)))

    def _equal(self, what: str, one: str, other: str) -> None:
        first, second = self.books.value(one), self.books.value(other)
        if first != second:
            self.findings.append(f"{what} differ: {first} and {second}")

    def _nothing_is_open(self) -> None:
        for row in self.books.rows("SELECT * FROM usage_intents"):
            self.findings.append(f"an intent is left open: {_shown(row)}")

    def _one_record_per_call(
        self, records: Sequence[Record], bill: Mapping[str, Any], lines: Mapping[str, Line]
    ) -> None:
        names = Counter((record["exchange_id"], record["attempt"]) for record in records)
        self._complain("two records of one attempt", (name for name, n in names.items() if n > 1))
        ids = Counter(r["upstream_request_id"] for r in records if r["upstream_request_id"])
        self._complain("an upstream call is recorded twice", (name for name, n in ids.items() if n > 1))
        nameless = Counter(self._name(record) for record in records if _is_nameless(record))
        missing = Counter((line["key"], line["asked_model"]) for i, line in lines.items() if i not in ids)
        self._complain("billed and not recorded", missing - nameless)
        served = Counter({(call["key"], call["asked_model"]): call["count"] for call in bill["calls"]})
        recorded = Counter(self._name(record) for record in records)
        self._complain("served by the provider and not recorded", served - recorded)
        never_seen = Counter(self._name(record) for record in records if _says_nothing(record))
        self._complain("recorded, never seen by the provider", recorded - served - never_seen)
        self.totals.calls += served.total()
        self.totals.records.update(record["outcome"] for record in records)

    def _name(self, record: Record) -> Name:
        return self.world.key_of_account[record["account_id"]], record["upstream_model"]

    def _same_tokens(self, records: Sequence[Record], lines: Mapping[str, Line]) -> None:
        for record in records:
            line = lines.get(record["upstream_request_id"] or "")
            try:
                if line is not None:
                    compare(record, line)
                elif record["usage_source"] not in ("none", "estimated"):
                    self.findings.append(f"usage that no bill knows: {_shown(record)}")
            except AssertionError as error:
                self.findings.append(f"not what the provider billed: {error}")

    def _same_money(self, records: Sequence[Record], lines: Mapping[str, Line]) -> None:
        totals = self.totals
        for record in records:
            list_cost = rates_for(record["upstream_model"]).list_cost(usage_of(record))
            multiplier = self.world.multiplier_of_user[record["user_id"]]
            charge = 0 if record["outcome"] == "failed" else times(list_cost, multiplier)
            cost = times(list_cost, COST_MULTIPLIER)
            if (record["charge_nano"], record["account_cost_nano"]) != (charge, cost):
                self.findings.append(
                    f"wrong money, charge {charge} and cost {cost} expected: {_shown(record)}"
                )
            if record["outcome"] == "interrupted":
                totals.charge_interrupted += record["charge_nano"]
                totals.known_interrupted += record["usage_source"] == "partial"
            totals.ended_for_money += record["fault"] == "budget_ended"
            line = lines.get(record["upstream_request_id"] or "")
            if record["usage_source"] == "reported" and line is not None:
                billed = rates_for(line["asked_model"]).list_cost(line["usage"])
                totals.cost_ours += record["account_cost_nano"]
                totals.cost_theirs += times(billed, COST_MULTIPLIER)
                if record["outcome"] != "failed":
                    totals.charge_ours += record["charge_nano"]
                    totals.charge_theirs += times(billed, multiplier)

    def _what_clients_hold(self, records: Sequence[Record], outcomes: Sequence[Outcome]) -> None:
        """An answer that a client has to its end is in the books as complete, and charged once; an answer
        that failed is charged to nobody."""
        by_exchange: dict[str, list[Record]] = {}
        for record in records:
            by_exchange.setdefault(record["exchange_id"], []).append(record)
        charged_twice = [
            name for name, own in by_exchange.items() if sum(r["charge_nano"] > 0 for r in own) > 1
        ]
        self._complain("an exchange is charged twice", charged_twice)
        for outcome in outcomes:
            own = by_exchange.get(outcome.header("x-headgate-exchange-id"), [])
            completed = [record for record in own if _is_whole(record)]
            if holds_all(outcome):
                self.totals.answers += 1
                if len(completed) != 1:
                    self.findings.append(
                        f"a client has the whole answer of {outcome.header('x-headgate-exchange-id')},"
                        f" the books say {[_shown(record) for record in own]}"
                    )
            elif outcome.status >= 400 and any(record["charge_nano"] for record in own):
                self.findings.append(f"an error was charged: {[_shown(record) for record in own]}")

    def _adjustments(self, writes: Writes) -> None:
        booked = self.books.rows(_ADJUSTMENTS)
        notes = Counter(row["note"] for row in booked)
        self._complain("a balance change is booked twice", (note for note, n in notes.items() if n > 1))
        self._complain("acknowledged and not booked", writes.acknowledged - notes.keys())
        for row in booked:
            asked = writes.asked.get(row["note"])
            if asked is None or asked.nano != row["nano"]:
                self.findings.append(f"a balance change that nobody asked for: {_shown(row)}")
        self.totals.adjustments = len(booked)

    def _complain(self, what: str, about: Iterable[object]) -> None:
        self.findings += [f"{what}: {thing}" for thing in about]


def holds_all(outcome: Outcome) -> bool:
    """The client has a successful model answer to its end, even if it left or lost the connection then."""
    path = outcome.shot.path
    if outcome.status != 200 or path.startswith("/api/"):
        return False
    is_stream = b"transfer-encoding" in outcome.head.lower()
    if not is_stream:
        return outcome.ending == "complete"
    mark = _TERMINAL.get(path)
    if mark is None:
        return outcome.ending == "complete" and b'"finishReason"' in outcome.body
    return mark in outcome.body


def _is_whole(record: Record) -> bool:
    """The client got an answer with an end: the provider's, or ours when the money had ended, or when the
    store of reservations did not say whether it had."""
    return record["outcome"] == "completed" or record["fault"] in ("budget_ended", "state_unavailable")


def _is_nameless(record: Record) -> bool:
    """Died before the provider's name of the call was written down."""
    return record["outcome"] == "interrupted" and not record["upstream_request_id"]


def _says_nothing(record: Record) -> bool:
    """The record itself says that nothing is known to have been used."""
    return not any(usage_of(record).values()) and not record["charge_nano"]


def _shown(row: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in row.items() if value not in (None, "", 0)}, default=str)


_CHARGED_RECORDS = "SELECT SUM(charge_nano) FROM usage_records"
_CHARGED_ENTRIES = "SELECT SUM(amount_nano) FROM ledger_entries WHERE kind = 'charge'"
_COST_RECORDS = "SELECT SUM(account_cost_nano) FROM usage_records"
_COST_ENTRIES = "SELECT SUM(amount_nano) FROM ledger_entries WHERE kind = 'cost'"
_ADJUSTMENTS = (
    "SELECT COALESCE(c.code, e.note) AS note,"
    " CASE WHEN debit_book = 'equity' THEN amount_nano ELSE -amount_nano END AS nano"
    " FROM ledger_entries e LEFT JOIN redeem_codes c ON e.exchange_id = 'redeem:' || c.id"
    " WHERE kind = 'adjustment' AND COALESCE(c.code, e.note) LIKE 'crash-%'"
)
_COUNTER = (
    "SELECT o.id, o.{used} AS used, COALESCE(SUM(r.{amount}), 0) AS booked"
    " FROM {table} o LEFT JOIN usage_records r ON r.{owner} = o.id {condition} GROUP BY o.id, o.{used}"
)
_COUNTERS = {
    "key": _COUNTER.format(
        table="api_keys", owner="key_id", used="quota_used_nano", amount="charge_nano",
        condition="WHERE o.quota_nano > 0",
    ),
    "subscription": _COUNTER.format(
        table="user_subscriptions", owner="subscription_id", used="total_used_nano", amount="charge_nano",
        condition="",
    ),
    "account": _COUNTER.format(
        table="accounts", owner="account_id", used="quota_used_nano", amount="account_cost_nano",
        condition="",
    ),
}  # fmt: skip
