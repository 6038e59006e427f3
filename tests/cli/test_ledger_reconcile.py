"""`headgate ledger reconcile` as an operator types it."""

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal_opening import open_journal_at
from tests.cli.conftest import KEY, Done, Run
from tests.storage.books import account_row, counts, intent, key_row, settlement, store, user_row

Sessions = async_sessionmaker[AsyncSession]
HEADER = "account,day,model,request_id,input_tokens,output_tokens,cache_read_tokens,cost_usd\n"
AGREES = "main,2025-06-15,claude-sonnet-4-5,req_1,10,20,5,0.0000005\n"


@pytest.fixture
async def books(
    engine: AsyncEngine, keyed_sessions: Sessions, target: DatabaseTarget, clock: FakeClock
) -> AsyncEngine:
    """One call of 35 tokens and 500 nano-USD at the account `main`."""
    await store(keyed_sessions, user_row(1), key_row(1), account_row(1, name="main"))
    journal = await open_journal_at(target, clock, "p", ledger_key=KEY)
    await journal.settle(settlement(intent("x1")))
    await journal.close()
    return engine


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    path = tmp_path / "bill.csv"
    path.write_text(HEADER + AGREES)
    return path


def one_line(done: Done) -> str:
    assert (done.code, done.out) == (1, "")
    assert done.problems.count("\n") == 1
    return done.problems


@pytest.mark.usefixtures("books")
async def test_what_agrees_is_shown_per_account_and_day(headgate: Run, bill: Path) -> None:
    done = await headgate("ledger", "reconcile", "--provider-csv", str(bill), "--max-drift", "0")
    assert (done.code, done.problems) == (0, "")
    heads = [cell.strip() for cell in done.out.splitlines()[0].split("  ") if cell.strip()]
    assert heads[2:] == [
        "calls", "their calls", "tokens", "their tokens", "token drift", "USD", "their USD", "USD drift",
    ]  # fmt: skip
    row = next(line for line in done.out.splitlines() if "main (1)" in line).split()
    assert row[2:] == [
        "2025-06-15",
        "1",
        "1",
        "35",
        "35",
        "+0.000",
        "%",
        "0.000000",
        "0.000000",
        "+0.000",
        "%",
    ]


@pytest.mark.usefixtures("books")
async def test_drift_beyond_the_limit_ends_with_1(headgate: Run, bill: Path) -> None:
    bill.write_text(HEADER + AGREES.replace(",10,", ",15,"))
    done = await headgate("ledger", "reconcile", "--provider-csv", str(bill), "--max-drift", "1")
    assert done.code == 1
    assert "the largest difference is 12.500 %, more than 1 %" in done.out
    assert (await headgate("ledger", "reconcile", "--provider-csv", str(bill))).code == 0
    assert (await headgate("ledger", "reconcile", "--provider-csv", str(bill), "--max-drift", "13")).code == 0


@pytest.mark.usefixtures("books")
async def test_the_drill_down_lists_what_only_one_side_has(headgate: Run, bill: Path) -> None:
    bill.write_text(HEADER + AGREES.replace("req_1", "req_2"))
    where = ("--account", "main", "--day", "2025-06-15")
    done = await headgate("ledger", "reconcile", "--provider-csv", str(bill), *where)
    assert done.code == 0
    assert "only ours: 1\n  x1/1 req_1 claude-sonnet-4-5 completed: 35 tokens" in done.out
    assert "only theirs: 1\n  req_2 claude-sonnet-4-5: 35 tokens" in done.out


async def test_a_file_of_the_provider_belongs_to_the_named_account(
    headgate: Run, bill: Path, books: AsyncEngine
) -> None:
    bill.write_text("usage_date_utc,api_key,usage_input_tokens_no_cache\n2025-06-15,prod,10\n")
    refused = await headgate("ledger", "reconcile", "--provider-csv", str(bill))
    assert "entry 1 names the account 'prod', which is none of ours" in one_line(refused)
    done = await headgate("ledger", "reconcile", "--provider-csv", str(bill), "--account", "1")
    assert "main (1)" in done.out
    assert await counts(books) == (0, 1, 2)


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty; nothing was changed"),
        (HEADER.encode() + AGREES.encode()[:30], "line 2 has 3 columns, the header 8: the file is cut"),
        (HEADER.encode() + b"main,2025-06-15,m,,NaN,1,1,1\n", "line 2, column input_tokens: 'NaN' is no"),
        (HEADER.encode() + b"main,2025-06-15,m,,-5,1,1,1\n", "'-5' is no whole number"),
        (HEADER.encode() + b"main,2025-06-15,m,,1,1,1,free\n", "column cost_usd: 'free' is no amount of USD"),
        (HEADER.encode() + b"main,31.01.2026,m,,1,1,1,1\n", "column day: '31.01.2026' is no day"),
        (b"\xff\xfe\x00\x01", "is not text in UTF-8"),
        (b"PK\x03\x04" + b"\x00" * 100, "no column says the day"),
    ],
)  # fmt: skip
async def test_a_bad_file_is_refused_in_one_line(
    headgate: Run, bill: Path, content: bytes, problem: str
) -> None:
    bill.write_bytes(content)
    assert problem in one_line(await headgate("ledger", "reconcile", "--provider-csv", str(bill)))


@pytest.mark.usefixtures("books")
async def test_a_file_of_200_mb_is_not_read(headgate: Run, bill: Path) -> None:
    with bill.open("r+b") as file:
        file.truncate(200 * 1024 * 1024)
    done = await headgate("ledger", "reconcile", "--provider-csv", str(bill))
    assert "is 200 MB, at most 100 MB are read; export a shorter period" in one_line(done)


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "name the other side: --provider-csv FILE or --simulator URL"),
        (("--provider-csv", "BILL", "--simulator", "http://x"), "name the other side"),
        (("--provider-csv", "nowhere.csv"), "--provider-csv nowhere.csv: No such file or directory"),
        (("--provider-csv", "BILL", "--day", "2025-06-15"), "--day needs --account ID"),
        (("--provider-csv", "BILL", "--account", "1", "--day", "soon"), "--day 'soon' is no day"),
        (("--provider-csv", "BILL", "--account", "other"), "--account 'other' is none of ours"),
        (("--provider-csv", "BILL", "--max-drift", "nan"), "--max-drift 'nan' is no percentage"),
        (("--simulator", "file:///etc/passwd"), "--simulator 'file:///etc/passwd/__bill' is no URL"),
        (("--simulator", "http://127.0.0.1:1"), "is it running?"),
        (("--simulator", "http://[::1"), "--simulator http://[::1"),
    ],
)
async def test_what_was_typed_wrong_is_named_in_one_line(
    headgate: Run, bill: Path, words: tuple[str, ...], problem: str
) -> None:
    given = [str(bill) if word == "BILL" else word for word in words]
    assert problem in one_line(await headgate("ledger", "reconcile", *given))
