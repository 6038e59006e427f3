"""The world as a document: what there is, by name, with the ids and the secrets behind it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.accounts.credentials import SECRET_FIELD, unsealed
from headgate.control.accounts.repository import AccountRepository
from headgate.control.accounts.schemas import account_view
from headgate.control.auth.turnstile import SECRET as TURNSTILE_SECRET
from headgate.control.configuration.document import (
    ACCOUNT_PLAIN,
    ACCOUNTS,
    GROUP_PLAIN,
    GROUP_REFERENCES,
    GROUPS,
    KNOWN,
    PRICES,
    PROXIES,
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
    normalised,
    plain_extra,
)
from headgate.control.groups.schemas import admin_group_view
from headgate.control.mail.settings import server_of, view_mail_settings
from headgate.control.prices.schemas import price_view
from headgate.control.settings.endpoints import admin_settings
from headgate.control.settings.values import read_secret
from headgate.control.work import Work
from headgate.errors import Conflict
from headgate.kit.crypto import SealBroken
from headgate.kit.secret import Secret
from headgate.storage.directory_rows import PROXY_CONTEXT
from headgate.storage.models import AccountRow, GroupRow, PriceOverrideRow, ProxyRow

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
        names = _Names(proxies, groups, accounts)
        document = Document(
            {
                PROXIES: {row.name: self._proxy(row) for row in proxies},
                GROUPS: {row.name: _group(row, names) for row in groups},
                ACCOUNTS: await self._accounts(accounts, names),
                PRICES: await self._prices(session),
                SETTINGS: {SETTINGS: await self._settings(names)},
            }
        )
        return Current(document=normalised(document), ids=self._ids, secrets=self._secrets)

    def _name(self, section: str, rows: Iterable[ProxyRow | GroupRow | AccountRow]) -> None:
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
        self, proxies: Iterable[ProxyRow], groups: Iterable[GroupRow], accounts: Iterable[AccountRow]
    ) -> None:
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
    return _stated(fields, GROUP_CLEARED)


def _stated(fields: Fields, cleared: Collection[str]) -> Fields:
    """Without what is null and could not be said to be."""
    return {name: value for name, value in fields.items() if value is not None or name in cleared}
