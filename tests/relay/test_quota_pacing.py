"""Background keys are kept off accounts whose windows are used too fast, whichever process was told so."""

from msgspec.structs import replace

from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import QuotaReading
from headgate.kit.clock import FakeClock
from headgate.relay.directory import Directory
from headgate.relay.quota_pacing import LOOK_AGAIN_MS, QuotaPacing
from headgate.relay.quota_watch import QuotaWatch
from headgate.state.protocols import SharedState
from tests.relay.people import MODEL

HOUR = 3_600_000
ONE = AccountId(1)


def reading(clock: FakeClock, percent: int, window: str = "5h") -> QuotaReading:
    """One of five hours is over."""
    now = clock.now_ms()
    return QuotaReading(
        window=window, at_ms=now, used_ppm=percent * 10_000, resets_at_ms=now + 4 * HOUR, length_ms=5 * HOUR
    )


async def test_what_another_process_was_told_counts_here_within_seconds(
    state: SharedState, directory: Directory, clock: FakeClock
) -> None:
    pacing = QuotaPacing(QuotaWatch(state.quota_windows, clock), clock, reserve_ppm=100_000)
    accounts = directory.accounts()
    assert not await pacing.refused(accounts, MODEL)
    other = QuotaWatch(state.quota_windows, clock)
    await other.note(ONE, [reading(clock, 50)])
    clock.advance(LOOK_AGAIN_MS / 1000)
    (held,) = await pacing.refused(accounts, MODEL)
    assert (held.account_id, held.reason) == (ONE, "quota_pacing")
    assert held.evidence == "the 5h window is used faster than it lasts: 50 %"
    clock.advance((held.until_ms - clock.now_ms()) / 1000)
    assert not await pacing.refused(accounts, MODEL)


async def test_a_window_of_other_models_holds_nobody_back(
    state: SharedState, directory: Directory, clock: FakeClock
) -> None:
    watch = QuotaWatch(state.quota_windows, clock)
    pacing = QuotaPacing(watch, clock, reserve_ppm=100_000)
    await watch.note(ONE, [reading(clock, 90, "7d_opus")])
    assert not await pacing.refused(directory.accounts(), "claude-sonnet-4-5")
    assert await pacing.refused(directory.accounts(), "claude-opus-4-1")


async def test_a_fast_pace_of_late_holds_back_before_the_average_would(
    state: SharedState, directory: Directory, clock: FakeClock
) -> None:
    watch = QuotaWatch(state.quota_windows, clock)
    pacing = QuotaPacing(watch, clock, reserve_ppm=100_000)
    resets_at_ms = clock.now_ms() + 4 * HOUR - HOUR // 2
    for percent in range(12):  # 12 % within 24 minutes, of a window of which more than a quarter is over
        told = reading(clock, percent, "5h")
        await watch.note(ONE, [replace(told, resets_at_ms=resets_at_ms)])
        clock.advance(120)
    (held,) = await pacing.refused(directory.accounts(), MODEL)
    assert held.reason == "quota_pacing"
    clock.advance(11 * 60)
    assert not await pacing.refused(directory.accounts(), MODEL), "nobody uses it any more"
