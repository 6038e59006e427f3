"""After a crash: what dead processes left open is recorded, charged by what is known, and done once."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.ids import ExchangeId
from headgate.core.usage import TokenUsage
from headgate.kit.clock import FakeClock
from headgate.relay.account_quotas import hold_id
from headgate.relay.directory import Directory
from headgate.relay.recovery import complete_open_intents
from headgate.state.protocols import Claim, SharedState, UnknownBounds
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal import Journal, Progress
from headgate.storage.journal_opening import open_journal_at
from tests.relay.conftest import DOLLAR
from tests.storage.books import counts, intent, value

MODEL = "a-house-model"
"""Priced by default: 10 USD in, 50 USD out per million tokens."""


@pytest.fixture
async def dead(sqlite_target: DatabaseTarget, clock: FakeClock) -> AsyncIterator[Journal]:
    """The journal of a process that will not come back."""
    made = await open_journal_at(sqlite_target, clock, "dead-process")
    yield made
    await made.close()


@pytest.fixture
async def abandoned(dead: Journal) -> None:
    """A call that the dead process had begun; nothing is known of its answer."""
    await dead.open_intent(intent("x1", client_model=MODEL, upstream_model=MODEL))
    await dead.close()


async def recover(journal: Journal, directory: Directory, state: SharedState, clock: FakeClock) -> int:
    return await complete_open_intents(journal, directory, state, clock)


@pytest.mark.usefixtures("abandoned")
async def test_an_abandoned_call_becomes_one_interrupted_record(
    journal: Journal, directory: Directory, state: SharedState, clock: FakeClock, engine: AsyncEngine
) -> None:
    assert await recover(journal, directory, state, clock) == 1
    assert (await counts(engine))[:2] == (0, 1)
    assert await value(engine, "SELECT outcome FROM usage_records") == "interrupted"
    assert await value(engine, "SELECT fault FROM usage_records") == "gateway_died"


@pytest.mark.usefixtures("abandoned")
async def test_of_a_call_about_which_nothing_is_known_the_user_pays_nothing(
    journal: Journal, directory: Directory, state: SharedState, clock: FakeClock, engine: AsyncEngine
) -> None:
    await recover(journal, directory, state, clock)
    assert await value(engine, "SELECT balance_nano FROM users") == DOLLAR
    assert await value(engine, "SELECT usage_source FROM usage_records") == "none"


async def test_what_the_provider_had_told_is_charged_and_called_partial(
    journal: Journal, dead: Journal, directory: Directory, state: SharedState, clock: FakeClock,
    engine: AsyncEngine,
) -> None:  # fmt: skip
    left = intent("x1", client_model=MODEL, upstream_model=MODEL)
    await dead.open_intent(left)
    dead.note_progress(
        Progress(
            exchange_id=left.exchange_id, attempt=left.attempt, usage=TokenUsage(input=1000, output=10),
            upstream_request_id="req_known",
        )
    )  # fmt: skip
    await dead.close()
    await recover(journal, directory, state, clock)
    assert await value(engine, "SELECT charge_nano FROM usage_records") == 1000 * 10_000 + 10 * 50_000
    assert await value(engine, "SELECT usage_source FROM usage_records") == "partial"
    assert await value(engine, "SELECT upstream_request_id FROM usage_records") == "req_known"


@pytest.mark.usefixtures("abandoned")
async def test_recovery_is_done_once(
    journal: Journal, directory: Directory, state: SharedState, clock: FakeClock, engine: AsyncEngine
) -> None:
    await recover(journal, directory, state, clock)
    assert await recover(journal, directory, state, clock) == 0
    assert (await counts(engine))[1] == 1


@pytest.mark.usefixtures("abandoned")
async def test_a_process_that_lives_keeps_its_open_calls(
    journal: Journal, directory: Directory, state: SharedState, clock: FakeClock, engine: AsyncEngine
) -> None:
    await state.locks.acquire("process:dead-process", ttl_s=60)
    assert await recover(journal, directory, state, clock) == 0
    assert (await counts(engine))[:2] == (1, 0)


@pytest.mark.usefixtures("abandoned")
async def test_a_process_that_was_silent_too_long_is_dead(
    journal: Journal, directory: Directory, state: SharedState, clock: FakeClock
) -> None:
    await state.locks.acquire("process:dead-process", ttl_s=60)
    clock.advance(61)
    assert await recover(journal, directory, state, clock) == 1


async def test_our_own_open_calls_are_left_alone(
    journal: Journal, directory: Directory, state: SharedState, clock: FakeClock, engine: AsyncEngine
) -> None:
    await journal.open_intent(intent("x1"))
    assert await recover(journal, directory, state, clock) == 0
    assert (await counts(engine))[0] == 1


@pytest.mark.usefixtures("abandoned")
async def test_the_record_lasts_from_the_call_to_its_recovery(
    journal: Journal, directory: Directory, state: SharedState, clock: FakeClock, engine: AsyncEngine
) -> None:
    clock.advance(90)
    await recover(journal, directory, state, clock)
    assert await value(engine, "SELECT duration_ms FROM usage_records") == 90_000


async def test_recovery_charges_the_subscription_and_the_account_quota_that_the_call_was_made_on(
    journal: Journal, dead: Journal, directory: Directory, state: SharedState, clock: FakeClock,
    engine: AsyncEngine,
) -> None:  # fmt: skip
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE accounts SET quota_limit_nano = 1")
        await connection.exec_driver_sql("UPDATE directory_version SET version = version + 1")
    await directory.refresh()
    left = intent("x1", client_model=MODEL, upstream_model=MODEL, subscription_id=5, cost_multiplier=20_000)
    await dead.open_intent(left)
    usage = TokenUsage(input=1000)
    dead.note_progress(
        Progress(exchange_id=left.exchange_id, attempt=left.attempt, usage=usage, upstream_request_id=None)
    )
    await dead.close()
    await recover(journal, directory, state, clock)
    charge = "SELECT debit_book FROM ledger_entries WHERE kind = 'charge'"
    assert await value(engine, charge) == "subscription:5"
    assert await value(engine, "SELECT balance_nano FROM users") == DOLLAR
    assert await value(engine, "SELECT quota_daily_used_nano FROM accounts WHERE id = 1") == 1000 * 20_000
    assert await value(engine, "SELECT review FROM usage_records") == "default_price"


@pytest.mark.usefixtures("abandoned")
async def test_what_a_dead_process_held_in_shared_state_is_given_back(
    journal: Journal, directory: Directory, state: SharedState, clock: FakeClock
) -> None:
    await state.reservations.load({"user:1:balance": DOLLAR, "account:1:quota": DOLLAR})
    on_account = hold_id(ExchangeId("x1"), intent("x1").attempt)
    for name, bound in (("x1", "user:1:balance"), (on_account, "account:1:quota")):
        await state.reservations.reserve(name, [Claim(bound, 1000)], expires_at_ms=2**52)
    await recover(journal, directory, state, clock)
    assert await state.reservations.outstanding("user:1:balance") == 0
    assert await state.reservations.outstanding("account:1:quota") == 0


async def test_what_was_booked_for_a_dead_process_is_read_again(
    journal: Journal, dead: Journal, directory: Directory, state: SharedState, clock: FakeClock
) -> None:
    """Its reservation is gone already: the store would go on believing in the balance before the charge."""
    left = intent("x1", client_model=MODEL, upstream_model=MODEL)
    await dead.open_intent(left)
    usage = TokenUsage(input=1000, output=10)
    dead.note_progress(
        Progress(exchange_id=left.exchange_id, attempt=left.attempt, usage=usage, upstream_request_id=None)
    )
    await dead.close()
    await state.reservations.load({"user:1:balance": DOLLAR})
    await recover(journal, directory, state, clock)
    answer = await state.reservations.reserve("x2", [Claim("user:1:balance", 1)], expires_at_ms=2**52)
    assert isinstance(answer, UnknownBounds)


async def test_a_billion_tokens_that_a_provider_told_before_the_crash_are_quarantined(
    journal: Journal, dead: Journal, directory: Directory, state: SharedState, clock: FakeClock,
    engine: AsyncEngine,
) -> None:  # fmt: skip
    left = intent("x1", client_model=MODEL, upstream_model=MODEL, input_estimate=1000)
    await dead.open_intent(left)
    dead.note_progress(
        Progress(
            exchange_id=left.exchange_id, attempt=left.attempt, usage=TokenUsage(input=10**9, output=10),
            upstream_request_id="req_known",
        )
    )  # fmt: skip
    await dead.close()
    await recover(journal, directory, state, clock)
    assert await value(engine, "SELECT charge_nano FROM usage_records") == 1000 * 10_000 + 10 * 50_000
    assert await value(engine, "SELECT review FROM usage_records") == "implausible"
    assert await value(engine, "SELECT quarantined FROM usage_records") == '{"input":1000000000,"output":10}'
