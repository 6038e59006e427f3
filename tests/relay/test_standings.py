"""What /metrics and the management API are told about how everything stands."""

from collections.abc import Sequence

import pytest

from headgate.core.ids import AccountId
from headgate.core.routing.cooldown import CooldownDefaults
from headgate.core.routing.degradation import Kind
from headgate.kit.clock import FakeClock
from headgate.observability.metrics import RelayMetrics, render
from headgate.relay.account_health import AccountHealth
from headgate.relay.account_quotas import AccountQuotas
from headgate.relay.attribution import Attribution
from headgate.relay.billing_gate import BillingGate
from headgate.relay.directory import Directory
from headgate.relay.probes import Probes
from headgate.relay.reserver import Reserver
from headgate.relay.standings import Standings
from headgate.settings import CircuitBreakerSettings, LimitsSettings
from headgate.state.memory.cooldowns import MemoryCooldowns
from headgate.state.protocols import Cooldown, SharedState, StateUnavailable
from headgate.storage.journal import Journal, StorageUnavailable
from headgate.storage.read_model import ReadModel


class Away(MemoryCooldowns):
    async def active(self, accounts: Sequence[AccountId]) -> Sequence[Cooldown]:
        raise StateUnavailable("away")


@pytest.fixture
def attribution(directory: Directory, state: SharedState, journal: Journal, clock: FakeClock) -> Attribution:
    probes = Probes(state.locks, clock)
    health = AccountHealth(directory, state, journal, probes, clock, RelayMetrics(), CooldownDefaults())
    return Attribution(health, clock, failing_s=60)


@pytest.fixture
def quotas(state: SharedState, read_model: ReadModel, clock: FakeClock) -> AccountQuotas:
    reserver = Reserver(state.reservations, read_model, clock, LimitsSettings())
    return AccountQuotas(reserver, state.reservations, clock)


def cooldown(account: int, clock: FakeClock) -> Cooldown:
    until = clock.now_ms() + 60_000
    return Cooldown(
        account_id=AccountId(account), model="", until_ms=until, reason="rate_limited", evidence=""
    )


async def test_all_that_is_out_is_counted_and_named(
    directory: Directory, clock: FakeClock, attribution: Attribution, quotas: AccountQuotas
) -> None:
    cooldowns = MemoryCooldowns(clock)
    billing = BillingGate(CircuitBreakerSettings(failure_threshold=1), clock)
    standings = Standings(directory, cooldowns, clock, attribution, billing, quotas)
    assert (await standings.look()).degradations == ()
    for account in (1, 2):
        await cooldowns.set(cooldown(account, clock))
    billing.failed(StorageUnavailable("away"))
    directory.stale_since_ms = clock.now_ms()
    directory.lost_routes = frozenset({(next(iter(directory.groups())).id, "claude-*", AccountId(99))})
    report = await standings.look()
    assert report.accounts == {"cooling": 2}
    assert {found.kind for found in report.degradations} == {
        Kind.ACCOUNT_COOLING, Kind.GROUP_WITHOUT_ACCOUNT, Kind.BILLING_STOPPED, Kind.DIRECTORY_STALE,
        Kind.MODEL_ROUTE_LOST,
    }  # fmt: skip
    metrics = RelayMetrics()
    metrics.labelled_gauges |= standings.gauges()
    shown = render(metrics).decode().splitlines()
    assert 'headgate_accounts{state="cooling"} 2.0' in shown
    assert 'headgate_degradations{kind="group_without_account"} 1.0' in shown
    assert 'headgate_degradations{kind="state_unavailable"} 0.0' in shown
    assert 'headgate_account_impaired{account="1",cause="rate_limited",kind="account_cooling"} 1.0' in shown
    clock.advance(61)
    assert {found.kind for found in (await standings.look()).degradations} >= {Kind.ACCOUNT_HALF_OPEN}


async def test_without_the_shared_state_the_directory_alone_is_asked(
    directory: Directory, clock: FakeClock, attribution: Attribution, quotas: AccountQuotas
) -> None:
    billing = BillingGate(CircuitBreakerSettings(), clock)
    report = await Standings(directory, Away(clock), clock, attribution, billing, quotas).look()
    assert [found.kind for found in report.degradations] == [Kind.STATE_UNAVAILABLE]
    assert report.accounts == {"healthy": 2}
