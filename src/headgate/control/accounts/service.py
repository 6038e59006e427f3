"""Upstream accounts: create, change, delete, switch, recover (spec 8.4)."""

from collections.abc import Sequence
from datetime import UTC, datetime

from headgate.control.accounts.credentials import Credentials, merged, sealed, unsealed
from headgate.control.accounts.destination import require_secret_for_move
from headgate.control.accounts.health import note_down, note_recovered
from headgate.control.accounts.quota import apply_extra, bounds_of, reset_quota
from headgate.control.accounts.repository import AccountRepository
from headgate.control.accounts.schemas import AccountCreate, AccountFields, AccountUpdate
from headgate.control.groups.repository import GroupRepository
from headgate.control.work import Work
from headgate.core.ids import AccountId
from headgate.core.money import multiplier_from
from headgate.core.routing.health import MARKED
from headgate.core.world import Provider
from headgate.errors import BadRequest
from headgate.storage.models import AccountRow

_TYPES = {"apikey": "apikey", "upstream": "apikey", "bearer": "bearer"}
_LATER_TYPES = frozenset({"oauth", "setup-token", "bedrock"})


class AccountService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._vault = work.deps.vault
        self._accounts = AccountRepository(work.session)

    async def create(self, draft: AccountCreate) -> AccountRow:
        """Raises INVALID_PLATFORM, INVALID_INPUT (type, credentials, address, proxy), INVALID_GROUP_ID."""
        platform, kind = _platform(draft.platform), _kind(draft.type)
        credentials = merged(draft.credentials, kind=kind, stored=None)
        await self._check_base_url(credentials)
        groups = await self._groups_of(platform, draft.group_ids)
        now = self._work.now()
        row = AccountRow(
            name=draft.name,
            platform=platform,
            type=kind,
            credentials_sealed=sealed(self._vault, credentials.secret),
            credentials_open=dict(credentials.open),
            extra={},
            status="active",
            schedulable=True,
            created_at=now,
            updated_at=now,
        )
        await self._apply(row, draft)
        if row.proxy_id is None:
            row.proxy_id = await self._default_proxy(groups)
        self._work.session.add(row)
        await self._work.session.flush()
        await self._accounts.replace_groups(row.id, groups, now)
        self._work.touch_directory()
        return row

    async def update(self, account_id: int, change: AccountUpdate) -> AccountRow:
        """Raises ACCOUNT_NOT_FOUND, INVALID_INPUT, INVALID_GROUP_ID, SECRET_REQUIRED."""
        row = await self._accounts.get(account_id)
        kind = row.type if change.type is None else _kind(change.type)
        if change.credentials is not None or kind != row.type or _has_new_proxy(row, change):
            await self._replace_credentials(row, kind, change)
        for name in ("name", "status"):
            if (value := getattr(change, name)) is not None:
                setattr(row, name, value)
        if change.status == "active":
            row.error_message = ""
            await self._end_bridge(row)
        await self._apply(row, change)
        row.updated_at = self._work.now()
        if change.group_ids is not None:
            groups = await self._groups_of(row.platform, change.group_ids, default=False)
            await self._accounts.replace_groups(row.id, groups, row.updated_at)
        self._work.touch_directory()
        return row

    async def delete(self, account_id: int) -> None:
        """Raises ACCOUNT_NOT_FOUND. The row stays for the books, its credential and scheduled tests do
        not."""
        row = await self._accounts.get(account_id)
        row.deleted_at = row.updated_at = self._work.now()
        row.credentials_sealed = sealed(self._vault, {})
        await self._accounts.replace_groups(row.id, [], row.updated_at)
        await self._accounts.drop_scheduled_tests(row.id)
        self._work.touch_directory()

    async def set_schedulable(self, account_id: int, *, schedulable: bool) -> AccountRow:
        """Raises ACCOUNT_NOT_FOUND."""
        row = await self._accounts.get(account_id)
        row.schedulable = schedulable
        return self._touched(row)

    async def clear_error(self, account_id: int) -> AccountRow:
        """Raises ACCOUNT_NOT_FOUND."""
        row = await self._accounts.get(account_id)
        _clear_error(row)
        await self._end_bridge(row)
        await note_recovered(self._work, row.id, "error cleared")
        return self._touched(row)

    async def clear_rate_limit(self, account_id: int) -> AccountRow:
        """Forget cooldowns, here and in the shared state. Raises ACCOUNT_NOT_FOUND."""
        row = await self._accounts.get(account_id)
        await self._clear_cooldowns(row)
        await note_recovered(self._work, row.id, "cooldowns cleared")
        return self._touched(row)

    async def clear_temp_unschedulable(self, account_id: int) -> AccountRow:
        """Raises ACCOUNT_NOT_FOUND."""
        row = await self._accounts.get(account_id)
        row.temp_unschedulable_until, row.temp_unschedulable_reason = None, ""
        await self._work.deps.state.cooldowns.clear(AccountId(row.id))
        await note_recovered(self._work, row.id, "cooldowns cleared")
        return self._touched(row)

    async def recover(self, account_id: int) -> AccountRow:
        """Everything that keeps a healthy account from being chosen. Raises ACCOUNT_NOT_FOUND."""
        row = await self._accounts.get(account_id)
        _clear_error(row)
        await self._clear_cooldowns(row)
        await note_recovered(self._work, row.id, "recovered")
        return self._touched(row)

    async def recover_after_test(self, account_id: int) -> None:
        """An answer has proven the account well: `recover`, unless it was switched off by hand or nothing is
        wrong. Raises ACCOUNT_NOT_FOUND."""
        row = await self._accounts.get(account_id)
        cooling = await self._work.deps.state.cooldowns.active([AccountId(row.id)])
        stored = (row.rate_limit_reset_at, row.overload_until, row.temp_unschedulable_until)
        if row.status == "inactive" or not (row.status == "error" or cooling or any(stored)):
            return
        _clear_error(row)
        await self._clear_cooldowns(row)
        await note_recovered(self._work, row.id, "test answered")
        self._touched(row)

    async def refused_in_test(self, account_id: int) -> None:
        """Anthropic has answered a test with 403: mark the account. Raises ACCOUNT_NOT_FOUND."""
        row = await self._accounts.get(account_id)
        if row.platform != Provider.ANTHROPIC or row.status != "active":
            return
        row.status, row.error_message = "error", "Access forbidden (403) in a test of the account"
        await note_down(self._work, row.id, row.error_message)
        self._touched(row)

    async def reset_quota(self, account_id: int) -> AccountRow:
        """What the quota has counted so far is forgotten. Raises ACCOUNT_NOT_FOUND."""
        row = await self._accounts.get(account_id)
        reset_quota(row)
        self._work.bounds_changed(*bounds_of(row.id))
        return self._touched(row)

    async def _end_bridge(self, row: AccountRow) -> None:
        """With an error mark ends what kept requests away while it was news."""
        cooldowns = self._work.deps.state.cooldowns
        for known in await cooldowns.active([AccountId(row.id)]):
            if known.reason == MARKED:
                await cooldowns.forget(known.account_id, known.model, until_ms=known.until_ms)

    async def _clear_cooldowns(self, row: AccountRow) -> None:
        row.rate_limited_at = row.rate_limit_reset_at = row.overload_until = None
        row.temp_unschedulable_until, row.temp_unschedulable_reason = None, ""
        await self._work.deps.state.cooldowns.clear(AccountId(row.id))

    def _touched(self, row: AccountRow) -> AccountRow:
        row.updated_at = self._work.now()
        self._work.touch_directory()
        return row

    async def _replace_credentials(self, row: AccountRow, kind: str, change: AccountUpdate) -> None:
        stored = unsealed(self._vault, row.credentials_sealed, row.credentials_open)
        given = stored.open if change.credentials is None else change.credentials
        new_proxy = _has_new_proxy(row, change)
        is_moved = require_secret_for_move(given, stored, kind=kind, new_proxy=new_proxy)
        credentials = merged(given, kind=kind, stored=None if is_moved else stored)
        if credentials.open.get("base_url") != stored.open.get("base_url"):
            await self._check_base_url(credentials)
        row.type = kind
        row.credentials_sealed = sealed(self._vault, credentials.secret)
        row.credentials_open = dict(credentials.open)

    async def _check_base_url(self, credentials: Credentials) -> None:
        base_url = credentials.open.get("base_url")
        if base_url and (refusal := await self._work.deps.check_base_url(base_url)) is not None:
            raise BadRequest(f"credentials.base_url: {refusal}", reason="INVALID_BASE_URL")

    async def _apply(self, row: AccountRow, fields: AccountFields) -> None:
        for name in ("notes", "concurrency", "priority", "auto_pause_on_expired"):
            if (value := getattr(fields, name)) is not None:
                setattr(row, name, value)
        if fields.extra is not None and apply_extra(row, fields.extra) and row.id is not None:
            self._work.bounds_changed(*bounds_of(row.id))
        if fields.rate_multiplier is not None:
            row.cost_multiplier = multiplier_from(fields.rate_multiplier)
        if fields.load_factor is not None:
            row.load_factor = fields.load_factor if fields.load_factor > 0 else None
        if fields.expires_at is not None:
            row.expires_at = (
                datetime.fromtimestamp(fields.expires_at, tz=UTC) if fields.expires_at > 0 else None
            )
        if fields.proxy_id is not None:
            if fields.proxy_id and fields.proxy_id not in await self._accounts.proxies([fields.proxy_id]):
                raise BadRequest(f"proxy {fields.proxy_id} does not exist")
            row.proxy_id = fields.proxy_id or None

    async def _groups_of(
        self, platform: str, group_ids: Sequence[int] | None, *, default: bool = True
    ) -> list[int]:
        if not group_ids:
            fallback = await self._accounts.default_group(platform) if default else None
            return [fallback] if fallback is not None else []
        found = await GroupRepository(self._work.session).by_ids(group_ids)
        for group_id in group_ids:
            if group_id not in found:
                raise BadRequest(f"group {group_id} does not exist", reason="INVALID_GROUP_ID")
            if found[group_id].platform != platform:
                raise BadRequest(
                    f"group {group_id} is of platform {found[group_id].platform}, the account of {platform}",
                    reason="INVALID_GROUP_ID",
                )
        return list(group_ids)

    async def _default_proxy(self, group_ids: Sequence[int]) -> int | None:
        if not group_ids:
            return None
        return (await GroupRepository(self._work.session).get(group_ids[0])).default_proxy_id


def _has_new_proxy(row: AccountRow, change: AccountUpdate) -> bool:
    return bool(change.proxy_id) and change.proxy_id != row.proxy_id


def _clear_error(row: AccountRow) -> None:
    row.status, row.error_message = "active", ""


def _platform(value: str) -> str:
    if value not in list(Provider):
        raise BadRequest(f"platform must be one of {', '.join(Provider)}", reason="INVALID_PLATFORM")
    return value


def _kind(value: str) -> str:
    if value in _LATER_TYPES:
        raise BadRequest(f"accounts of type {value} are not supported yet; use apikey or bearer")
    if value not in _TYPES:
        raise BadRequest("account type must be apikey or bearer")
    return _TYPES[value]
