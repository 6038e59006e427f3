"""The use cases behind `headgate user|group|account|key`: the services of the API, straight on the database.

A running gateway sees the changes within a second (directory version). Answers are plain values, secrets
only where they are made. Failures are `ApiError`s, as over HTTP.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select

from headgate.control.accounts.repository import AccountFilter, AccountRepository
from headgate.control.accounts.schemas import AccountCreate, AccountUpdate
from headgate.control.accounts.service import AccountService
from headgate.control.command_values import (
    AccountInfo,
    GroupInfo,
    KeyInfo,
    NewKey,
    UserInfo,
    account_info,
    group_info,
    key_info,
    user_info,
)
from headgate.control.deps import BaseUrlCheck, UnitOfWorkFactory, WorkDeps
from headgate.control.groups.repository import GroupFilter, GroupRepository
from headgate.control.groups.schemas import GroupCreate
from headgate.control.groups.service import GroupService
from headgate.control.keys.repository import KeyRepository
from headgate.control.keys.rotation import rotate_key
from headgate.control.keys.schemas import KeyCreate, KeyRotate, KeyUpdate
from headgate.control.keys.service import KeyService
from headgate.control.live import SlotLoads
from headgate.control.totp.service import TotpService
from headgate.control.users.balance import BalanceService
from headgate.control.users.repository import UserFilter, UserRepository
from headgate.control.users.schemas import BalanceBody, UserCreate, UserUpdate
from headgate.control.users.service import UserService
from headgate.control.web.envelope import Paging
from headgate.control.web.fields import RequestBody
from headgate.control.work import SYSTEM, Work, open_work
from headgate.errors import BadRequest, NotFound
from headgate.kit.clock import Clock
from headgate.kit.crypto import Vault
from headgate.kit.secret import Secret
from headgate.settings import Settings
from headgate.state.memory import open_memory_state
from headgate.storage.models import AccountRow, GroupRow, UserRow

__all__ = [
    "AccountCommands", "AccountInfo", "GroupCommands", "GroupInfo", "KeyCommands", "KeyInfo", "NewKey",
    "UserCommands", "UserInfo", "checked", "command_deps", "find_group", "find_user",
]  # fmt: skip

_ALL = Paging(page=1, page_size=1000)
"""A terminal shows no more; the API pages."""


def command_deps(
    settings: Settings,
    uow: UnitOfWorkFactory,
    vault: Vault,
    clock: Clock,
    *,
    check_base_url: BaseUrlCheck,
    command: str = "headgate",
) -> WorkDeps:
    """For a process beside the gateway: its state is its own, the gateway learns through the directory
    version. `command` is what the audit log shows."""
    state = open_memory_state(clock, settings.limits)

    async def forget(bounds: list[str]) -> None:
        await state.reservations.forget(bounds)

    return WorkDeps(
        settings=settings,
        uow=uow,
        vault=vault,
        clock=clock,
        state=state,
        on_bounds_changed=forget,
        check_base_url=check_base_url,
        live=SlotLoads(state.slots),
        command=command,
    )


class UserCommands:
    def __init__(self, deps: WorkDeps) -> None:
        self._deps = deps

    async def create(
        self,
        *,
        email: str,
        password: Secret,
        role: str = "user",
        balance_usd: float | None = None,
        rpm: int = 0,
        tpm: int = 0,
    ) -> UserInfo:
        draft = checked(
            UserCreate, email=email, password=password.reveal(), role=role, balance=balance_usd,
            rpm_limit=rpm, tpm_limit=tpm,
        )  # fmt: skip
        async with open_work(self._deps, SYSTEM) as work:
            return user_info(await UserService(work).create(draft))

    async def list(self) -> Sequence[UserInfo]:
        async with open_work(self._deps, SYSTEM) as work:
            rows, _ = await UserRepository(work.session).page(UserFilter(), _ALL)
            return [user_info(row) for row in rows]

    async def set_enabled(self, user: str, *, enabled: bool) -> UserInfo:
        change = UserUpdate(status="active" if enabled else "disabled")
        return await self._update(user, change)

    async def set_role(self, user: str, role: str) -> UserInfo:
        """Raises LAST_ADMIN, INVALID_INPUT."""
        return await self._update(user, checked(UserUpdate, role=role))

    async def set_password(self, user: str, password: Secret) -> UserInfo:
        return await self._update(user, checked(UserUpdate, password=password.reveal()))

    async def remove_second_factor(self, user: str) -> UserInfo:
        """Raises TOTP_NOT_SETUP."""
        async with open_work(self._deps, SYSTEM) as work:
            row = await find_user(work, user)
            await TotpService(work).reset(row.id)
            return user_info(row)

    async def change_balance(
        self, user: str, *, operation: str, amount_usd: float, note: str = ""
    ) -> UserInfo:
        """`operation`: set, add or subtract. Raises INSUFFICIENT_BALANCE."""
        body = checked(BalanceBody, balance=amount_usd, operation=operation, notes=note)
        async with open_work(self._deps, SYSTEM) as work:
            row = await BalanceService(work).change((await find_user(work, user)).id, body)
            work.touch_directory()  # the gateway is another process: it re-reads balances with the directory
            return user_info(row)

    async def _update(self, user: str, change: UserUpdate) -> UserInfo:
        async with open_work(self._deps, SYSTEM) as work:
            return user_info(await UserService(work).update((await find_user(work, user)).id, change))


class GroupCommands:
    def __init__(self, deps: WorkDeps) -> None:
        self._deps = deps

    async def create(
        self,
        *,
        name: str,
        platform: str,
        multiplier: float = 1.0,
        is_exclusive: bool = False,
        overdraft_usd: float = 0,
        unknown_price: str = "inherit",
        quota_basis: str = "charge",
        scheduling_policy: str = "layered",
        rpm: int = 0,
        tpm: int = 0,
    ) -> GroupInfo:
        """`overdraft_usd` 0: an answer that the money no longer covers ends."""
        draft = checked(
            GroupCreate, name=name, platform=platform, rate_multiplier=multiplier, is_exclusive=is_exclusive,
            overrun_policy="overdraft" if overdraft_usd > 0 else "strict", overdraft_limit_usd=overdraft_usd,
            unknown_price=unknown_price, quota_basis=quota_basis,
            scheduling_policy=scheduling_policy, rpm_limit=rpm, tpm_limit=tpm,
        )  # fmt: skip
        async with open_work(self._deps, SYSTEM) as work:
            return group_info(await GroupService(work).create(draft))

    async def list(self) -> Sequence[GroupInfo]:
        async with open_work(self._deps, SYSTEM) as work:
            rows, _ = await GroupRepository(work.session).page(GroupFilter(), _ALL)
            return [group_info(row) for row in rows]

    async def set_enabled(self, group: str, *, enabled: bool) -> GroupInfo:
        async with open_work(self._deps, SYSTEM) as work:
            row = await find_group(work, group)
            row.status, row.updated_at = "active" if enabled else "inactive", work.now()
            work.touch_directory()
            return group_info(row)

    async def delete(self, group: str) -> None:
        async with open_work(self._deps, SYSTEM) as work:
            await GroupService(work).delete((await find_group(work, group)).id)


class AccountCommands:
    def __init__(self, deps: WorkDeps) -> None:
        self._deps = deps

    async def create(
        self,
        *,
        name: str,
        platform: str,
        secret: Secret,
        type: str = "apikey",
        base_url: str = "",
        groups: Sequence[str] = (),
        priority: int | None = None,
        concurrency: int | None = None,
        proxy_id: int | None = None,
    ) -> AccountInfo:
        """`groups` by name or id; without any it joins `<platform>-default` when that exists."""
        credentials: dict[str, Any] = {"access_token" if type == "bearer" else "api_key": secret.reveal()}
        if base_url:
            credentials["base_url"] = base_url
        async with open_work(self._deps, SYSTEM) as work:
            ids = [(await find_group(work, group)).id for group in groups]
            draft = checked(
                AccountCreate, name=name, platform=platform, type=type, credentials=credentials,
                group_ids=ids, priority=priority, concurrency=concurrency, proxy_id=proxy_id,
            )  # fmt: skip
            return await account_info(work, await AccountService(work).create(draft))

    async def list(self) -> Sequence[AccountInfo]:
        async with open_work(self._deps, SYSTEM) as work:
            rows, _ = await AccountRepository(work.session).page(AccountFilter(), _ALL, work.now())
            return [await account_info(work, row) for row in rows]

    async def set_enabled(self, account: str, *, enabled: bool) -> AccountInfo:
        async with open_work(self._deps, SYSTEM) as work:
            row = await find_account(work, account)
            change = AccountUpdate(status="active" if enabled else "inactive")
            return await account_info(work, await AccountService(work).update(row.id, change))

    async def set_secret(self, account: str, secret: Secret) -> AccountInfo:
        """Replace the credential; everything else stays."""
        async with open_work(self._deps, SYSTEM) as work:
            row = await find_account(work, account)
            name = "access_token" if row.type == "bearer" else "api_key"
            credentials = {**(row.credentials_open or {}), name: secret.reveal()}
            change = checked(AccountUpdate, credentials=credentials)
            return await account_info(work, await AccountService(work).update(row.id, change))

    async def recover(self, account: str) -> AccountInfo:
        async with open_work(self._deps, SYSTEM) as work:
            row = await find_account(work, account)
            return await account_info(work, await AccountService(work).recover(row.id))

    async def delete(self, account: str) -> None:
        async with open_work(self._deps, SYSTEM) as work:
            await AccountService(work).delete((await find_account(work, account)).id)


class KeyCommands:
    def __init__(self, deps: WorkDeps) -> None:
        self._deps = deps

    async def create(
        self,
        *,
        user: str,
        group: str,
        name: str = "",
        quota_usd: float = 0,
        expires_in_days: int | None = None,
        concurrency: int = 0,
        rpm: int = 0,
        tpm: int = 0,
    ) -> NewKey:
        """`user` by e-mail or id, `group` by name or id. Raises GROUP_NOT_ALLOWED and what `KeyService`
        raises."""
        async with open_work(self._deps, SYSTEM) as work:
            owner, pool = await find_user(work, user), await find_group(work, group)
            draft = checked(
                KeyCreate, name=name or f"{pool.name} key", group_id=pool.id, quota=quota_usd,
                expires_in_days=expires_in_days, concurrency=concurrency, rpm_limit=rpm, tpm_limit=tpm,
            )  # fmt: skip
            row, secret = await KeyService(work).create(owner.id, draft)
            return NewKey(info=key_info(row, owner, pool), secret=Secret(secret))

    async def list(self, user: str) -> Sequence[KeyInfo]:
        async with open_work(self._deps, SYSTEM) as work:
            owner = await find_user(work, user)
            rows, _ = await KeyRepository(work.session).page_of_user(owner.id, _ALL)
            groups = await GroupRepository(work.session).by_ids(
                {row.group_id for row in rows if row.group_id}
            )
            return [key_info(row, owner, groups.get(row.group_id or 0)) for row in rows]

    async def set_enabled(self, key_id: int, *, enabled: bool) -> KeyInfo:
        async with open_work(self._deps, SYSTEM) as work:
            row = await KeyRepository(work.session).get(key_id)
            change = KeyUpdate(
                status="active" if enabled else "inactive",
                ip_whitelist=row.ip_whitelist or [],
                ip_blacklist=row.ip_blacklist or [],
            )
            await KeyService(work).update(row, change)
            owner = await UserRepository(work.session).get(row.user_id)
            groups = await GroupRepository(work.session).by_ids({row.group_id} if row.group_id else set())
            return key_info(row, owner, groups.get(row.group_id or 0))

    async def rotate(self, key_id: int, *, overlap_hours: float) -> NewKey:
        """Raises API_KEY_NOT_FOUND and what `rotate_key` raises."""
        async with open_work(self._deps, SYSTEM) as work:
            row = await KeyRepository(work.session).get(key_id)
            body = checked(KeyRotate, overlap_hours=overlap_hours)
            secret = await rotate_key(work, row, overlap_hours=body.overlap_hours)
            owner = await UserRepository(work.session).get(row.user_id)
            groups = await GroupRepository(work.session).by_ids({row.group_id} if row.group_id else set())
            info = key_info(row, owner, groups.get(row.group_id or 0))
            return NewKey(info=info, secret=Secret(secret))

    async def delete(self, key_id: int) -> None:
        async with open_work(self._deps, SYSTEM) as work:
            await KeyService(work).delete(await KeyRepository(work.session).get(key_id))


async def find_user(work: Work, reference: str) -> UserRow:
    """By e-mail or id. Raises USER_NOT_FOUND."""
    users = UserRepository(work.session)
    if reference.isdigit():
        return await users.get(int(reference))
    row = await users.by_email(reference)
    if row is None:
        raise NotFound(f"there is no user {reference!r}; see `headgate user list`", reason="USER_NOT_FOUND")
    return row


async def find_group(work: Work, reference: str) -> GroupRow:
    """By name or id. Raises GROUP_NOT_FOUND."""
    groups = GroupRepository(work.session)
    row = await groups.by_name(reference)
    if row is not None:
        return row
    if reference.isdigit():
        return await groups.get(int(reference))
    raise NotFound(f"there is no group {reference!r}; see `headgate group list`", reason="GROUP_NOT_FOUND")


async def find_account(work: Work, reference: str) -> AccountRow:
    """By name or id. Raises ACCOUNT_NOT_FOUND, INVALID_INPUT when several have the name."""
    rows = (
        await work.session.scalars(
            select(AccountRow).where(AccountRow.name == reference, AccountRow.deleted_at.is_(None)).limit(2)
        )
    ).all()
    if len(rows) > 1:
        raise BadRequest(f"several accounts are named {reference!r}; use the id")
    if rows:
        return rows[0]
    if reference.isdigit():
        return await AccountRepository(work.session).get(int(reference))
    raise NotFound(
        f"there is no account {reference!r}; see `headgate account list`", reason="ACCOUNT_NOT_FOUND"
    )


def checked(kind: type[Any], **values: Any) -> Any:
    """Build a body as the API would. Raises INVALID_INPUT naming the field, never the value."""
    assert issubclass(kind, RequestBody)
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadRequest(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
