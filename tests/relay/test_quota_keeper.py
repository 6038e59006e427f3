"""What providers said about quota windows outlives the process, on both databases."""

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import QuotaReading
from headgate.kit.clock import FakeClock
from headgate.relay.directory import Directory
from headgate.relay.quota_keeper import QuotaKeeper
from headgate.relay.quota_watch import QuotaWatch
from headgate.settings import LimitsSettings
from headgate.state.memory import open_memory_state
from headgate.storage.quota_windows import QuotaWindowTable

ONE, GONE = AccountId(1), AccountId(4_000_000)
HOUR = 3_600_000


class Process:
    def __init__(self, engine: AsyncEngine, clock: FakeClock) -> None:
        self.store = open_memory_state(clock, LimitsSettings()).quota_windows
        self.watch = QuotaWatch(self.store, clock)
        self.keeper = QuotaKeeper(self.watch, self.store, QuotaWindowTable(engine), clock)


async def test_a_restart_remembers_windows_that_are_open(
    directory: Directory, engine: AsyncEngine, clock: FakeClock
) -> None:
    now = clock.now_ms()
    old = QuotaReading(window="5h", at_ms=now, used_ppm=1, resets_at_ms=now + HOUR, length_ms=5 * HOUR)
    new = replace(old, at_ms=now + 5, used_ppm=2)
    model = replace(old, window="day", model="gemini-2.5-pro", is_rejected=True)
    short = replace(old, window="minute", resets_at_ms=now + 60_000)
    first = Process(engine, clock)
    await first.watch.note(ONE, [old, model, short])
    await first.watch.note(GONE, [old])
    await first.keeper.keep()
    await first.watch.note(ONE, [new])
    await first.keeper.keep()
    await first.watch.note(ONE, [old])  # another process that comes late
    await first.keeper.close()
    assert await first.keeper.keep() == 0
    clock.advance(61)
    second = Process(engine, clock)
    await second.keeper.restore()
    assert set(await second.store.readings(ONE)) == {new, model}
    assert not await second.store.readings(GONE)
    await second.keeper.restore()
    assert len(await second.store.readings(ONE)) == 2, "what is known already is not noted twice"
