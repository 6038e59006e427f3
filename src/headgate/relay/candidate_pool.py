"""The accounts of a group as candidates: what is the same from request to request is kept, and only those
that are busy, cool down or have a quota are looked at anew.

A pool belongs to one snapshot of the directory; another snapshot brings another tuple of accounts.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from headgate.core.ids import AccountId
from headgate.core.routing.candidates import Candidate
from headgate.core.world import Account
from headgate.state.protocols import Cooldown, CooldownStore, SlotStore

_MOST_POOLS = 1_000
Cooling = Mapping[AccountId, tuple[Cooldown, ...]]


class _Pool:
    """Idle candidates of one group, in the directory's order."""

    __slots__ = ("accounts", "at", "at_slot", "idle", "ids", "limited", "slots")

    def __init__(self, accounts: tuple[Account, ...], last_used: Mapping[AccountId, int]) -> None:
        self.accounts = accounts
        self.ids = [account.id for account in accounts]
        self.slots = [slot_of(account.id) for account in accounts]
        self.at_slot = {slot: at for at, slot in enumerate(self.slots)}
        self.at = {account.id: at for at, account in enumerate(accounts)}
        self.idle = [Candidate(account=one, last_used_ms=last_used.get(one.id)) for one in accounts]
        self.limited = [at for at, account in enumerate(accounts) if account.quota is not None]


class CandidatePools:
    """One per process."""

    def __init__(
        self,
        slots: SlotStore,
        cooldowns: CooldownStore,
        left_nano: Callable[[AccountId], int | None],
    ) -> None:
        """`left_nano`: what an account's own quota covers, as far as it is known."""
        self._slots = slots
        self._cooldowns = cooldowns
        self._left_nano = left_nano
        self._pools: dict[int, _Pool] = {}
        """By identity of the snapshot's tuple, which the pool keeps alive."""
        self._last_used: dict[AccountId, int] = {}

    async def of(
        self, accounts: tuple[Account, ...], refused: Sequence[Cooldown]
    ) -> tuple[list[Candidate], Cooling]:
        """With their live facts, and the cooldowns by account. Raises `StateUnavailable`."""
        pool = self._pool(accounts)
        loads = await self._slots.load(pool.slots)
        cooling = [*await self._cooldowns.active(pool.ids), *refused]
        candidates = pool.idle.copy()
        for name, load in loads.items():
            at = pool.at_slot[name]
            candidates[at] = replace(candidates[at], in_use=load.in_use, waiting=load.waiting)
        by_account = _grouped(cooling) if cooling else {}
        for account_id, cooldowns in by_account.items():
            known = pool.at.get(account_id)
            if known is not None:
                candidates[known] = replace(candidates[known], cooldowns=cooldowns)
        for at in pool.limited:
            left_nano = self._left_nano(accounts[at].id)
            candidates[at] = replace(candidates[at], quota_left_nano=left_nano)
        return candidates, by_account

    def used(self, account_id: AccountId, now_ms: int) -> None:
        self._last_used[account_id] = now_ms
        for pool in self._pools.values():
            at = pool.at.get(account_id)
            if at is not None:
                pool.idle[at] = replace(pool.idle[at], last_used_ms=now_ms)

    def _pool(self, accounts: tuple[Account, ...]) -> _Pool:
        pool = self._pools.get(id(accounts))
        if pool is None or pool.accounts is not accounts:
            if len(self._pools) >= _MOST_POOLS:
                self._pools.clear()
            pool = self._pools[id(accounts)] = _Pool(accounts, self._last_used)
        return pool

    async def forget(self) -> None:
        """The directory has another snapshot."""
        self._pools.clear()


def slot_of(account_id: AccountId) -> str:
    return f"account:{account_id}"


def _grouped(cooldowns: Sequence[Cooldown]) -> Cooling:
    grouped: dict[AccountId, tuple[Cooldown, ...]] = {}
    for cooldown in cooldowns:
        grouped[cooldown.account_id] = (*grouped.get(cooldown.account_id, ()), cooldown)
    return grouped
