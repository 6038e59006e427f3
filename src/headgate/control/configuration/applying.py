"""Making the world as a plan says, through the services of the API, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.control.accounts.credentials import SECRET_FIELD
from headgate.control.accounts.schemas import AccountCreate, AccountUpdate
from headgate.control.accounts.service import AccountService
from headgate.control.configuration.applying_rules import apply_rules, given
from headgate.control.configuration.differences import Action, Change
from headgate.control.configuration.document import (
    ACCOUNTS,
    ERROR_RULES,
    GROUP_PLAIN,
    GROUP_REFERENCES,
    GROUPS,
    PRICES,
    PROVIDERS,
    PROXIES,
    SETTING_SECRETS,
    SETTINGS,
    Fields,
    invalid,
)
from headgate.control.configuration.normal import SHARING
from headgate.control.configuration.planning import Planned, Secrets
from headgate.control.error_rules.service import ErrorRuleService
from headgate.control.groups.schemas import GroupCreate, GroupUpdate
from headgate.control.groups.service import GroupService
from headgate.control.oauth.providers import delete_provider
from headgate.control.prices.schemas import PriceBody
from headgate.control.prices.service import PriceService
from headgate.control.proxies.schemas import ProxyCreate, ProxyUpdate
from headgate.control.proxies.service import ProxyService
from headgate.control.settings.endpoints import store_settings
from headgate.control.settings.schemas import SettingsBody
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.storage.models import AccountRow

_ACCOUNT_NONE_AS = {"expires_at": 0, "load_factor": 0}


class Applier:
    """One use; whatever it raises undoes everything, because the transaction does."""

    def __init__(self, work: Work, planned: Planned, secrets: Secrets) -> None:
        self._work = work
        self._planned = planned
        self._secrets = secrets
        self._ids = dict(planned.current.ids)
        self._groups = GroupService(work)
        self._accounts = AccountService(work)

    async def run(self) -> None:
        """Proxies, groups, accounts, then what groups say of groups and accounts, prices, rules, settings;
        what goes goes last. Raises what the services raise, and CONFIG_INVALID for names of nothing."""
        for change in self._doing(PROXIES):
            await self._proxy(change)
        for change in self._doing(GROUPS):
            if change.action is Action.ADD:
                await self._new_group(change)
        for change in self._doing(ACCOUNTS):
            await (self._new_account(change) if change.action is Action.ADD else self._account(change))
        for change in self._doing(GROUPS):
            await self._group(change)
        for change in self._doing(PRICES):
            await self._price(change)
        await apply_rules(self._work, self._planned, self._ids, self._secret)
        for change in self._doing(SETTINGS):
            await self._settings(change)
        await self._delete()

    def _doing(self, section: str) -> list[Change]:
        return [
            change
            for change in self._planned.changes
            if change.section == section and change.action in (Action.ADD, Action.CHANGE)
        ]

    async def _delete(self) -> None:
        gone = [change for change in self._planned.changes if change.action is Action.DELETE]
        for change in gone:
            if change.section == PROVIDERS:
                await delete_provider(self._work, change.name)
        deleters = {
            ERROR_RULES: ErrorRuleService(self._work).delete,
            PRICES: PriceService(self._work).delete,
            ACCOUNTS: self._accounts.delete,
            GROUPS: self._groups.delete,
            PROXIES: ProxyService(self._work).delete,
        }
        for section, delete in deleters.items():
            for change in gone:
                if change.section == section:
                    await delete(self._ids[section, change.name])
            await self._work.session.flush()

    async def _proxy(self, change: Change) -> None:
        fields = given(change)
        password = self._secret(fields.pop("password", None))
        service = ProxyService(self._work)
        if change.action is Action.ADD:
            status = fields.pop("status", "active")
            row = await service.create(ProxyCreate(name=change.name, password=password or "", **fields))
            self._ids[PROXIES, change.name] = row.id
            if status != "active":
                await service.update(row.id, ProxyUpdate(status=status))
            return
        wanted = self._planned.wanted.items(PROXIES)[change.name]
        password = password or self._secret(wanted.get("password"))  # a move needs it again
        await service.update(self._id(PROXIES, change.name), ProxyUpdate(password=password, **fields))

    async def _new_group(self, change: Change) -> None:
        """Without what it says of others: they may not be there yet."""
        known = (GROUP_PLAIN | {"platform"}) - {SHARING}
        fields = {name: value for name, value in given(change).items() if name in known}
        row = await self._groups.create(GroupCreate(name=change.name, **_without_none(fields)))
        self._ids[GROUPS, change.name] = row.id

    async def _group(self, change: Change) -> None:
        """All that it is and shall be: limits that an update does not name are cleared."""
        before = self._planned.current.document.items(GROUPS).get(change.name, {})
        fields = {**before, **given(change)}
        body: dict[str, Any] = {
            name: value for name, value in fields.items() if name in GROUP_PLAIN | {"platform", "status"}
        }
        for name, column in GROUP_REFERENCES.items():
            if name in fields:
                body[column] = self._reference(GROUPS, fields[name])
        if SHARING in body:
            body[SHARING] = await self._sharing(change.name, body[SHARING])
        if "default_proxy" in fields:
            body["default_proxy_id"] = self._reference(PROXIES, fields["default_proxy"])
        if "model_routing" in fields:
            body["model_routing"] = {
                pattern: [self._id(ACCOUNTS, name) for name in names]
                for pattern, names in fields["model_routing"].items()
            }
        await self._groups.update(self._id(GROUPS, change.name), GroupUpdate(**_without_none(body)))

    async def _sharing(self, group: str, sharing: Fields | None) -> Fields:
        """Users by id. Raises CONFIG_INVALID for an address that is nobody's."""
        if sharing is None:
            return {"slots": 0}
        users, repository = {}, UserRepository(self._work.session)
        for mail, share in sharing["users"].items():
            user = None if mail.isdigit() else await repository.by_email(mail)
            if user is None and not mail.isdigit():
                raise invalid(f"groups.{group}.{SHARING}.users: {mail!r}", "is nobody's address here")
            users[mail if user is None else str(user.id)] = share
        return {**sharing, "users": users}

    async def _new_account(self, change: Change) -> None:
        fields = given(change)
        kind = fields.get("type", "apikey")
        secret = self._secret(fields.get("secret"))
        row = await self._accounts.create(
            AccountCreate(
                name=change.name,
                type=kind,
                platform=fields.get("platform") or "anthropic",
                credentials={**fields.get("credentials", {}), SECRET_FIELD.get(kind, "api_key"): secret},
                **self._plain_account(fields),
            )
        )
        self._ids[ACCOUNTS, change.name] = row.id
        await self._switch(row, fields)
        if fields.get("groups") == []:  # an account that names no group gets the platform's default one
            await self._accounts.update(row.id, AccountUpdate(group_ids=[]))

    async def _account(self, change: Change) -> None:
        fields = given(change)
        if "platform" in fields:
            raise invalid(
                f"accounts.{change.name}.platform", "cannot be changed; give the account another name"
            )
        body = self._plain_account(fields)
        before = self._planned.current.document.items(ACCOUNTS)[change.name]
        wanted = self._planned.wanted.items(ACCOUNTS)[change.name]
        kind = str(fields.get("type", before["type"]))
        secret = self._secret(wanted.get("secret"))
        if {"credentials", "secret", "type"} & fields.keys() or body.get("proxy_id"):
            credentials = dict(fields["credentials"] if "credentials" in fields else before["credentials"])
            if secret is not None:
                credentials[SECRET_FIELD.get(kind, "api_key")] = secret
            body["credentials"] = credentials
        if "type" in fields:
            body["type"] = kind
        row = await self._accounts.update(self._id(ACCOUNTS, change.name), AccountUpdate(**body))
        await self._switch(row, fields)

    async def _switch(self, row: AccountRow, fields: Fields) -> None:
        status = fields.get("status")
        if status is not None and status != row.status:
            await self._accounts.update(row.id, AccountUpdate(status=status))
        if "schedulable" in fields and fields["schedulable"] != row.schedulable:
            await self._accounts.set_schedulable(row.id, schedulable=fields["schedulable"])

    def _plain_account(self, fields: Fields) -> dict[str, Any]:
        """Fields that go as they are, names as ids."""
        beside = {"platform", "type", "status", "schedulable", "credentials", "secret", "proxy", "groups"}
        body = {
            name: _ACCOUNT_NONE_AS.get(name) if value is None else value
            for name, value in fields.items()
            if name not in beside
        }
        if "proxy" in fields:
            body["proxy_id"] = self._reference(PROXIES, fields["proxy"])
        if "groups" in fields:
            body["group_ids"] = [self._id(GROUPS, name) for name in fields["groups"]]
        return body

    async def _price(self, change: Change) -> None:
        body = PriceBody(**self._planned.wanted.items(PRICES)[change.name])
        service = PriceService(self._work)
        if change.action is Action.ADD:
            await service.create(body)
        else:
            await service.update(self._id(PRICES, change.name), body)
        await self._work.session.flush()

    async def _settings(self, change: Change) -> None:
        fields = given(change)
        if "default_subscriptions" in fields:
            fields["default_subscriptions"] = [
                {"group_id": self._id(GROUPS, entry["group"]), "validity_days": entry["validity_days"]}
                for entry in fields["default_subscriptions"]
            ]
        wanted = self._planned.wanted.items(SETTINGS)[SETTINGS]
        for name in SETTING_SECRETS & wanted.keys():
            if (value := self._secret(wanted[name])) is not None:
                fields[name] = value
            else:
                fields.pop(name, None)
        await store_settings(SettingsBody(**fields), self._work)

    def _secret(self, reference: str | None) -> str | None:
        """None: the database's own stays."""
        secret = self._secrets.get(reference or "")
        return None if secret is None else secret.reveal()

    def _reference(self, section: str, name: str | None) -> int:
        """0 stands for none, as in the contract."""
        return 0 if name is None else self._id(section, name)

    def _id(self, section: str, name: str) -> int:
        if (section, name) not in self._ids:
            raise invalid(f"{section}: {name!r}", "does not exist, neither here nor in the document")
        return self._ids[section, name]


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def done(changes: Sequence[Change]) -> int:
    return sum(change.action is not Action.LEFT for change in changes)
