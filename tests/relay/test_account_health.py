"""What an attempt means for its account, kept in the shared state and written down."""

import pytest
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import AccountId, SessionKey
from headgate.core.routing.account_policy import STREAM_TIMEOUT_SETTING
from headgate.core.routing.cooldown import CooldownDefaults
from headgate.core.routing.health import state_of
from headgate.kit.clock import FakeClock
from headgate.observability.metrics import RelayMetrics
from headgate.relay.account_health import AccountHealth
from headgate.relay.attribution import Attribution
from headgate.relay.directory import Directory
from headgate.relay.picker import Picked
from headgate.relay.probes import Probes, Trial
from headgate.state.protocols import SharedState
from headgate.storage.journal import Journal
from headgate.storage.models import AccountRow, SettingRow
from tests.relay.conftest import Change
from tests.relay.people import MODEL, exchange_for
from tests.storage.books import NOW

ONE = AccountId(1)
GONE = Fault(kind=FaultKind.UPSTREAM_UNREACHABLE, message="")


@pytest.fixture
def health(directory: Directory, state: SharedState, journal: Journal, clock: FakeClock) -> AccountHealth:
    probes = Probes(state.locks, clock)
    return AccountHealth(directory, state, journal, probes, clock, RelayMetrics(), CooldownDefaults())


@pytest.fixture
def picked(directory: Directory) -> Picked:
    account = directory.account(ONE)
    assert account is not None
    return Picked(account=account, upstream_model=MODEL, lease=None)


async def test_every_failed_trial_doubles_what_we_chose_and_an_answer_begins_anew(
    health: AccountHealth, picked: Picked, state: SharedState, clock: FakeClock
) -> None:
    lasted = []
    for _ in range(3):
        await health.judge(exchange_for(), picked, GONE, {}, b"", {})
        (cooldown,) = await state.cooldowns.active([ONE])
        lasted.append((cooldown.until_ms - clock.now_ms()) // 1000)
        clock.advance(lasted[-1])
    assert lasted == [10, 20, 40]
    trial = Trial(cooldowns=tuple(await state.cooldowns.active([ONE])))
    await health.conclude(replace(picked, trial=trial), exchange_for(), None)
    assert not await state.cooldowns.active([ONE])
    assert [event.state.value for event in await state.health.timeline(ONE)] == ["healthy"] + ["cooling"] * 3


async def test_a_reset_that_cannot_be_read_is_noted_and_the_default_holds(
    health: AccountHealth, picked: Picked, state: SharedState, clock: FakeClock
) -> None:
    note: dict[str, object] = {}
    attribution = Attribution(health, clock, failing_s=60)
    limited = Fault(kind=FaultKind.UPSTREAM_RATE_LIMITED, message="", upstream_status=429)
    headers = {"retry-after": "soon", "anthropic-ratelimit-unified-reset": "99999999999999"}
    for conversation in ("one", "two"):
        assert not await state.cooldowns.active([ONE]), "one conversation alone proves nothing"
        exchange = exchange_for(session=SessionKey(conversation))
        await health.judge(exchange, picked, limited, headers, b"", note)
        await attribution.gave_up(exchange)
    assert note == {
        "resets_ignored": ("retry-after", "anthropic-ratelimit-unified-reset"), "suspended": True
    }  # fmt: skip
    (cooldown,) = await state.cooldowns.active([ONE])
    assert cooldown.until_ms - clock.now_ms() == 5000


@pytest.mark.parametrize("action", ["temp_unsched", "error", "none"])
async def test_too_many_silent_streams_have_the_consequence_of_the_setting(
    health: AccountHealth, picked: Picked, state: SharedState, change: Change, directory: Directory,
    sessions: async_sessionmaker[AsyncSession], action: str,
) -> None:  # fmt: skip
    rule = f'{{"enabled": true, "action": "{action}", "threshold_count": 2}}'
    await change(SettingRow(key=STREAM_TIMEOUT_SETTING, value=rule, updated_at=NOW))
    await directory.refresh()
    await health.silent(exchange_for(), picked)
    assert not await state.cooldowns.active([ONE])
    await health.silent(exchange_for(), picked)
    async with sessions() as session:
        row = (await session.scalars(select(AccountRow).where(AccountRow.id == 1))).one()
    assert (row.status == "error") is (action == "error")
    assert (row.temp_unschedulable_until is not None) is (action == "temp_unsched")
    expected = {"temp_unsched": ["temp_unschedulable"], "error": ["marked"], "none": []}
    assert [cooldown.reason for cooldown in await state.cooldowns.active([ONE])] == expected[action]


async def test_accounts_that_break_conversation_after_conversation_are_failing_for_the_model(
    health: AccountHealth, picked: Picked, directory: Directory, state: SharedState, clock: FakeClock
) -> None:
    attribution = Attribution(health, clock, failing_s=60)
    other = directory.account(AccountId(2))
    assert other is not None
    broke = Fault(kind=FaultKind.UPSTREAM_ERROR, message="", upstream_status=500)
    for number in range(3):
        exchange = exchange_for(session=SessionKey(f"conversation {number}"))
        await health.judge(exchange, picked, broke, {}, b"", {})
        await attribution.answered(exchange, replace(picked, account=other))
    (cooldown,) = await state.cooldowns.active([ONE])
    assert (cooldown.reason, cooldown.model) == ("failing", MODEL)
    assert cooldown.evidence == "3 conversations in a row: upstream_error"


async def test_an_account_marked_with_an_error_is_out_before_the_directory_knows(
    health: AccountHealth, picked: Picked, state: SharedState, clock: FakeClock, directory: Directory
) -> None:
    denied = Fault(kind=FaultKind.UPSTREAM_AUTH, message="", upstream_status=401)
    await health.judge(exchange_for(), picked, denied, {}, b"", {})
    account = directory.account(ONE)
    assert account is not None
    assert account.is_schedulable, "this process has not read it yet"
    (bridge,) = await state.cooldowns.active([ONE])
    assert (bridge.reason, bridge.model, bridge.until_ms - clock.now_ms()) == ("marked", "", 5000)


async def test_answers_that_break_off_after_their_first_byte_make_an_account_failing(
    health: AccountHealth, picked: Picked, state: SharedState, clock: FakeClock
) -> None:
    attribution = Attribution(health, clock, failing_s=60)
    cut = Fault(kind=FaultKind.UPSTREAM_CUT, message="")
    for number in (1, 2, 2, 3):
        assert not await state.cooldowns.active([ONE]), "two conversations prove nothing"
        exchange = exchange_for(session=SessionKey(f"conversation {number}"), is_committed=True)
        await health.broke_off(exchange, picked, cut, {})
        await attribution.broke_off(exchange)
    (cooldown,) = await state.cooldowns.active([ONE])
    assert (cooldown.reason, cooldown.model) == ("failing", MODEL)


async def test_an_overload_inside_a_running_answer_is_held_against_the_account_at_once(
    health: AccountHealth, picked: Picked, state: SharedState
) -> None:
    note: dict[str, object] = {}
    fault = Fault(kind=FaultKind.UPSTREAM_OVERLOADED, message="")
    await health.broke_off(exchange_for(is_committed=True), picked, fault, note)
    (cooldown,) = await state.cooldowns.active([ONE])
    assert (cooldown.reason, "cooldown" in note) == ("overloaded", True)


@pytest.mark.parametrize("absurd", ["1000000000", "-3", "99999999999999", "1e9", "2750000060", "P1D"])
async def test_an_absurd_retry_after_is_no_retry_after(
    health: AccountHealth, picked: Picked, state: SharedState, absurd: str
) -> None:
    note: dict[str, object] = {}
    exchange = exchange_for()
    headers = {"retry-after": absurd}
    limited = exchange.handler.classify(429, headers, b"{}")
    assert limited.retry_after_s is None, "nor is it told to the client"
    await health.judge(exchange, picked, limited, headers, b"", note)
    assert not await state.cooldowns.active([ONE]), "without a time one conversation proves nothing"
    assert note == {"resets_ignored": ("retry-after",), "suspended": True}


async def test_an_absurd_reset_in_the_body_is_named_in_the_trace(
    health: AccountHealth, picked: Picked, state: SharedState
) -> None:
    note: dict[str, object] = {}
    limited = Fault(kind=FaultKind.UPSTREAM_RATE_LIMITED, message="", upstream_status=429)
    body = b'{"error": {"resets_in_seconds": 99999999999, "retryDelay": "-4s", "resets_at": 1750000060}}'
    await health.judge(exchange_for(), picked, limited, {}, body, note)
    assert note["resets_ignored"] == ("body.resets_in_seconds", "body.retryDelay")


@pytest.mark.parametrize(
    ("five_hours", "week", "state_after"),
    [("allowed", "allowed_warning", "half_open"), ("allowed", "rejected", "cooling"), ("", "", "cooling")],
)
async def test_an_answer_that_says_its_windows_are_open_casts_doubt_on_a_rate_limit(
    health: AccountHealth, picked: Picked, state: SharedState, clock: FakeClock,
    sessions: async_sessionmaker[AsyncSession], five_hours: str, week: str, state_after: str,
) -> None:  # fmt: skip
    limited = Fault(kind=FaultKind.UPSTREAM_RATE_LIMITED, message="", upstream_status=429)
    await health.judge(exchange_for(), picked, limited, {"retry-after": "18000"}, b"", {})
    assert health.is_limited(ONE)
    prefix = "anthropic-ratelimit-unified"
    headers = {f"{prefix}-5h-status": five_hours, f"{prefix}-7d-status": week}
    await health.doubted(exchange_for(), picked, headers)
    (cooldown,) = await state.cooldowns.active([ONE])
    assert state_of(cooldown, clock.now_ms()) == state_after
    assert health.is_limited(ONE) is (state_after == "cooling")
    async with sessions() as session:
        row = (await session.scalars(select(AccountRow).where(AccountRow.id == 1))).one()
    assert (row.rate_limit_reset_at is None) is (state_after == "half_open")
    clock.advance(18_001)
    assert not health.is_limited(ONE)


async def test_an_answer_stays_an_answer_when_what_it_showed_cannot_be_kept(
    health: AccountHealth, picked: Picked, directory: Directory, change: Change, journal: Journal,
    clock: FakeClock,
) -> None:  # fmt: skip
    rule = '{"enabled": true, "action": "error", "threshold_count": 1}'
    await change(SettingRow(key=STREAM_TIMEOUT_SETTING, value=rule, updated_at=NOW))
    await directory.refresh()
    attribution = Attribution(health, clock, failing_s=60)
    other = directory.account(AccountId(2))
    assert other is not None
    denied = Fault(kind=FaultKind.UPSTREAM_FORBIDDEN, message="", upstream_status=403)
    exchange = exchange_for()
    await health.judge(exchange, picked, denied, {}, b"", {})
    assert exchange.suspended
    await journal.close()
    await attribution.answered(exchange, replace(picked, account=other))
    await health.silent(exchange, picked)
