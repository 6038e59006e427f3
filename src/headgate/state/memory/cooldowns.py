"""Cooldowns of one process. Bounded by nature: one entry per account and model that an account serves."""

from collections.abc import Sequence

from headgate.core.ids import AccountId
from headgate.kit.clock import Clock
from headgate.state.protocols import PROBATION_MS, Cooldown

MAX_MODELS = 256
"""Models cooling on one account; beyond it the one that ends first goes (its probe comes early, nothing
worse)."""


class MemoryCooldowns:
    """Implements `CooldownStore`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_account: dict[AccountId, dict[str, Cooldown]] = {}

    async def set(self, cooldown: Cooldown) -> None:
        models = self._by_account.setdefault(cooldown.account_id, {})
        present = models.get(cooldown.model)
        if present is not None and present.until_ms >= cooldown.until_ms:
            return
        models[cooldown.model] = cooldown
        if len(models) > MAX_MODELS:
            del models[min(models, key=lambda model: models[model].until_ms)]

    async def active(self, accounts: Sequence[AccountId]) -> Sequence[Cooldown]:
        if not self._by_account:
            return ()
        now = self._clock.now_ms()
        found: list[Cooldown] = []
        for account in accounts:
            models = self._by_account.get(account)
            if models:
                found.extend(self._known(account, models, now))
        return found

    async def forget(self, account: AccountId, model: str, *, until_ms: int) -> bool:
        models = self._by_account.get(account, {})
        present = models.get(model)
        if present is None or present.until_ms > until_ms:
            return False
        del models[model]
        if not models:
            del self._by_account[account]
        return True

    async def clear(self, account: AccountId) -> None:
        self._by_account.pop(account, None)

    def _known(self, account: AccountId, models: dict[str, Cooldown], now: int) -> list[Cooldown]:
        known = [cooldown for cooldown in models.values() if cooldown.until_ms + PROBATION_MS > now]
        if not known:
            del self._by_account[account]
        return known
