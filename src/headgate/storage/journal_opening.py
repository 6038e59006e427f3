"""Opens the journal of this process on whichever database the settings name."""

from headgate.kit.clock import Clock
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoints
from headgate.settings import Settings
from headgate.storage.engine import DatabaseTarget, database_target, sqlite_pragmas
from headgate.storage.journal import Journal
from headgate.storage.journal_group import GroupJournal, GroupWriter
from headgate.storage.journal_postgres import PostgresWriter
from headgate.storage.journal_sqlite import SqliteBooks, SqliteWriter
from headgate.storage.ledger_chain import NO_KEY


async def open_journal(
    settings: Settings,
    clock: Clock,
    process_id: str,
    ledger_key: bytes,
    fail_points: FailPoints = NO_FAIL_POINTS,
) -> Journal:
    """The journal of a running gateway. `process_id` (at most 32 characters) is new for every start of a
    process; `ledger_key` chains the ledger's entries (`Vault.ledger_key`)."""
    return await open_journal_at(
        database_target(settings),
        clock,
        process_id,
        timezone=settings.timezone,
        ledger_key=ledger_key,
        fail_points=fail_points,
    )


async def open_journal_at(
    target: DatabaseTarget,
    clock: Clock,
    process_id: str,
    *,
    timezone: str = "UTC",
    ledger_key: bytes = NO_KEY,
    fail_points: FailPoints = NO_FAIL_POINTS,
) -> GroupJournal:
    """Like `open_journal`, for a known target. `timezone` says when a day begins for 1d and 7d key
    windows."""
    writer: GroupWriter
    if target.path is not None:
        books = SqliteBooks(
            target.path,
            pragmas=sqlite_pragmas(target),
            busy_timeout_s=target.commit_timeout_s / 2,
            process=process_id,
            clock=clock,
            timezone=timezone,
            ledger_key=ledger_key,
            fail_points=fail_points,
        )
        writer = SqliteWriter(books)
    else:
        writer = PostgresWriter(
            target,
            process=process_id,
            clock=clock,
            timezone=timezone,
            ledger_key=ledger_key,
            fail_points=fail_points,
        )
    return GroupJournal(writer, commit_timeout_s=target.commit_timeout_s, fail_points=fail_points)
