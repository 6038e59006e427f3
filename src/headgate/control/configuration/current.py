"""The world as a document: what there is, by name, with the ids and the secrets behind it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.accounts.credentials import SECRET_FIELD, unsealed
from headgate.control.accounts.repository import AccountRepository
from headgate.control.accounts.schemas import account_view
from headgate.control.auth.turnstile import SECRET as TURNSTILE_SECRET
from headgate.control.configuration.document import (
    ACCOUNT_PLAIN,
    ACCOUNTS,
    ERROR_RULES,
    GROUP_PLAIN,
    GROUP_REFERENCES,
    GROUPS,
    KNOWN,
    PRICES,
    PROVIDERS,
    PROXIES,
    RULES,
    SETTINGS,
    STORED,
    Document,
    Fields,
    SecretPlace,
    price_name,
)
from headgate.control.configuration.normal import (
    ACCOUNT_CLEARED,
    GROUP_CLEARED,
    SHARING,
    normalised,
    plain_extra,
)
from headgate.control.error_rules.schemas import RuleView
from headgate.control.error_rules.service import ErrorRuleService
from headgate.control.groups.schemas import admin_group_view
from headgate.control.mail.settings import server_of, view_mail_settings
from headgate.control.oauth.providers import all_providers, has_client_secret, secret_of
from headgate.control.prices.schemas import price_view
from headgate.control.settings.endpoints import admin_settings
from headgate.control.settings.health_rules import read_overload_cooldown, read_stream_timeout
from headgate.control.settings.request_rules import read_beta_policy, read_rectifier
from headgate.control.settings.values import read_secret
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.errors import Conflict
from headgate.kit.crypto import SealBroken
from headgate.kit.secret import Secret
from headgate.storage.directory_rows import PROXY_CONTEXT
from headgate.storage.models import AccountRow, ErrorRuleRow, GroupRow, PriceOverrideRow, ProxyRow

_ACTIVE_UNLESS = "inactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    document: Document
    """Normalised; every secret is `stored`."""
    ids: Mapping[tuple[str, str], int]
    """By section and name."""
    secrets: Mapping[tuple[str, str, str], Secret]
    """By section, name and field; empty where there is none."""

    def holds(self, place: SecretPlace, value: Secret) -> bool:
        stored = self.secrets.get((place.section, place.name, place.field))
        return stored is not None and stored.reveal() == value.reveal()


async def read_current(work: Work) -> Current:
    """Raises CONFIG_NAME_TWICE: a document can only name what has a name of its own."""
    reader = _Reader(work)
    return await reader.read()


class _Reader:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._ids: dict[tuple[str, str], int] = {}
        self._secrets: dict[tuple[str, str, str], Secret] = {}

    async def read(self) -> Current:
        session = self._work.session
        proxies = list(
            await session.scalars(select(ProxyRow).where(ProxyRow.deleted_at.is_(None)).order_by(ProxyRow.id))
        )
        groups = list(
            await session.scalars(select(GroupRow).where(GroupRow.deleted_at.is_(None)).order_by(GroupRow.id))
        )
        accounts = list(
            await session.scalars(
                select(AccountRow).where(AccountRow.deleted_at.is_(None)).order_by(AccountRow.id)
            )
        )
        for section, rows in ((PROXIES, proxies), (GROUPS, groups), (ACCOUNTS, accounts)):
            self._name(section, rows)
        names = _Names(proxies, groups, accounts, await _mails(session, groups))
        document = Document(
            {
                PROXIES: {row.name: self._proxy(row) for row in proxies},
                GROUPS: {row.name: _group(row, names) for row in groups},
                ACCOUNTS: await self._accounts(accounts, names),
                PRICES: await self._prices(session),
                ERROR_RULES: await self._error_rules(),
                RULES: await read_rules(self._work),
                PROVIDERS: await self._providers(),
                SETTINGS: {SETTINGS: await self._settings(names)},
            }
        )
        return Current(document=normalised(document), ids=self._ids, secrets=self._secrets)

    def _name(self, section: str, rows: Iterable[ProxyRow | GroupRow | AccountRow | ErrorRuleRow]) -> None:
        for row in rows:
            key = (section, row.name)
            if key in self._ids:
                raise Conflict(
                    f"{section} {self._ids[key]} and {row.id} are both named {row.name!r}; rename one",
                    reason="CONFIG_NAME_TWICE",
                )
            self._ids[key] = row.id

    def _proxy(self, row: ProxyRow) -> Fields:
        fields: dict[str, Any] = {
            "protocol": row.protocol,
            "host": row.host,
            "port": row.port,
            "username": row.username,
            "status": row.status,
        }
        if row.password_sealed is not None:
            fields["password"] = STORED
            try:
                password = self._work.deps.vault.unseal(row.password_sealed, context=PROXY_CONTEXT)
            except SealBroken:
                password = b""
            self._secrets[PROXIES, row.name, "password"] = Secret(password.decode())
        return fields

    async def _accounts(self, rows: Sequence[AccountRow], names: "_Names") -> dict[str, Fields]:
        links = await AccountRepository(self._work.session).links([row.id for row in rows])
        vault, now_ms = self._work.deps.vault, self._work.now_ms()
        found: dict[str, Fields] = {}
        for row in rows:
            view = account_view(row, vault, now_ms=now_ms).model_dump(mode="json", include=set(ACCOUNT_PLAIN))
            credentials = unsealed(vault, row.credentials_sealed, row.credentials_open)
            secret = credentials.secret.get(SECRET_FIELD.get(row.type, "api_key"), "")
            self._secrets[ACCOUNTS, row.name, "secret"] = Secret(secret if isinstance(secret, str) else "")
            found[row.name] = dict(_stated(view, ACCOUNT_CLEARED)) | {
                "platform": row.platform,
                "type": row.type,
                "status": _ACTIVE_UNLESS if row.status == _ACTIVE_UNLESS else "active",
                "schedulable": row.schedulable,
                "secret": STORED,
                "credentials": dict(credentials.open),
                "extra": plain_extra(account_view(row, vault, now_ms=now_ms).extra),
                "proxy": names.proxies.get(row.proxy_id or 0),
                "groups": [
                    names.groups[link.group_id]
                    for link in links.get(row.id, [])
                    if link.group_id in names.groups
                ],
            }
        return found

    async def _prices(self, session: AsyncSession) -> dict[str, Fields]:
        found: dict[str, Fields] = {}
        order = (PriceOverrideRow.model, PriceOverrideRow.effective_from)
        for row in await session.scalars(select(PriceOverrideRow).order_by(*order)):
            view = price_view(row).model_dump(mode="json", include=set(KNOWN[PRICES]))
            fields = {name: value for name, value in view.items() if value is not None}
            name = price_name(fields)
            self._ids[PRICES, name] = row.id
            found[name] = fields
        return found

    async def _error_rules(self) -> dict[str, Fields]:
        rows = await ErrorRuleService(self._work).all()
        self._name(ERROR_RULES, rows)
        return {
            row.name: RuleView.model_validate(row).model_dump(mode="json", include=set(KNOWN[ERROR_RULES]))
            for row in rows
        }

    async def _providers(self) -> dict[str, Fields]:
        found: dict[str, Fields] = {}
        for provider in await all_providers(self._work.session):
            fields = provider.model_dump(mode="json", exclude={"slug"})
            if await has_client_secret(self._work.session, provider.slug):
                fields["client_secret"] = STORED
                secret = await secret_of(self._work, provider)
                self._secrets[PROVIDERS, provider.slug, "client_secret"] = secret
            found[provider.slug] = fields
        return found

    async def _settings(self, names: "_Names") -> Fields:
        view = await admin_settings(self._work)
        fields = view.model_dump(mode="json", include=set(KNOWN[SETTINGS]))
        fields["default_subscriptions"] = [
            {"group": names.groups[entry.group_id], "validity_days": entry.validity_days}
            for entry in view.default_subscriptions
            if entry.group_id in names.groups
        ]
        if view.smtp_password_configured:
            fields["smtp_password"] = STORED
            server = await server_of(self._work, await view_mail_settings(self._work))
            self._secrets[SETTINGS, SETTINGS, "smtp_password"] = server.password
        if view.turnstile_secret_key_configured:
            fields["turnstile_secret_key"] = STORED
            place = self._work.deps.settings.auth.turnstile_url
            secret = await read_secret(self._work, TURNSTILE_SECRET, place=place)
            self._secrets[SETTINGS, SETTINGS, "turnstile_secret_key"] = secret
        return {name: value for name, value in fields.items() if value is not None}


class _Names:
    """Ids to names."""

    def __init__(
        self,
        proxies: Iterable[ProxyRow],
        groups: Iterable[GroupRow],
        accounts: Iterable[AccountRow],
        mails: Mapping[int, str],
    ) -> None:
        self.mails = mails
        self.proxies = {row.id: row.name for row in proxies}
        self.groups = {row.id: row.name for row in groups}
        self.accounts = {row.id: row.name for row in accounts}


def _group(row: GroupRow, names: _Names) -> Fields:
    view = admin_group_view(row)
    fields = view.model_dump(mode="json", include=set(GROUP_PLAIN)) | {
        "platform": row.platform,
        "status": row.status,
        "default_proxy": names.proxies.get(row.default_proxy_id or 0),
        "model_routing": {
            pattern: [names.accounts[id_] for id_ in ids if id_ in names.accounts]
            for pattern, ids in view.model_routing.items()
        },
    }
    for name, column in GROUP_REFERENCES.items():
        fields[name] = names.groups.get(getattr(row, column) or 0)
    if (sharing := row.fair_sharing) is not None:
        shares = {user_id: names.mails.get(int(user_id)) for user_id in sharing["users"]}
        users = {mail: sharing["users"][user_id] for user_id, mail in shares.items() if mail is not None}
        fields[SHARING] = {**sharing, "users": users}
    return _stated(fields, GROUP_CLEARED)


async def _mails(session: AsyncSession, groups: Iterable[GroupRow]) -> dict[int, str]:
    """Of users that groups name; those that are gone are named no more."""
    named = {int(user_id) for row in groups if row.fair_sharing for user_id in row.fair_sharing["users"]}
    return {user_id: row.email for user_id, row in (await UserRepository(session).by_ids(named)).items()}


async def read_rules(work: Work) -> dict[str, Fields]:
    """What is in force, be it stored or a default."""
    found: Mapping[str, BaseModel] = {
        "overload_cooldown": await read_overload_cooldown(work),
        "stream_timeout": await read_stream_timeout(work),
        "rectifier": await read_rectifier(work),
        "beta_policy": await read_beta_policy(work),
    }
    return {name: view.model_dump(mode="json") for name, view in found.items()}


def _stated(fields: Fields, cleared: Collection[str]) -> Fields:
    """Without what is null and could not be said to be."""
    return {name: value for name, value in fields.items() if value is not None or name in cleared}
