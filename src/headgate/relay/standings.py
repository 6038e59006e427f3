"""How everything stands right now, for /metrics and the management API: one reading of the directory, the
shared state and this process's own degraded modes (core/routing/degradation.py)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from headgate.core.ids import AccountId, GroupId
from headgate.core.limits.breaker import BreakerState
from headgate.core.routing.degradation import (
    SWITCHED_OFF,
    Degradation,
    Ends,
    Kind,
    Standing,
    groups_of,
    standing_of,
)
from headgate.core.routing.health import HealthState
from headgate.kit.clock import Clock
from headgate.observability.metrics import LabelledGauge
from headgate.relay.account_quotas import AccountQuotas
from headgate.relay.attribution import Attribution
from headgate.relay.billing_gate import BillingGate
from headgate.relay.directory import Directory
from headgate.state.protocols import Cooldown, CooldownStore, StateUnavailable


class Report(NamedTuple):
    accounts: Mapping[str, int]
    """How many stand how: health states, and `switched_off`."""
    degradations: Sequence[Degradation]


class Standings:
    """One per process."""

    def __init__(
        self,
        directory: Directory,
        cooldowns: CooldownStore,
        clock: Clock,
        attribution: Attribution,
        billing: BillingGate,
        quotas: AccountQuotas,
    ) -> None:
        self._quotas = quotas
        self._directory = directory
        self._cooldowns = cooldowns
        self._clock = clock
        self._attribution = attribution
        self._billing = billing
        self.last = Report({}, ())

    async def look(self) -> Report:
        """As of now; while the shared state is away, as the directory alone knows it."""
        now = self._clock.now_ms()
        accounts = self._directory.accounts()
        own = list(self._own(now))
        known: dict[AccountId, list[Cooldown]] = {}
        try:
            for cooldown in await self._cooldowns.active([account.id for account in accounts]):
                known.setdefault(cooldown.account_id, []).append(cooldown)
        except StateUnavailable:
            own.append(Degradation(kind=Kind.STATE_UNAVAILABLE, ends=Ends.BY_ITSELF, cause="no answer"))
        used_up = self._quotas.used_up()
        standings = {
            account.id: standing_of(account, known.get(account.id, ()), now, used_up.get(account.id))
            for account in accounts
        }
        members: dict[GroupId, list[Standing]] = {}
        for account in accounts:
            for group_id in account.group_ids:
                members.setdefault(group_id, []).append(standings[account.id])
        found = [degradation for standing in standings.values() for degradation in standing.degradations]
        found += groups_of(self._directory.groups(), members)
        counted = Counter(standing.label for standing in standings.values())
        self.last = Report(counted, (*own, *found))
        return self.last

    def gauges(self) -> Mapping[str, LabelledGauge]:
        """What `look` found last, for /metrics."""
        return {
            "headgate_accounts": LabelledGauge("Accounts by how they stand", ("state",), self._counts),
            "headgate_degradations": LabelledGauge(
                "What does not work as it should right now", ("kind",), self._kinds
            ),
            "headgate_account_impaired": LabelledGauge(
                "1 for each account that is out or avoided", ("account", "kind", "cause"), self._impaired
            ),
        }

    def _counts(self) -> Iterable[tuple[tuple[str, ...], float]]:
        for label in (*HealthState, SWITCHED_OFF):
            yield (str(label),), self.last.accounts.get(str(label), 0)

    def _kinds(self) -> Iterable[tuple[tuple[str, ...], float]]:
        counted = Counter(found.kind for found in self.last.degradations)
        for kind in Kind:
            yield (kind.value,), counted[kind]

    def _impaired(self) -> Iterable[tuple[tuple[str, ...], float]]:
        keys = {
            (str(found.account_id), found.kind.value, found.cause)
            for found in self.last.degradations
            if found.account_id is not None and found.group_id is None
        }
        return [(key, 1.0) for key in sorted(keys)]

    def _own(self, now: int) -> Iterable[Degradation]:
        """This process's own degraded modes."""
        if self._billing.state() is not BreakerState.CLOSED:
            yield Degradation(kind=Kind.BILLING_STOPPED, ends=Ends.BY_ITSELF, cause=self._billing.describe())
        stale_since = self._directory.stale_since_ms
        if stale_since is not None:
            yield Degradation(
                kind=Kind.DIRECTORY_STALE, ends=Ends.BY_ITSELF, since_ms=stale_since,
                cause="the database does not answer; the last snapshot is in use",
            )  # fmt: skip
        poisoned, until_ms = self._attribution.poisoned(now)
        if poisoned:
            yield Degradation(
                kind=Kind.REQUESTS_POISONED, ends=Ends.AT_ITS_TIME, until_ms=until_ms,
                cause=f"{poisoned} requests that no account could answer are tried once only",
            )  # fmt: skip
        for group_id, pattern, account_id in sorted(self._directory.lost_routes):
            yield Degradation(
                kind=Kind.MODEL_ROUTE_LOST, ends=Ends.BY_OPERATOR, group_id=group_id, account_id=account_id,
                model=pattern, cause="model routing names an account that is none of the group's",
            )  # fmt: skip
