"""The queue's promises when the database is slow, away, or back again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from headgate.storage.journal import OpenIntent, RowRefused, StorageUnavailable
from headgate.storage.journal_group import GroupJournal, Op
from headgate.storage.journal_rows import OpKind
from tests.storage.books import intent, settlement


class ScriptedWriter:
    """A database that is up, away, or slow on demand."""

    def __init__(self) -> None:
        self.written: list[list[tuple[str, str]]] = []
        self.is_away = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.attempts = 0

    async def write(self, ops: Sequence[Op]) -> Mapping[Op, RowRefused]:
        self.attempts += 1
        await self.gate.wait()
        if self.is_away:
            raise StorageUnavailable("away")
        self.written.append([(op.kind.name.lower(), _name(op)) for op in ops])
        return {}

    async def open_intents(self) -> Sequence[OpenIntent]:
        return []

    async def close(self) -> None:
        self.gate.set()


def _name(op: Op) -> str:
    if op.kind is OpKind.SETTLEMENT:
        return str(op.body.intent.exchange_id)
    return str(getattr(op.body, "exchange_id", "account"))


@asynccontextmanager
async def opened(
    *, commit_timeout_s: float = 5, max_queue: int = 100
) -> AsyncIterator[tuple[GroupJournal, ScriptedWriter]]:
    writer = ScriptedWriter()
    journal = GroupJournal(writer, commit_timeout_s=commit_timeout_s, max_queue=max_queue)
    try:
        yield journal, writer
    finally:
        writer.is_away = False
        writer.gate.set()
        await journal.close()


async def test_what_waits_during_a_commit_becomes_one_group() -> None:
    async with opened() as (journal, writer):
        writer.gate.clear()
        first = asyncio.gather(journal.open_intent(intent("a")))
        await _until(lambda: writer.attempts == 1)
        rest = asyncio.gather(*(journal.open_intent(intent(f"b{n}")) for n in range(30)))
        await asyncio.sleep(0)
        assert journal.lag_s() > 0
        writer.gate.set()
        await asyncio.gather(first, rest)
        assert [len(group) for group in writer.written] == [1, 30]
        assert journal.lag_s() == 0


async def test_an_intent_is_refused_within_the_deadline_and_never_written_later() -> None:
    async with opened(commit_timeout_s=0.2) as (journal, writer):
        writer.is_away = True
        started = asyncio.get_running_loop().time()
        with pytest.raises(StorageUnavailable):
            await journal.open_intent(intent("a"))
        assert asyncio.get_running_loop().time() - started <= 0.25
        writer.is_away = False
        await journal.settle(settlement(intent("b")))
        assert ("intent", "a") not in sum(writer.written, [])


async def test_an_intent_that_may_have_been_committed_after_its_refusal_is_withdrawn() -> None:
    async with opened(commit_timeout_s=0.1) as (journal, writer):
        writer.gate.clear()  # the commit hangs, and succeeds after the caller gave up
        with pytest.raises(StorageUnavailable):
            await journal.open_intent(intent("a"))
        writer.gate.set()
        await _until(lambda: len(writer.written) == 2)
        assert writer.written == [[("intent", "a")], [("withdrawal", "a")]]


async def test_an_intent_whose_caller_went_away_before_the_commit_is_not_written() -> None:
    async with opened() as (journal, writer):
        caller = asyncio.ensure_future(journal.open_intent(intent("a")))
        await asyncio.sleep(0)
        caller.cancel()
        await journal.settle(settlement(intent("b")))
        assert writer.written == [[("settlement", "b")]]


async def test_settlements_survive_an_outage_and_are_written_when_it_ends() -> None:
    async with opened(commit_timeout_s=0.1) as (journal, writer):
        writer.is_away = True
        results = await asyncio.gather(
            *(journal.settle(settlement(intent(f"s{n}"))) for n in range(3)), return_exceptions=True
        )
        assert all(isinstance(result, StorageUnavailable) for result in results)  # told late, not dropped
        writer.is_away = False
        await _until(lambda: bool(writer.written))
        assert writer.written == [[("settlement", "s0"), ("settlement", "s1"), ("settlement", "s2")]]


async def test_a_settlement_whose_caller_is_cancelled_is_written_all_the_same() -> None:
    async with opened() as (journal, writer):
        caller = asyncio.ensure_future(journal.settle(settlement(intent("a"))))
        await asyncio.sleep(0)
        caller.cancel()
        await _until(lambda: bool(writer.written))
        assert writer.written == [[("settlement", "a")]]


async def test_a_full_queue_refuses_intents_and_makes_settlements_wait() -> None:
    async with opened(max_queue=2) as (journal, writer):
        writer.gate.clear()
        queued = [asyncio.ensure_future(journal.settle(settlement(intent("a"))))]
        await _until(lambda: writer.attempts == 1)
        queued += [asyncio.ensure_future(journal.settle(settlement(intent(name)))) for name in "bc"]
        await asyncio.sleep(0)
        with pytest.raises(StorageUnavailable, match="full"):
            await journal.open_intent(intent("x"))
        late = asyncio.ensure_future(journal.settle(settlement(intent("d"))))
        await asyncio.sleep(0)
        writer.gate.set()
        await asyncio.gather(*queued, late)
        assert [name for group in writer.written for _, name in group] == ["a", "b", "c", "d"]


async def test_account_marks_are_kept_but_do_not_hold_their_caller() -> None:
    async with opened(commit_timeout_s=0.1) as (journal, writer):
        writer.is_away = True
        with pytest.raises(StorageUnavailable):
            await journal.mark_account(intent().account_id, error="401")
        writer.is_away = False
        await _until(lambda: bool(writer.written))
        assert writer.written == [[("mark", "account")]]


async def test_closing_gives_up_on_a_database_that_stays_away() -> None:
    writer = ScriptedWriter()
    journal = GroupJournal(writer, commit_timeout_s=0.1)
    writer.is_away = True
    waiting = asyncio.ensure_future(journal.settle(settlement(intent("a"))))
    await asyncio.sleep(0)
    await journal.close()
    with pytest.raises(StorageUnavailable):
        await waiting
    with pytest.raises(StorageUnavailable):
        await journal.settle(settlement(intent("b")))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)
