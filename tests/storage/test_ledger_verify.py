"""Whatever is done to the books behind Headgate's back is found and named; on both databases."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget, session_factory
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.ledger import adjust_balance, reset_key_quota
from headgate.storage.ledger_chain import CHAINED_COLUMNS, beginning, link
from headgate.storage.ledger_corrections import Correction, correct_charge
from headgate.storage.ledger_verify import BookMismatch, LedgerReport, NegativeBound, overdraft_bound, verify
from headgate.storage.unit_of_work import UnitOfWork
from tests.storage.books import (
    VAULT,
    account_row,
    group_row,
    intent,
    key_row,
    settlement,
    store,
    subscription_row,
    user_row,
    value,
)

KEY = VAULT.ledger_key()
Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    return session_factory(engine, KEY)


@pytest.fixture
async def books(
    engine: AsyncEngine, sessions: Sessions, target: DatabaseTarget, clock: FakeClock
) -> AsyncEngine:
    """Chain 1: charge, key and cost line of ten calls of user 1 and one of a subscription (32 entries).
    Chain 0: a top-up, a quota reset, a correction."""
    await store(sessions, user_row(1), group_row(1), subscription_row(1), key_row(1, quota_nano=10**9))
    await store(sessions, account_row(1))
    async with UnitOfWork(sessions) as uow:
        await adjust_balance(
            uow.session,
            user_id=1,
            delta_nano=10_000,
            note="top-up",
            actor_id=9,
            operation_id="op:1",
            now_ms=1,
        )
    journal = await open_journal_at(target, clock, "p", ledger_key=KEY)
    calls = [settlement(intent(f"x{n}", counts_key=True, cost_multiplier=6250)) for n in range(10)]
    subscribed = intent("s1", subscription_id=1, quota_basis="list_cost", cost_multiplier=6250)
    calls.append(settlement(subscribed, charge=400))
    await asyncio.gather(*(journal.settle(call) for call in calls))
    await journal.close()
    async with UnitOfWork(sessions) as uow:
        await reset_key_quota(uow.session, key_id=1, actor_id=9, operation_id="op:2", now_ms=2)
        given = {
            "exchange_id": "x3",
            "attempt": 1,
            "reason": "goodwill",
            "actor_id": 9,
            "now_ms": 3,
            "paid_before_nano": 800,
        }
        await correct_charge(uow.session, Correction(charge_nano=-300, **given))  # type: ignore[arg-type]
    return engine


async def checked(engine: AsyncEngine) -> LedgerReport:
    return await verify(engine, ledger_key=KEY, negative=NegativeBound())


async def do(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


def told(report: LedgerReport, check: str) -> list[str]:
    return [finding.text for finding in report.findings if finding.check == check]


async def test_untouched_books_are_sound(books: AsyncEngine) -> None:
    report = await checked(books)
    assert report.findings == []
    assert report.is_sound
    assert (report.entries, report.unchained) == (35, 0)
    assert [(end.chain, end.seq, end.entries, end.is_whole) for end in report.chains] == [
        (0, 3, 3, True),
        (1, 32, 32, True),
    ]


async def test_the_head_of_each_chain_can_be_noted_elsewhere(books: AsyncEngine) -> None:
    newest = await value(books, "SELECT hash FROM ledger_entries WHERE chain = 1 AND seq = 32")
    assert (await checked(books)).chains[1].hash == bytes(newest)


SOME = "chain = 1 AND seq = 5"


@pytest.mark.parametrize(
    "change",
    [
        "amount_nano = amount_nano + 1",
        "credit_book = 'user:1'",
        "debit_book = 'user:2'",
        "exchange_id = 'x99'",
        "attempt = 7",
        "kind = 'adjustment'",
        "price_version = 'v2'",
        "tariff = 'input=800'",
        "multiplier = 10001",
        "note = 'nothing to see'",
        "actor_id = 1",
        "created_at_ms = created_at_ms - 1",
        "created_at_ms = created_at_ms",
    ],
)
async def test_a_changed_column_is_found_in_the_entry_that_was_changed(
    books: AsyncEngine, change: str
) -> None:
    await do(books, f"UPDATE ledger_entries SET {change} WHERE {SOME}")
    report = await checked(books)
    if change.endswith("= created_at_ms"):  # nothing changed: the control of this test
        assert report.is_sound
        return
    assert report.counts["chain"] == 1
    assert "(chain 1, seq 5, " in told(report, "chain")[0]
    assert "is not what was written" in told(report, "chain")[0]


async def test_an_amount_changed_in_all_places_together_is_found(books: AsyncEngine) -> None:
    await do(
        books,
        "UPDATE ledger_entries SET amount_nano = 1, tariff = 'input=1'"
        " WHERE exchange_id = 'x5' AND kind = 'charge'",
        "UPDATE usage_records SET charge_nano = 1, list_cost_nano = 800 WHERE exchange_id = 'x5'",
        "UPDATE users SET balance_nano = balance_nano + 799",
    )
    report = await checked(books)
    assert report.counts == {"chain": 1}
    assert "charge of x5/1" in told(report, "chain")[0]


@pytest.mark.parametrize(
    ("places", "problem"),
    [
        ("seq = 5", "seq 5 is missing from chain 1"),
        ("seq IN (5, 6, 7)", "seq 5 to 7 are missing from chain 1"),
        ("seq = 1", "seq 1 is missing from chain 1"),
        ("seq = 32", "seq 32 is missing at the end of chain 1"),
        ("seq > 20", "seq 21 to 32 are missing at the end of chain 1"),
        ("seq > 0", "seq 1 to 32 are missing at the end of chain 1"),
    ],
)
async def test_missing_rows_are_found(books: AsyncEngine, places: str, problem: str) -> None:
    await do(books, f"DELETE FROM ledger_entries WHERE chain = 1 AND {places}")
    report = await checked(books)
    assert report.counts["chain"] == 1
    assert told(report, "chain")[0].startswith(problem)
    assert set(report.counts) & {"record", "book"}


async def test_a_tail_cut_off_with_its_head_set_back_is_found(books: AsyncEngine) -> None:
    """Everything that can be done without the key, the balance included."""
    await do(
        books,
        "DELETE FROM ledger_entries WHERE chain = 0 AND seq = 3",
        "UPDATE ledger_chains SET seq = 2, hash ="
        " (SELECT hash FROM ledger_entries e WHERE e.chain = 0 AND e.seq = 2) WHERE chain = 0",
        "UPDATE users SET balance_nano = balance_nano - 300",
    )
    report = await checked(books)
    assert report.counts == {"chain": 1}
    assert told(report, "chain") == ["the head of chain 0 (seq 2) is not what was written"]


async def test_a_missing_head_is_found(books: AsyncEngine) -> None:
    await do(books, "DELETE FROM ledger_chains WHERE chain = 1")
    assert told(await checked(books), "chain") == ["chain 1 has 32 entries and no head"]


async def test_entries_in_another_order_are_found(books: AsyncEngine) -> None:
    await do(
        books,
        f"UPDATE ledger_entries SET seq = -1 WHERE {SOME}",
        "UPDATE ledger_entries SET seq = 5 WHERE chain = 1 AND seq = 6",
        "UPDATE ledger_entries SET seq = 6 WHERE seq = -1",
    )
    report = await checked(books)
    assert "(chain 1, seq 5, " in told(report, "chain")[0]
    assert report.counts["chain"] >= 2


async def test_an_entry_moved_to_another_chain_is_found(books: AsyncEngine) -> None:
    await do(books, "UPDATE ledger_entries SET chain = 0, seq = 4 WHERE chain = 1 AND seq = 32")
    problems = told(await checked(books), "chain")
    assert any("seq 4, " in problem and "hash does not match" in problem for problem in problems)
    assert "seq 32 is missing at the end of chain 1" in problems


async def forge(connection: AsyncConnection, key: bytes) -> None:
    """A top-up that never was, chained with `key`, its head and the balance set to match."""
    end = (
        await connection.execute(
            text("SELECT seq, hash FROM ledger_entries WHERE chain = 0 ORDER BY seq DESC LIMIT 1")
        )
    ).one()
    head = type(beginning(key, 0))(0, end[0], bytes(end[1]), b"")
    row = ("op:forged", 0, "adjustment", "equity", "user:1", 5000, "", "", None, "", 9, 4)
    (linked,), new = link(key, head, [row])
    columns = (*CHAINED_COLUMNS, "chain", "seq", "hash")
    await connection.execute(
        text(f"INSERT INTO ledger_entries ({', '.join(columns)}) VALUES (:{', :'.join(columns)})"),
        dict(zip(columns, linked, strict=True)),
    )
    await connection.execute(
        text("UPDATE ledger_chains SET seq = :seq, hash = :seal WHERE chain = 0"),
        {"seq": new.seq, "seal": new.seal},
    )
    await connection.execute(text("UPDATE users SET balance_nano = balance_nano + 5000"))


async def test_a_line_forged_without_the_key_is_found_and_one_with_it_is_not(books: AsyncEngine) -> None:
    async with books.begin() as connection:
        await forge(connection, b"guessed")
    report = await checked(books)
    assert report.counts == {"chain": 2}
    assert "adjustment of op:forged/0" in told(report, "chain")[0]


async def test_with_the_key_anything_can_be_forged(books: AsyncEngine) -> None:
    """What the proof is worth: it holds against whoever does not have the key (ADR 14)."""
    async with books.begin() as connection:
        await forge(connection, KEY)
    assert (await checked(books)).is_sound


async def test_a_line_slipped_in_outside_the_chains_is_found(books: AsyncEngine) -> None:
    await do(
        books,
        "INSERT INTO ledger_entries (exchange_id, attempt, kind, debit_book, credit_book, amount_nano,"
        " price_version, tariff, note, created_at_ms)"
        " VALUES ('op:9', 0, 'adjustment', 'equity', 'user:1', 5, '', '', '', 0)",
        "UPDATE users SET balance_nano = balance_nano + 5",
    )
    report = await checked(books)
    assert report.counts == {"chain": 1}
    assert "(op:9) is in no chain" in told(report, "chain")[0]


async def test_entries_from_before_there_were_chains_are_counted(
    engine: AsyncEngine, target: DatabaseTarget, sessions: Sessions, clock: FakeClock
) -> None:
    await store(sessions, user_row(1, balance_nano=-800), key_row(1), account_row(1))
    journal = await open_journal_at(target, clock, "p", ledger_key=KEY)
    await journal.settle(settlement(intent("old"), account_cost=800))
    await journal.close()
    await do(
        engine, "UPDATE ledger_entries SET chain = NULL, seq = NULL, hash = NULL", "DELETE FROM ledger_chains"
    )
    heir = await open_journal_at(target, clock, "q", ledger_key=KEY)
    await heir.settle(settlement(intent("new"), account_cost=800))
    await heir.close()
    await do(engine, "UPDATE users SET balance_nano = -1600")
    report = await verify(engine, ledger_key=KEY)
    assert report.findings == []
    assert (report.entries, report.unchained) == (4, 2)


ONE_RECORD = "usage_records SET {} = 7 WHERE exchange_id = 'x4'"


@pytest.mark.parametrize(
    ("tampering", "check", "problem"),
    [
        ("UPDATE users SET balance_nano = balance_nano + 1", "book", "user:1: the counter says"),
        (
            "UPDATE user_subscriptions SET total_used_nano = 0",
            "book",
            "subscription:1: the counter says 0.000000000 USD, the ledger 0.000000800 USD (-0.000000800 USD",
        ),
        ("UPDATE api_keys SET quota_used_nano = 5", "book", "key:1: the counter says"),
        ("DELETE FROM user_subscriptions", "book", "subscription:1 has 0.000000800 USD in the ledger and"),
        (f"UPDATE {ONE_RECORD.format('charge_nano')}", "record", "usage record x4/1 has no charge"),
        (f"UPDATE {ONE_RECORD.format('account_cost_nano')}", "record", "usage record x4/1 has no cost"),
        ("DELETE FROM usage_records WHERE exchange_id = 'x4'", "entry", "charge x4/1 has no usage record"),
        ("DELETE FROM usage_records WHERE exchange_id = 'x3'", "entry", "charge x3/1 has no usage record"),
    ],
)
async def test_books_records_and_counters_that_disagree_are_found(
    books: AsyncEngine, tampering: str, check: str, problem: str
) -> None:
    await do(books, tampering)
    report = await checked(books)
    assert report.counts[check] > 0
    assert told(report, check)[0].startswith(problem)
    assert "chain" not in report.counts


async def test_many_findings_are_counted_and_the_first_are_named(books: AsyncEngine) -> None:
    await do(books, "DELETE FROM ledger_entries WHERE chain = 1 AND seq % 2 = 1")
    report = await checked(books)
    assert report.counts["chain"] == 16
    await do(books, "DELETE FROM usage_records", "DELETE FROM ledger_entries WHERE chain = 0")
    assert (await checked(books)).counts["entry"] == 16


async def test_a_mismatch_names_the_book_and_both_amounts(books: AsyncEngine) -> None:
    await do(books, "UPDATE users SET balance_nano = 1")
    expected = BookMismatch(book="user:1", counter_nano=1, ledger_nano=10_000 - 8000 + 300)
    assert (await verify(books)).mismatches == (expected,)


async def test_a_line_whose_arithmetic_is_wrong_is_found_however_well_it_is_chained(
    engine: AsyncEngine, target: DatabaseTarget, sessions: Sessions, clock: FakeClock
) -> None:
    await store(sessions, user_row(1), key_row(1), account_row(1))
    journal = await open_journal_at(target, clock, "p", ledger_key=KEY)
    await journal.settle(settlement(intent("x1"), charge=900, account_cost=0))
    await journal.close()
    report = await verify(engine, ledger_key=KEY)
    assert report.counts == {"line": 1}
    assert told(report, "line")[0].endswith(
        "(charge of x1/1) says 900, but its lines add up to 800 x 1 = 800 nano-USD"
    )


async def test_a_balance_below_the_bound_is_found(books: AsyncEngine, sessions: Sessions) -> None:
    async with UnitOfWork(sessions) as uow:
        await adjust_balance(
            uow.session, user_id=1, delta_nano=-2400, note="", actor_id=9, operation_id="op:3", now_ms=9
        )
    assert await value(books, "SELECT balance_nano FROM users") == -100
    assert told(await checked(books), "negative") == [
        "user:1 has -0.000000100 USD, the bound is 0.000000000 USD"
    ]
    assert (await verify(books, negative=NegativeBound(flat_nano=100))).is_sound
    assert (await verify(books, negative=NegativeBound(flat_nano=75, per_stream_nano=5))).is_sound
    assert not (await verify(books, negative=NegativeBound(flat_nano=74, per_stream_nano=5))).is_sound
    assert (await verify(books, negative=NegativeBound(flat_nano=10**13, per_stream_nano=10**12))).is_sound


async def test_the_bound_is_the_largest_overdraft_of_any_group(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    assert await overdraft_bound(engine) == 0
    await store(
        sessions,
        group_row(1, overrun_policy="overdraft", overdraft_limit_nano=5),
        group_row(2, overrun_policy="overdraft", overdraft_limit_nano=7),
        group_row(3, overrun_policy="strict", overdraft_limit_nano=9),
    )
    assert await overdraft_bound(engine) == 7


async def test_charges_that_arrive_meanwhile_do_not_disturb(
    books: AsyncEngine, target: DatabaseTarget, clock: FakeClock
) -> None:
    journal = await open_journal_at(target, clock, "q", ledger_key=KEY)

    async def charge() -> None:
        for _ in range(40):
            await journal.settle(settlement(intent(cost_multiplier=6250)))

    async def look() -> list[LedgerReport]:
        return [await verify(books, ledger_key=KEY) for _ in range(4)]

    reports, _ = await asyncio.gather(look(), charge())
    await journal.close()
    assert [report.findings for report in reports] == [[], [], [], []]
