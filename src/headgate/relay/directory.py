"""The data plane's view of the world: an immutable snapshot and a bounded cache of keys (GLOSSARY:
directory).

Refreshed when the database's directory version moves: at once for changes made in this process (`refresh`),
within a second for others (`watch`). No SQL on the request path except for a key that is seen for the first
time.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

import structlog

from headgate.core.ids import AccountId, GroupId
from headgate.core.pricing.book import PriceBook
from headgate.core.world import Account, ApiKey, ErrorRule, Group, Provider, User
from headgate.kit.clock import Clock
from headgate.kit.crypto import Vault
from headgate.state.protocols import StateUnavailable
from headgate.storage.journal import StorageUnavailable
from headgate.storage.read_model import DirectoryData, ReadModel

log = structlog.get_logger(__name__)

_KEYS_KEPT = 65_536
_UNKNOWN_KEPT = 16_384
_POLL_S = 1.0

T = TypeVar("T")
KnownKey = tuple[ApiKey, User]
PriceBookBuilder = Callable[[DirectoryData], PriceBook]


class Directory:
    def __init__(
        self, read_model: ReadModel, vault: Vault, clock: Clock, build_prices: PriceBookBuilder
    ) -> None:
        self._read_model = read_model
        self._vault = vault
        self._clock = clock
        self._build_prices = build_prices
        self._keys: OrderedDict[bytes, KnownKey] = OrderedDict()
        self._unknown: OrderedDict[bytes, None] = OrderedDict()
        self._loading: dict[bytes, asyncio.Future[KnownKey | None]] = {}
        self._groups: Mapping[GroupId, Group] = {}
        self._accounts: Mapping[AccountId, Account] = {}
        self._by_group: dict[tuple[GroupId, Provider], tuple[Account, ...]] = {}
        self.version = -1
        self.prices = build_prices(DirectoryData.empty())
        self.settings: Mapping[str, str] = {}
        self.lost_routes: frozenset[tuple[GroupId, str, AccountId]] = frozenset()
        """Groups, patterns and accounts of model routing that leads nowhere."""
        self.stale_since_ms: int | None = None
        """Since when looking for changes fails; None: it works."""
        self.error_rules: tuple[ErrorRule, ...] = ()
        self._refreshing = asyncio.Lock()
        self.on_refreshed: list[Callable[[], Awaitable[None]]] = []

    async def refresh(self) -> None:
        """Read the snapshot again if the version moved. Cached keys are dropped with the old snapshot."""
        async with self._refreshing:
            if await self._read_model.directory_version() == self.version:
                return
            data = await self._read_model.load_directory()
            self._install(data)
        for hook in self.on_refreshed:
            await hook()

    async def watch(self) -> None:
        """Poll for changes by other processes (the CLI, other machines); runs until cancelled."""
        while True:
            await asyncio.sleep(_POLL_S)
            try:
                await self.refresh()
                self.stale_since_ms = None
            except (StorageUnavailable, StateUnavailable) as error:  # keep serving from the last snapshot
                if self.stale_since_ms is None:
                    self.stale_since_ms = self._clock.now_ms()
                log.warning("directory_refresh_failed", error=type(error).__name__)

    def group(self, group_id: GroupId) -> Group | None:
        return self._groups.get(group_id)

    def account(self, account_id: AccountId) -> Account | None:
        return self._accounts.get(account_id)

    def groups(self) -> tuple[Group, ...]:
        return tuple(self._groups.values())

    def accounts(self) -> tuple[Account, ...]:
        return tuple(self._accounts.values())

    def accounts_of(self, group_id: GroupId, provider: Provider) -> tuple[Account, ...]:
        """Accounts of a group that speak the provider's dialects, in a stable order."""
        return self._by_group.get((group_id, provider), ())

    def names_of(self, group_id: GroupId, provider: Provider, model: str) -> tuple[str, ...]:
        """The client's name of a model, then the upstream names that the group's accounts map it to."""
        names = dict.fromkeys((model,))
        for account in self.accounts_of(group_id, provider):
            if account.model_rules is not None and (name := account.model_rules.upstream_model(model)):
                names[name] = None
        return tuple(names)

    async def find_key(self, secret: str) -> KnownKey | None:
        """The key and its owner; at most one database read per unknown hash, shared by concurrent callers."""
        digest = self._vault.key_hash(secret)
        known = self._keys.get(digest)
        if known is not None:
            return known
        if digest in self._unknown:
            return None
        return await self._load_once(digest)

    async def _load_once(self, digest: bytes) -> KnownKey | None:
        while (pending := self._loading.get(digest)) is not None:
            try:
                return await asyncio.shield(pending)
            except asyncio.CancelledError:
                if not pending.cancelled():
                    raise  # it is this caller who was cancelled; else who read was: read instead of it
        future: asyncio.Future[KnownKey | None] = asyncio.get_running_loop().create_future()
        self._loading[digest] = future
        try:
            found = await self._load(digest)
        except asyncio.CancelledError:
            future.cancel()
            raise
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # seen: waiters get it through their own await
            raise
        finally:
            del self._loading[digest]
        future.set_result(found)
        return found

    async def _load(self, digest: bytes) -> KnownKey | None:
        version = self.version
        found = await self._read_model.load_key(digest)
        if found is not None and found[0].group_id is not None and found[0].group_id not in self._groups:
            await self.refresh()  # another process has just made the group; do not wait for the next poll
        if version != self.version:  # the world moved while we read: do not keep what may be old
            return found
        if found is None:
            _keep(self._unknown, digest, None, _UNKNOWN_KEPT)
        else:
            _keep(self._keys, digest, found, _KEYS_KEPT)
        return found

    def _install(self, data: DirectoryData) -> None:
        by_group: dict[tuple[GroupId, Provider], list[Account]] = {}
        for account in sorted(data.accounts, key=lambda a: a.id):
            for group_id in account.group_ids:
                by_group.setdefault((group_id, account.provider), []).append(account)
        self._groups = {group.id: group for group in data.groups}
        self._accounts = {account.id: account for account in data.accounts}
        self._by_group = {key: tuple(accounts) for key, accounts in by_group.items()}
        self._note_lost_routes(data.groups)
        self.prices = self._build_prices(data)
        self.settings = data.settings
        self.error_rules = data.error_rules
        self._keys.clear()
        self._unknown.clear()
        self.version = data.version
        log.info(
            "directory_loaded", version=data.version, groups=len(data.groups), accounts=len(data.accounts)
        )

    def _note_lost_routes(self, groups: Iterable[Group]) -> None:
        """Say once which accounts a group's model routing names in vain; they are ignored."""
        lost = frozenset(
            (group.id, pattern, account_id)
            for group in groups
            for pattern, accounts in group.model_routes.items()
            for account_id in accounts.difference(a.id for a in self.accounts_of(group.id, group.provider))
        )
        for group_id, pattern, account_id in sorted(lost - self.lost_routes):
            log.warning(
                "model_route_lost", group_id=group_id, pattern=pattern, account_id=account_id,
                remedy="add the account to the group, or take it out of model_routing",
            )  # fmt: skip
        self.lost_routes = lost


def _keep(cache: OrderedDict[bytes, T], key: bytes, value: T, limit: int) -> None:
    cache[key] = value
    if len(cache) > limit:
        cache.popitem(last=False)
