"""A configuration document as the data plane's snapshot.

It is applied, by the code that applies documents, to a database of its own that is thrown away: so the
snapshot is what a gateway would serve with. Secrets are not needed and not looked at.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headgate.control.commands import command_deps
from headgate.control.configuration.document import ACCOUNTS, PROXIES, STORED, Document, parse
from headgate.control.configuration.service import ConfigurationService
from headgate.control.work import SYSTEM, open_work
from headgate.core.ids import AccountId
from headgate.core.pricing.book import NO_LIST, PriceList
from headgate.kit.clock import Clock, FakeClock
from headgate.kit.crypto import Vault
from headgate.kit.secret import Secret
from headgate.settings import DatabaseSettings, Settings
from headgate.simulation.people import People, Purses
from headgate.storage.engine import create_engine, database_target, session_factory
from headgate.storage.journal import Settlement
from headgate.storage.migrate import upgrade
from headgate.storage.read_model import UNBOUNDED, DirectoryData, ReadModel
from headgate.storage.unit_of_work import UnitOfWork

_ANY = "env:SIMULATED"
_DAY_MS = 24 * 3_600_000
_PERIOD_MS = {"quota": 2**60, "daily": _DAY_MS, "weekly": 7 * _DAY_MS}
_SECTIONS = ("groups", "accounts", "proxies", "prices")
"""What decides how requests are served; settings of mail and registration do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is simulated: the snapshot, and the boot configuration beside it."""

    data: DirectoryData
    settings: Settings
    people: People | None = None
    """None: everybody can pay for everything."""


async def world_of(
    document: Any, settings: Settings, *, people: People | None = None, prices: PriceList = NO_LIST
) -> World:
    """`prices`: of the price file that would be in use. Raises what `apply` raises of a document that cannot
    be."""
    wanted = _without_secrets(parse(document))
    clock, vault = FakeClock(), Vault(bytes(32))
    with TemporaryDirectory(prefix="headgate-simulate-") as folder:
        url = Secret(f"sqlite:///{Path(folder) / 'world.db'}")
        own = settings.model_copy(update={"database": DatabaseSettings(url=url)})
        target = database_target(own)
        engine = create_engine(target)
        try:
            await upgrade(engine)
            sessions = session_factory(engine)
            deps = command_deps(own, lambda: UnitOfWork(sessions), vault, clock, check_base_url=_anywhere)
            async with open_work(deps, SYSTEM) as work:
                await ConfigurationService(work).apply(
                    wanted.shown(), dict.fromkeys(wanted.references(), Secret("simulated")), prune=False
                )
            data = await ReadModel(engine, vault, clock).load_directory()
        finally:
            await engine.dispose()
    return World(data=replace(data, price_file=prices), settings=settings, people=people)


class SnapshotModel(ReadModel):
    """A read model that reads nothing: one snapshot, and what was spent since."""

    def __init__(self, data: DirectoryData, clock: Clock) -> None:
        self.data = data
        self.purses = Purses({group.name: group for group in data.groups})
        self._groups = {group.id: group for group in data.groups}
        self._clock = clock
        self._spent: dict[int, list[tuple[int, int]]] = {}
        """Account cost of each account: when, and how much."""
        self._listed: dict[int, list[tuple[int, int]]] = {}
        """The same at list price."""

    def pay(self, settlement: Settlement) -> None:
        """What the books would move."""
        now_ms, intent = self._clock.now_ms(), settlement.intent
        self.purses.pay(settlement, self._groups[intent.group_id], now_ms)
        self._spent.setdefault(intent.account_id, []).append((now_ms, settlement.cost.account_cost))
        self._listed.setdefault(intent.account_id, []).append((now_ms, settlement.cost.list_cost))

    def switch_off(self, account_id: int) -> None:
        """An error mark."""
        accounts = tuple(
            replace(account, is_schedulable=False) if account.id == account_id else account
            for account in self.data.accounts
        )
        self.data = replace(self.data, accounts=accounts, version=self.data.version + 1)

    async def directory_version(self) -> int:
        return self.data.version

    async def load_directory(self) -> DirectoryData:
        return self.data

    async def load_bounds(self, bounds: Any) -> dict[str, int]:
        quotas = {account.id: account.quota for account in self.data.accounts}
        now_ms = self._clock.now_ms()
        left = {name: self.purses.left(name, now_ms) for name in bounds}
        return {
            name: self._account_left(name, quotas, now_ms) if known is None else known
            for name, known in left.items()
        }

    def _account_left(self, name: str, quotas: Any, now_ms: int) -> int:
        """Days and weeks end behind one here, whatever the operator set: rolling windows."""
        kind, number, what = name.split(":")
        quota = quotas.get(int(number)) if kind == "account" else None
        if quota is None:
            return UNBOUNDED
        limits = {"quota": quota.total_nano, "daily": quota.daily_nano, "weekly": quota.weekly_nano}
        since_ms = now_ms - _PERIOD_MS[what]
        spent = sum(cost for at_ms, cost in self._spent.get(int(number), ()) if at_ms > since_ms)
        return limits[what] - spent if limits[what] else UNBOUNDED

    async def bound_resets_at(self, bound: str) -> int | None:
        return None

    async def account_list_cost(self, account_id: AccountId, *, since_ms: int) -> int:
        return sum(cost for at_ms, cost in self._listed.get(account_id, ()) if at_ms >= since_ms)


def _without_secrets(document: Document) -> Document:
    sections: dict[str, Any] = {}
    for name in _SECTIONS:
        if name not in document.sections:
            continue
        sections[name] = {
            item: {
                field: _ANY if (name, field) in ((ACCOUNTS, "secret"), (PROXIES, "password")) else value
                for field, value in fields.items()
            }
            for item, fields in document.sections[name].items()
        }
    for fields in sections.get(ACCOUNTS, {}).values():
        fields.setdefault("secret", STORED)
        fields["secret"] = _ANY
    return Document(sections)


def prepaid(data: DirectoryData) -> DirectoryData:
    """Where nobody is named: groups that are sold are served from the balance."""
    return replace(data, groups=tuple(replace(group, is_subscription=False) for group in data.groups))


async def _anywhere(_url: str) -> str | None:
    """Nothing is sent."""
    return None
