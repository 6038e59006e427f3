"""Readings of quota windows: the last ones of each account, newest first, in both stores."""

from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import MAX_READINGS, QuotaReading
from headgate.state.protocols import SharedState

ONE, OTHER = AccountId(1), AccountId(2)


def reading(at_ms: int, window: str = "5h") -> QuotaReading:
    return QuotaReading(window=window, at_ms=at_ms, used_ppm=1, resets_at_ms=at_ms + 5, length_ms=9)


async def test_readings_are_kept_per_account_newest_first_and_bounded(state: SharedState) -> None:
    await state.quota_windows.note(ONE, [])
    assert list(await state.quota_windows.readings(ONE)) == []
    for at_ms in range(0, MAX_READINGS + 10, 2):
        await state.quota_windows.note(ONE, [reading(at_ms), reading(at_ms + 1, "7d")])
    found = await state.quota_windows.readings(ONE)
    assert [r.at_ms for r in found] == list(range(MAX_READINGS + 9, 9, -1))
    assert {r.window for r in found} == {"5h", "7d"}
    assert list(await state.quota_windows.readings(OTHER)) == []
