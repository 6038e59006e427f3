"""What the books say after the journal wrote them, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.core.usage import TokenUsage
from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal import Intent, RowRefused
from headgate.storage.journal_group import GroupJournal
from headgate.storage.journal_opening import open_journal_at
from tests.storage.books import account_row, counts, intent, key_row, settlement, store, user_row, value

Sessions = async_sessionmaker[AsyncSession]
HOUR_S = 3600


@pytest.fixture
async def journal(
    target: DatabaseTarget, sessions: Sessions, clock: FakeClock
) -> AsyncIterator[GroupJournal]:
    await store(sessions, *(user_row(n) for n in range(1, 6)))
    await store(sessions, *(key_row(n, user_id=n) for n in range(1, 6)), account_row(1), account_row(2))
    opened = await open_journal_at(target, clock, "process-1")
    yield opened
    await opened.close()


async def test_an_intent_is_in_the_database_when_the_call_returns(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    await journal.open_intent(intent("x1"))
    assert await counts(engine) == (1, 0, 0)


async def test_a_settlement_replaces_the_intent_and_moves_the_money(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    opened = intent("x1")
    await journal.open_intent(opened)
    await journal.settle(settlement(opened, charge=800, account_cost=500))
    assert await counts(engine) == (0, 1, 2)
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == -800
    movement = (
        "SELECT debit_book || ' ' || credit_book || ' ' || amount_nano FROM ledger_entries WHERE kind = "
    )
    assert await value(engine, f"{movement}'charge'") == "user:1 revenue 800"
    assert await value(engine, f"{movement}'cost'") == "cost account:1 500"


async def test_every_field_of_a_settlement_arrives(journal: GroupJournal, engine: AsyncEngine) -> None:
    usage = TokenUsage(
        input=1, output=2, cache_read=3, cache_write_5m=4, cache_write_1h=5, reasoning=6, images=7,
        image_size="2K", audio_input=8, audio_output=9, web_search_calls=10,
    )  # fmt: skip
    given = settlement(
        intent("x1", attempt=2, is_stream=False, subscription_id=3), usage=usage, fault="overloaded",
        served_model="m-2", service_tier="flex", reasoning_effort="high", first_byte_ms=None,
        review="implausible", quarantined=b'{"output":1e12}', cache_saved_nano=11, cache_lost_nano=12,
        moved_because="cooling_down",
    )  # fmt: skip
    given = replace(given, cost=replace(given.cost, other=50))
    await journal.settle(given)
    columns = (
        "attempt", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens",
        "cache_write_1h_tokens", "reasoning_tokens", "image_count", "fault", "served_model", "service_tier",
        "reasoning_effort", "first_byte_ms", "outcome", "usage_source", "price_version", "client_ip",
        "image_size", "audio_input_tokens", "audio_output_tokens", "web_search_calls", "subscription_id",
        "review", "quarantined", "other_cost_nano", "cache_saved_nano", "cache_lost_nano", "moved_because",
    )  # fmt: skip
    found = [await value(engine, f"SELECT {column} FROM usage_records") for column in columns]
    assert found == [
        2, 1, 2, 3, 4, 5, 6, 7, "overloaded", "m-2", "flex", "high", None, "completed", "reported", "v1",
        "203.0.113.7", "2K", 8, 9, 10, 3, "implausible", '{"output":1e12}', 50, 11, 12, "cooling_down",
    ]  # fmt: skip
    assert not await value(engine, "SELECT is_stream FROM usage_records")


async def test_a_second_settlement_changes_nothing(journal: GroupJournal, engine: AsyncEngine) -> None:
    given = settlement(intent("x1"))
    await journal.settle(given)
    await journal.settle(given)
    assert await counts(engine) == (0, 1, 2)
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == -800


async def test_twins_within_one_group_are_booked_once_and_their_neighbours_too(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    twin = settlement(intent("x1"))
    others = [settlement(intent(f"y{n}")) for n in range(20)]
    await asyncio.gather(*(journal.settle(given) for given in (twin, *others, twin, twin)))
    assert await counts(engine) == (0, 21, 42)
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == -800 * 21


async def test_a_thousand_concurrent_settlements_sum_up(journal: GroupJournal, engine: AsyncEngine) -> None:
    async def exchange(number: int) -> None:
        opened = intent(user_id=number % 5 + 1, key_id=number % 5 + 1, account_id=number % 2 + 1)
        await journal.open_intent(opened)
        await journal.settle(settlement(opened, charge=number, account_cost=2 * number))

    await asyncio.gather(*(exchange(number) for number in range(1000)))
    total = sum(range(1000))
    assert await counts(engine) == (0, 1000, 2 * 999)  # number 0 costs nothing and has no entries
    assert await value(engine, "SELECT SUM(balance_nano) FROM users") == -total
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 3") == -sum(range(2, 1000, 5))
    assert await value(engine, "SELECT SUM(amount_nano) FROM ledger_entries") == 3 * total


async def test_a_free_exchange_writes_a_record_and_no_entry(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    await journal.settle(settlement(intent("x1"), charge=0, account_cost=0))
    assert await counts(engine) == (0, 1, 0)


async def test_a_row_that_the_database_refuses_fails_alone(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    bad = settlement(intent("bad"), usage=TokenUsage(input=-1))
    too_large = settlement(intent("large"), usage=TokenUsage(input=2**70))
    good = [settlement(intent(f"y{n}")) for n in range(10)]
    results = await asyncio.gather(
        *(journal.settle(given) for given in (*good[:5], bad, too_large, *good[5:])), return_exceptions=True
    )
    assert [type(result) for result in results if result is not None] == [RowRefused, RowRefused]
    assert await counts(engine) == (0, 10, 20)
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == -8000


async def test_texts_that_clients_choose_cannot_break_a_group(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    odd = intent("x1", client_model="m\0\ud800" + "x" * 500, upstream_model="\n")
    await journal.open_intent(odd)
    await journal.settle(settlement(odd, user_agent="\0" * 600, served_model="\ud800"))
    model = await value(engine, "SELECT client_model FROM usage_records")
    assert len(model) == 200
    assert model.startswith("m\ufffd\ufffdx")


async def test_a_key_without_limits_counts_nothing(journal: GroupJournal, engine: AsyncEngine) -> None:
    await journal.settle(settlement(_limited("x1")))
    assert (
        await value(engine, "SELECT quota_used_nano + used_5h_nano + used_1d_nano FROM api_keys WHERE id = 1")
        == 0
    )
    assert await value(engine, "SELECT window_5h_start FROM api_keys WHERE id = 1") is None


async def _limit(sessions: Sessions, **limits: int) -> None:
    async with sessions.begin() as session:
        row = await session.get(type(key_row()), 1)
        for name, limit in limits.items():
            setattr(row, name, limit)


def _limited(name: str) -> Intent:
    """A call with a key that has limits, as far as admission knew."""
    return intent(name, counts_key=True)


async def test_crossing_the_quota_exhausts_the_key_and_tells_the_directory(
    journal: GroupJournal, engine: AsyncEngine, sessions: Sessions
) -> None:
    await _limit(sessions, quota_nano=1000)
    await journal.settle(settlement(_limited("x1"), charge=999))
    assert await value(engine, "SELECT status FROM api_keys WHERE id = 1") == "active"
    assert await value(engine, "SELECT version FROM directory_version") == 0
    await journal.settle(settlement(_limited("x2"), charge=1))
    await journal.settle(settlement(_limited("x3"), charge=5))
    assert await value(engine, "SELECT status FROM api_keys WHERE id = 1") == "quota_exhausted"
    assert await value(engine, "SELECT quota_used_nano FROM api_keys WHERE id = 1") == 1005
    assert await value(engine, "SELECT version FROM directory_version") == 1


async def test_windows_start_at_first_use_and_add_up(
    journal: GroupJournal, engine: AsyncEngine, sessions: Sessions, clock: FakeClock
) -> None:
    await _limit(sessions, limit_5h_nano=10_000)
    await journal.settle(settlement(_limited("x1"), charge=10))
    first = clock.now_ms()
    clock.advance(5 * HOUR_S - 1)
    await journal.settle(settlement(_limited("x2"), charge=20))
    day = first - first % (24 * HOUR_S * 1000)
    assert await _windows(engine) == ((30, first), (30, day), (30, day))


async def test_windows_roll_over_each_in_its_own_time(
    journal: GroupJournal, engine: AsyncEngine, sessions: Sessions, clock: FakeClock
) -> None:
    await _limit(sessions, limit_7d_nano=10_000)
    first_day = clock.now_ms() - clock.now_ms() % (24 * HOUR_S * 1000)
    await journal.settle(settlement(_limited("x1"), charge=10))
    clock.advance(5 * HOUR_S)  # the 5h window is over, the day is not
    await journal.settle(settlement(_limited("x2"), charge=20))
    assert await _windows(engine) == ((20, clock.now_ms()), (30, first_day), (30, first_day))
    clock.advance(24 * HOUR_S)
    await journal.settle(settlement(_limited("x3"), charge=40))
    second_day = first_day + 24 * HOUR_S * 1000
    assert await _windows(engine) == ((40, clock.now_ms()), (40, second_day), (70, first_day))
    clock.advance(6 * 24 * HOUR_S)
    await journal.settle(settlement(_limited("x4"), charge=80))
    eighth_day = first_day + 7 * 24 * HOUR_S * 1000
    assert await _windows(engine) == ((80, clock.now_ms()), (80, eighth_day), (80, eighth_day))


async def _windows(engine: AsyncEngine) -> tuple[Any, ...]:
    return tuple(
        [
            (
                await value(engine, f"SELECT used_{name}_nano FROM api_keys WHERE id = 1"),
                await value(engine, f"SELECT window_{name}_start FROM api_keys WHERE id = 1"),
            )
            for name in ("5h", "1d", "7d")
        ]
    )


async def test_the_last_use_of_key_and_account_is_kept_to_half_a_minute(
    journal: GroupJournal, engine: AsyncEngine, clock: FakeClock
) -> None:
    first = clock.now_ms()
    await journal.settle(settlement(intent("x1")))
    clock.advance(20)
    await journal.settle(settlement(intent("x2")))
    assert await value(engine, "SELECT last_used_at FROM api_keys WHERE id = 1") == first
    clock.advance(20)
    await journal.settle(settlement(intent("x3")))
    assert await value(engine, "SELECT last_used_at FROM api_keys WHERE id = 1") == clock.now_ms()
    assert await value(engine, "SELECT last_used_at FROM accounts WHERE id = 1") == clock.now_ms()


async def test_traces_are_written_with_settlements_and_for_refused_exchanges(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    await journal.write_trace(intent("refused").exchange_id, intent().user_id, b'{"why":"no balance"}', 5)
    await journal.settle(settlement(intent("x1"), trace=b'{"a":1}'))
    query = "SELECT trace FROM exchange_traces WHERE exchange_id = "
    assert await value(engine, f"{query}'refused'") == '{"why":"no balance"}'
    assert await value(engine, f"{query}'x1'") == '{"a":1}'


async def test_a_cooldown_is_extended_and_never_shortened(journal: GroupJournal, engine: AsyncEngine) -> None:
    account = intent().account_id
    await journal.mark_account(account, rate_limited_until_ms=9000, overloaded_until_ms=500)
    await journal.mark_account(account, rate_limited_until_ms=8000)
    assert await value(engine, "SELECT rate_limit_reset_at FROM accounts WHERE id = 1") == 9000
    assert await value(engine, "SELECT overload_until FROM accounts WHERE id = 1") == 500
    assert await value(engine, "SELECT version FROM directory_version") == 1


async def test_a_limit_and_an_overload_can_end_early_and_an_exclusion_keeps_its_reason(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    account = intent().account_id
    await journal.mark_account(account, overloaded_until_ms=500, rate_limited_until_ms=700)
    await journal.mark_account(account, is_recovered=True)
    assert await value(engine, "SELECT overload_until FROM accounts WHERE id = 1") is None
    assert await value(engine, "SELECT rate_limit_reset_at FROM accounts WHERE id = 1") == 700
    await journal.mark_account(account, is_limit_over=True)
    assert await value(engine, "SELECT rate_limit_reset_at FROM accounts WHERE id = 1") is None
    for until in (900, 800):
        await journal.mark_account(account, excluded_until_ms=until, reason=f'{{"until": {until}}}')
    said = "SELECT temp_unschedulable_until || temp_unschedulable_reason FROM accounts WHERE id = 1"
    assert await value(engine, said) == '900{"until": 900}'


async def test_an_error_mark_sets_the_status_and_bumps_the_directory_once(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    for _ in range(2):
        await journal.mark_account(intent().account_id, error="401 from upstream")
    assert await value(engine, "SELECT status || ': ' || error_message FROM accounts WHERE id = 1") == (
        "error: 401 from upstream"
    )
    assert await value(engine, "SELECT version FROM directory_version") == 1


async def test_the_next_process_finds_what_a_dead_one_left_open_and_completes_it(
    journal: GroupJournal, engine: AsyncEngine, target: DatabaseTarget, clock: FakeClock
) -> None:
    left, settled = intent("left", started_at_ms=1), intent("settled", started_at_ms=2)
    await journal.open_intent(settled)
    await journal.open_intent(left)
    await journal.settle(settlement(settled))
    await journal.close()

    successor = await open_journal_at(target, clock, "process-2")
    await successor.open_intent(intent("mine"))
    found = await successor.open_intents()
    assert [(open_.intent, open_.process) for open_ in found] == [(left, "process-1")]
    await successor.settle(settlement(found[0].intent, outcome="interrupted", charge=0, account_cost=0))
    assert await successor.open_intents() == []
    assert (
        await value(engine, "SELECT outcome FROM usage_records WHERE exchange_id = 'left'") == "interrupted"
    )
    await successor.close()


async def test_attempts_of_one_exchange_are_separate_records(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    first, second = intent("x1", attempt=0), intent("x1", attempt=1)
    await asyncio.gather(journal.open_intent(first), journal.open_intent(second))
    await journal.settle(settlement(first, charge=0))
    assert await value(engine, "SELECT attempt FROM usage_intents") == 1
    await journal.settle(replace(settlement(second), outcome="completed"))
    assert await counts(engine) == (0, 2, 3)


async def test_closing_commits_what_is_queued(journal: GroupJournal, engine: AsyncEngine) -> None:
    waiting = asyncio.gather(*(journal.settle(settlement(intent())) for _ in range(50)))
    await asyncio.sleep(0)
    await journal.close()
    await waiting
    assert await counts(engine) == (0, 50, 100)
    assert journal.lag_s() == 0
