"""What recovery knows of a call whose process died in the middle of a long answer, on both databases."""

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.core.usage import NO_USAGE, TokenUsage
from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal import Intent, Progress
from headgate.storage.journal_opening import open_journal_at
from tests.storage.books import NOW_MS, account_row, counts, intent, key_row, settlement, store, user_row

Sessions = async_sessionmaker[AsyncSession]
USAGE = TokenUsage(
    input=1, output=9, cache_read=3, cache_write_5m=4, cache_write_1h=5, reasoning=6, images=7, audio_input=8,
    audio_output=10, web_search_calls=11,
)  # fmt: skip


def progress(of: Intent, usage: TokenUsage = USAGE) -> Progress:
    return Progress(exchange_id=of.exchange_id, attempt=of.attempt, usage=usage, upstream_request_id="req_7")


async def test_the_last_noted_progress_is_found_by_the_next_process(
    target: DatabaseTarget, clock: FakeClock
) -> None:
    dead = await open_journal_at(target, clock, "process-1")
    long = intent("long", subscription_id=7, counts_key=True, quota_basis="list_cost")
    short = intent("short", started_at_ms=NOW_MS + 1)
    await dead.open_intent(long)
    await dead.open_intent(short)
    dead.note_progress(progress(long, TokenUsage(input=1)))
    dead.note_progress(progress(long))
    await dead.close()
    heir = await open_journal_at(target, clock, "process-2")
    found = await heir.open_intents()
    await heir.close()
    assert [(one.intent, one.usage, one.upstream_request_id) for one in found] == [
        (long, USAGE, "req_7"),
        (short, NO_USAGE, None),
    ]


async def test_progress_of_a_settled_call_changes_nothing(
    target: DatabaseTarget, sessions: Sessions, engine: AsyncEngine, clock: FakeClock
) -> None:
    await store(sessions, user_row(1))
    await store(sessions, key_row(1), account_row(1))
    journal = await open_journal_at(target, clock, "process-1")
    opened = intent("x1")
    await journal.open_intent(opened)
    await journal.settle(settlement(opened))
    journal.note_progress(progress(opened))
    await journal.close()
    assert await counts(engine) == (0, 1, 2)
