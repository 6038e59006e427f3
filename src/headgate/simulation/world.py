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
from headgate.kit.clock import FakeClock
from headgate.kit.crypto import Vault
from headgate.kit.secret import Secret
from headgate.settings import DatabaseSettings, Settings
from headgate.storage.engine import create_engine, database_target, session_factory
from headgate.storage.migrate import upgrade
from headgate.storage.read_model import UNBOUNDED, DirectoryData, ReadModel
from headgate.storage.unit_of_work import UnitOfWork

_ANY = "env:SIMULATED"
_SECTIONS = ("groups", "accounts", "proxies", "prices")
"""What decides how requests are served; settings of mail and registration do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is simulated: the snapshot, and the boot configuration beside it."""

    data: DirectoryData
    settings: Settings


async def world_of(document: Any, settings: Settings) -> World:
    """Raises what `apply` raises of a document that cannot be."""
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
    return World(data=_prepaid(data), settings=settings)


class SnapshotModel(ReadModel):
    """A read model that reads nothing: one snapshot, in which everybody can pay."""

    def __init__(self, data: DirectoryData) -> None:
        self.data = data

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
        return {name: _left(name, quotas) for name in bounds}

    async def bound_resets_at(self, bound: str) -> int | None:
        return None

    async def account_list_cost(self, account_id: AccountId, *, since_ms: int) -> int:
        return 0


def _left(name: str, quotas: Any) -> int:
    kind, number, what = name.split(":")
    quota = quotas.get(int(number)) if kind == "account" else None
    if quota is None:
        return UNBOUNDED
    limits = {"quota": quota.total_nano, "daily": quota.daily_nano, "weekly": quota.weekly_nano}
    return limits[what] or UNBOUNDED


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


def _prepaid(data: DirectoryData) -> DirectoryData:
    """Nobody has a subscription here: groups that are sold are served from the balance."""
    return replace(data, groups=tuple(replace(group, is_subscription=False) for group in data.groups))


async def _anywhere(_url: str) -> str | None:
    """Nothing is sent."""
    return None
