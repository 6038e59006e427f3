"""Listening to what providers say about the quota windows of accounts (core/dialects/quota_headers.py).

Runs for every answer, so what has not changed since the account's last answer costs two look-ups and one
comparison. What is news goes to the shared state; numbers that cannot be meant are logged once per account.
"""

from collections.abc import Collection, Mapping, Sequence

import structlog

from headgate.core.dialects.quota_headers import read_windows, sign_of
from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import SAME_RESET_MS, QuotaReading, is_news, shortfall_ppm
from headgate.core.world import Account
from headgate.kit.clock import Clock
from headgate.state.protocols import QuotaWindowStore, StateUnavailable

log = structlog.get_logger(__name__)

_MOST_LOGGED = 1_000
_MOST_ACCOUNTS = 20_000


_Windows = dict[tuple[str, str], QuotaReading]
"""The newest reading of each window of an account, by window and model."""


_NO_WINDOWS: _Windows = {}


class QuotaWatch:
    """One per process."""

    def __init__(self, store: QuotaWindowStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._signs: dict[AccountId, tuple[tuple[str | None, ...], int]] = {}
        self._last: dict[AccountId, _Windows] = {}
        self._unwritten: dict[AccountId, _Windows] = {}
        self._logged: set[tuple[AccountId, str]] = set()

    def look(self, account: Account, headers: Mapping[str, str]) -> Sequence[QuotaReading]:
        """What is news in an answer."""
        sign = sign_of(account.provider, headers)
        if sign is None:
            return ()
        now = self._clock.now_ms()
        known = self._signs.get(account.id)
        if known is not None and known[0] == sign and now - known[1] < SAME_RESET_MS:
            return ()
        if len(self._signs) >= _MOST_ACCOUNTS:
            self._signs.clear()
            self._last.clear()
        self._signs[account.id] = (sign, now)
        told = read_windows(account.provider, headers, now)
        for name in told.unusable:
            self._log_unusable(account.id, name)
        last = self._last.setdefault(account.id, {})
        news = [r for r in told.readings if is_news(last.get((r.window, r.model)), r)]
        last.update({(reading.window, reading.model): reading for reading in news})
        return news

    def shortfall_ppm(self, account_id: AccountId, model: str) -> int:
        """The worst of the account's windows that count this upstream model; 0: nothing is known to run
        short."""
        windows = self._last.get(account_id)
        if not windows:
            return 0
        now = self._clock.now_ms()
        return max(
            (shortfall_ppm(reading, now) for reading in windows.values() if reading.counts(model)),
            default=0,
        )

    def newest(self, account_id: AccountId) -> Collection[QuotaReading]:
        """The last word on each window that is known here."""
        return self._last.get(account_id, _NO_WINDOWS).values()

    async def catch_up(self, account_id: AccountId) -> Sequence[QuotaReading]:
        """Learn what other processes were told since; all that is kept, newest first. Raises
        `StateUnavailable`."""
        readings = await self._store.readings(account_id)
        if not readings:
            return readings
        last = self._last.setdefault(account_id, {})
        for reading in reversed(readings):  # oldest first
            known = last.get((reading.window, reading.model))
            if known is None or known.at_ms <= reading.at_ms:
                last[reading.window, reading.model] = reading
        return readings

    async def note(self, account_id: AccountId, readings: Sequence[QuotaReading]) -> None:
        """Losing a reading costs a little foresight, never an answer."""
        unwritten = self._unwritten.setdefault(account_id, {})
        unwritten.update({(reading.window, reading.model): reading for reading in readings})
        try:
            await self._store.note(account_id, readings)
        except StateUnavailable:
            log.warning("quota_reading_lost", account_id=account_id)

    def take_unwritten(self) -> dict[AccountId, _Windows]:
        """What was noted since this was asked last."""
        taken, self._unwritten = self._unwritten, {}
        return taken

    def put_back(self, taken: Mapping[AccountId, _Windows]) -> None:
        """It could not be written; what was noted meanwhile is newer."""
        for account_id, windows in taken.items():
            self._unwritten[account_id] = windows | self._unwritten.get(account_id, {})

    def _log_unusable(self, account_id: AccountId, name: str) -> None:
        if (account_id, name) not in self._logged and len(self._logged) < _MOST_LOGGED:
            self._logged.add((account_id, name))
            log.warning("quota_header_ignored", account_id=account_id, header=name)
