"""What the command line shows of users, groups, accounts and keys: plain values, no secrets but a new key."""

from dataclasses import dataclass

from headgate.control.accounts.repository import AccountRepository
from headgate.control.groups.repository import GroupRepository
from headgate.control.work import Work
from headgate.core.money import MULTIPLIER_ONE, to_usd
from headgate.kit.secret import Secret
from headgate.storage.models import AccountRow, ApiKeyRow, GroupRow, UserRow


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInfo:
    id: int
    email: str
    role: str
    status: str
    balance_usd: float
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupInfo:
    id: int
    name: str
    platform: str
    status: str
    multiplier: float
    is_exclusive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    id: int
    name: str
    platform: str
    type: str
    status: str
    is_schedulable: bool
    base_url: str
    """Empty: the provider's own address."""
    priority: int
    concurrency: int
    error_message: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    id: int
    name: str
    user: str
    group: str
    """Empty when it has none."""
    status: str
    mask: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    info: KeyInfo
    secret: Secret
    """Shown once."""


def user_info(row: UserRow) -> UserInfo:
    return UserInfo(
        id=row.id,
        email=row.email,
        role=row.role,
        status=row.status,
        balance_usd=to_usd(row.balance_nano),
        concurrency=row.concurrency,
    )


def group_info(row: GroupRow) -> GroupInfo:
    return GroupInfo(
        id=row.id,
        name=row.name,
        platform=row.platform,
        status=row.status,
        multiplier=row.charge_multiplier / MULTIPLIER_ONE,
        is_exclusive=row.is_exclusive,
    )


async def account_info(work: Work, row: AccountRow) -> AccountInfo:
    links = (await AccountRepository(work.session).links([row.id])).get(row.id, [])
    groups = await GroupRepository(work.session).by_ids({link.group_id for link in links})
    return AccountInfo(
        id=row.id,
        name=row.name,
        platform=row.platform,
        type=row.type,
        status=row.status,
        is_schedulable=row.schedulable,
        base_url=(row.credentials_open or {}).get("base_url", ""),
        priority=row.priority,
        concurrency=row.concurrency,
        error_message=row.error_message,
        groups=tuple(sorted(group.name for group in groups.values())),
    )


def key_info(row: ApiKeyRow, owner: UserRow, group: GroupRow | None) -> KeyInfo:
    return KeyInfo(
        id=row.id,
        name=row.name,
        user=owner.email,
        group=group.name if group else "",
        status=row.status,
        mask=row.key_prefix,
    )
