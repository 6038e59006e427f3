"""Ours against theirs: per account and day, and call by call; on both databases."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.control.ledger.reconcile import Comparison, bill_rows, compare, drift, drill_down
from headgate.control.ledger.simulator_bill import parse_simulator_bill, simulator_rows
from headgate.core.ids import AccountId
from headgate.core.pricing.book import PriceBook
from headgate.core.pricing.catalogue import Catalogue
from headgate.core.pricing.price import flat_price
from headgate.core.provider_bill import BillFileInvalid, read_bill
from headgate.core.usage import TokenUsage
from headgate.core.world import Account, CredentialKind, Provider
from headgate.kit.clock import FakeClock
from headgate.kit.secret import Secret
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal_group import GroupJournal
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.metered_calls import KnownAccount, known_accounts, metered_calls
from headgate.storage.scratch_bill import BillTooLarge, ScratchBill, scratch_bill
from tests.storage.books import NOW_MS, account_row, intent, key_row, settlement, store, user_row

DAY = date(2025, 6, 15)
DAY_MS = 86_400_000
HEADER = "account,day,model,request_id,input_tokens,output_tokens,cache_read_tokens,cost_usd"
ACCOUNTS = [
    KnownAccount(id=1, name="main", is_deleted=False),
    KnownAccount(id=2, name="spare", is_deleted=False),
    KnownAccount(id=3, name="main", is_deleted=True),
]


@pytest.fixture
async def journal(
    target: DatabaseTarget, sessions: async_sessionmaker[AsyncSession], clock: FakeClock
) -> AsyncIterator[GroupJournal]:
    await store(sessions, user_row(1), key_row(1), account_row(1), account_row(2))
    opened = await open_journal_at(target, clock, "p")
    yield opened
    await opened.close()


@pytest.fixture
def bill() -> Iterator[ScratchBill]:
    with scratch_bill() as made:
        yield made


async def call(journal: GroupJournal, name: str, **fields: Any) -> None:
    """10 + 20 + 5 tokens and 500 nano-USD at account 1 on `DAY`."""
    account = fields.pop("account", 1)
    given: dict[str, Any] = {
        "upstream_request_id": f"req_{name}",
        "account_cost": 500,
        "duration_ms": 1000,
    } | fields
    await journal.settle(settlement(intent(name, account_id=account, upstream_model="m"), **given))


def fill(bill: ScratchBill, *lines: str, whole_file: int | None = None, header: str = HEADER) -> None:
    bill.fill(bill_rows(read_bill([f"{header}\n", *(f"{line}\n" for line in lines)]), ACCOUNTS, whole_file))


def theirs(name: str, *, output: int = 20, account: str = "main", day: str = "2025-06-15") -> str:
    return f"{account},{day},m,req_{name},10,{output},5,0.0000005"


def shown(comparison: Comparison) -> list[tuple[Any, ...]]:
    return [
        (d.account, d.day.day, d.ours.tokens, d.theirs.tokens, d.ours.cost_nano, d.theirs.cost_nano)
        for d in comparison.days
    ]


async def test_what_agrees_has_no_drift(
    journal: GroupJournal, engine: AsyncEngine, bill: ScratchBill
) -> None:
    for name in ("a", "b"):
        await call(journal, name)
    fill(bill, theirs("a"), theirs("b"))
    found = await compare(engine, bill, None)
    assert shown(found) == [(1, 15, 70, 70, 1000, 1000)]
    assert (found.worst_drift, found.days[0].ours.calls, found.days[0].theirs.calls) == (0.0, 2, 2)


async def test_drift_is_how_far_we_are_above_them(
    journal: GroupJournal, engine: AsyncEngine, bill: ScratchBill
) -> None:
    await call(journal, "a")
    fill(bill, theirs("a", output=85))
    (day,) = (await compare(engine, bill, None)).days
    assert (day.token_drift, day.cost_drift) == (-65.0, 0.0)


@pytest.mark.parametrize(
    ("ours", "their", "percent"),
    [(1, 1, 0), (3, 2, 50), (0, 0, 0), (1, 0, float("inf")), (0, 4, -100), (None, 1, None), (1, None, None)],
)
def test_drift_where_one_side_has_nothing(ours: int | None, their: int | None, percent: float | None) -> None:
    assert drift(ours, their) == percent


async def test_a_day_is_that_on_which_the_call_began(
    journal: GroupJournal, engine: AsyncEngine, bill: ScratchBill
) -> None:
    midnight = NOW_MS - NOW_MS % DAY_MS
    await call(journal, "late", finished_at_ms=midnight + 500)  # began half a second before midnight
    await call(journal, "early", finished_at_ms=midnight + 1000)
    fill(bill, theirs("late", day="2025-06-14"), theirs("early"))
    assert shown(await compare(engine, bill, None)) == [(1, 14, 35, 35, 500, 500), (1, 15, 35, 35, 500, 500)]


async def test_days_and_accounts_that_only_one_side_has_are_shown(
    journal: GroupJournal, engine: AsyncEngine, bill: ScratchBill
) -> None:
    await call(journal, "a")
    await call(journal, "b", account=2)
    fill(bill, theirs("x", day="2025-06-14"), theirs("y", day="2025-06-16"))
    found = await compare(engine, bill, None)
    assert [(d.day.day, d.ours.tokens, d.theirs.tokens) for d in found.days] == [
        (14, 0, 35),
        (15, 35, 0),
        (16, 0, 35),
    ]
    assert found.not_named == (2,)
    assert found.worst_drift == float("inf")


async def test_what_a_file_does_not_say_is_not_compared(
    journal: GroupJournal, engine: AsyncEngine, bill: ScratchBill
) -> None:
    await call(journal, "a")
    fill(bill, "2025-06-15,0.0000005", whole_file=1, header="day,cost_usd")
    (day,) = (await compare(engine, bill, None)).days
    assert (day.token_drift, day.cost_drift, day.theirs.tokens, day.theirs.calls) == (None, 0.0, None, None)


async def test_an_empty_bill_compares_nothing(engine: AsyncEngine, bill: ScratchBill) -> None:
    fill(bill)
    assert await compare(engine, bill, None) == Comparison(days=(), not_named=())


async def test_one_account_can_be_picked(
    journal: GroupJournal, engine: AsyncEngine, bill: ScratchBill
) -> None:
    await call(journal, "a")
    await call(journal, "b", account=2)
    fill(bill, theirs("a"), theirs("b", account="spare"))
    assert [day.account for day in (await compare(engine, bill, 2)).days] == [2]


@pytest.mark.parametrize(
    ("header", "line", "whole_file", "account"),
    [
        ("account,day,input_tokens", "main,2025-06-15,1", None, 1),  # the living one of that name
        ("account,day,input_tokens", "3,2025-06-15,1", None, 3),
        ("account,day,input_tokens", "spare,2025-06-15,1", 1, 2),
        ("api_key,day,input_tokens", "spare,2025-06-15,1", None, 2),
        ("api_key,day,input_tokens", "whatever,2025-06-15,1", 1, 1),
        ("day,input_tokens", "2025-06-15,1", 2, 2),
    ],
)
def test_whose_line_it_is(header: str, line: str, whole_file: int | None, account: int) -> None:
    (row,) = bill_rows(read_bill([header, line]), ACCOUNTS, whole_file)
    assert row.account == account


@pytest.mark.parametrize(
    ("header", "line", "problem"),
    [
        ("account,day,input_tokens", "other,2025-06-15,1", "entry 1 names the account 'other', which is"),
        ("api_key,day,input_tokens", "key,2025-06-15,1", "names the account 'key'"),
        ("day,input_tokens", "2025-06-15,1", "names no account"),
    ],
)  # fmt: skip
def test_a_line_that_is_nobodys_is_refused(header: str, line: str, problem: str) -> None:
    with pytest.raises(BillFileInvalid, match=problem):
        list(bill_rows(read_bill([header, line]), ACCOUNTS, None))


def test_sums_beyond_all_measure_are_refused(bill: ScratchBill) -> None:
    line = "main,2025-06-15,m,,1000000000000,0,0,1000000"
    with pytest.raises(BillTooLarge):
        fill(bill, *[line] * 10_000)


async def test_the_drill_down_names_the_calls_that_only_one_side_has(
    journal: GroupJournal, engine: AsyncEngine, bill: ScratchBill
) -> None:
    for name in ("same", "ours", "other"):
        await call(journal, name)
    await call(journal, "refused", usage=TokenUsage(), account_cost=0, charge=0, outcome="failed")
    await call(journal, "nameless", upstream_request_id=None)
    await call(journal, "elsewhere", account=2)
    fill(bill, theirs("same"), theirs("theirs"), theirs("other", output=21), theirs("x", day="2025-06-14"))
    found = (await drill_down(engine, bill, 1, DAY)).unmatched
    assert found is not None
    assert found.matched == 1
    assert [call.exchange_id for call in found.only_ours] == ["ours", "nameless"]
    assert [(name, sums.tokens) for name, _, sums in found.only_theirs] == [("req_theirs", 35)]
    assert [(call.exchange_id, sums.output) for call, sums in found.different] == [("other", 21)]
    assert (found.only_ours_count, found.only_theirs_count, found.different_count) == (2, 1, 1)


async def test_the_drill_down_of_a_bill_without_request_ids_compares_models(
    journal: GroupJournal, engine: AsyncEngine, bill: ScratchBill
) -> None:
    await call(journal, "a")
    fill(
        bill, "2025-06-15,m,9", "2025-06-15,n,4", whole_file=1, header="day,model,input_tokens"
    )  # fmt: skip
    found = await drill_down(engine, bill, 1, DAY)
    assert found.unmatched is None
    assert [(m, ours.tokens, their.tokens) for m, ours, their in found.by_model] == [
        ("m", 35, 9),
        ("n", 0, 4),
    ]


async def test_very_many_differences_are_counted_and_the_first_are_named(
    journal: GroupJournal, engine: AsyncEngine, bill: ScratchBill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.control.ledger.reconcile.MAX_LISTED", 3)
    await asyncio.gather(*(call(journal, f"o{n}") for n in range(7)))
    fill(bill, *(theirs(f"t{n}") for n in range(5)))
    found = (await drill_down(engine, bill, 1, DAY)).unmatched
    assert found is not None
    assert (len(found.only_ours), found.only_ours_count) == (3, 7)
    assert (len(found.only_theirs), found.only_theirs_count) == (3, 5)


async def test_calls_are_read_in_pages(
    journal: GroupJournal, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.storage.metered_calls._PAGE", 2)
    await asyncio.gather(*(call(journal, f"o{n}") for n in range(7)))
    day = NOW_MS // DAY_MS
    async with engine.connect() as connection:
        names = [found.exchange_id async for found in metered_calls(connection, [1], (day, day))]
        assert [account.name for account in await known_accounts(connection)] == ["account 1", "account 2"]
    assert sorted(names) == [f"o{n}" for n in range(7)]


def account(number: int, key: str, cost_multiplier: int = 10_000) -> Account:
    return Account(
        id=AccountId(number), name=f"account {number}", provider=Provider.ANTHROPIC, secret=Secret(key),
        credential_kind=CredentialKind.API_KEY, base_url="http://sim", cost_multiplier=cost_multiplier,
    )  # fmt: skip


async def test_the_simulators_bill_is_priced_with_our_prices(
    journal: GroupJournal, engine: AsyncEngine, bill: ScratchBill
) -> None:
    """Two accounts hold one key: our records say whose call it was."""
    await call(journal, "a")
    await call(journal, "b", account=2)
    line = (
        '{"request_id":"req_%s","key":"%s","asked_model":"m","started_ms":%d,"usage":{"input":10,"output":20,'
        '"cache_read":5},"status":"complete"}'
    )
    lines = [
        line % (name, key, NOW_MS) for name, key in (("a", "shared"), ("b", "shared"), ("c", "stranger"))
    ]
    body = b'{"lines":[' + ",".join(lines).encode() + b'],"totals":{}}'
    book = PriceBook(
        catalogue=Catalogue(version="c", entries=()),
        default=flat_price(input_usd_per_mtok=1, output_usd_per_mtok=1),
    )
    accounts = [account(1, "shared"), account(2, "shared", cost_multiplier=5000)]
    found = await simulator_rows(engine, parse_simulator_bill(body), accounts, book)
    bill.fill(found.rows)
    assert found.unknown == 1
    compared = await compare(engine, bill, None)
    assert [(d.account, d.theirs.tokens, d.theirs.cost_nano) for d in compared.days] == [
        (1, 35, 35_000),
        (2, 35, 17_500),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"lines":[{}]}',
        b'{"lines":[{"request_id":"a","key":"k","asked_model":"m","started_ms":1,"usage":{"input":-1}}]}',
        b'{"lines":[{"request_id":"a","key":"k","asked_model":"m","started_ms":1,"usage":{"input":NaN}}]}',
        b'{"lines":[{"request_id":"a","key":"k","asked_model":"m","started_ms":1,"usage":{"input":1e99}}]}',
        b'{"lines":[{"request_id":"a","key":"k","ask',
        b"\xff\xfe",
    ],
)
def test_what_is_no_simulators_bill_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(BillFileInvalid) as caught:
        parse_simulator_bill(body)
    assert "\n" not in str(caught.value)
