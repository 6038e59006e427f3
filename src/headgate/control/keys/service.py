"""Customer keys: create, change, delete, and who may bind which group (spec 1.2, 1.5, 7.12, 8.2)."""

from datetime import UTC, timedelta

from headgate.control.groups.access import bindable_group, grant
from headgate.control.groups.repository import GroupRepository
from headgate.control.groups.schemas import stored_limits
from headgate.control.keys.bounds import WINDOWS, key_bounds
from headgate.control.keys.children import (
    adopt,
    bounded_end,
    follow_parent,
    release,
    require_within_parent,
)
from headgate.control.keys.repository import KeyRepository
from headgate.control.keys.schemas import KeyCreate, KeyGroupAnswer, KeyUpdate, key_view
from headgate.control.keys.secrets import (
    checked_custom_key,
    count_duplicate,
    fresh_key,
    require_few_duplicates,
)
from headgate.control.masking import masked
from headgate.control.subscriptions.repository import SubscriptionRepository
from headgate.control.work import Work
from headgate.core.money import from_usd
from headgate.errors import BadRequest, Conflict, Forbidden
from headgate.kit.ids import IdFactory
from headgate.kit.ipmatch import IpSet
from headgate.storage.ledger import reset_key_quota
from headgate.storage.models import ApiKeyRow


class KeyService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._keys = KeyRepository(work.session)

    async def create(self, owner_id: int, draft: KeyCreate) -> tuple[ApiKeyRow, str]:
        """The row and the key itself, which is stored nowhere.

        Raises GROUP_NOT_ALLOWED, INVALID_IP_PATTERN, API_KEY_TOO_SHORT, API_KEY_INVALID_CHARS,
        API_KEY_EXISTS, API_KEY_RATE_LIMITED.
        """
        parent = await self.own(draft.parent_id) if draft.parent_id else None
        if parent is not None:
            draft = await adopt(self._work, parent, draft)
        group_id = await bindable_group(self._work, owner_id, draft.group_id) if draft.group_id else None
        secret = await self._secret(owner_id, draft)
        digest = self._work.deps.vault.key_hash(secret)
        if await self._keys.by_hash(digest) is not None:
            await count_duplicate(self._work, owner_id)
            raise Conflict("this key exists already, choose another", reason="API_KEY_EXISTS")
        now = self._work.now()
        ends = now + timedelta(days=draft.expires_in_days) if draft.expires_in_days else None
        row = ApiKeyRow(
            user_id=owner_id,
            key_hash=digest,
            key_prefix=masked(secret),
            name=draft.name.strip() or draft.name,
            group_id=group_id if parent is None else parent.group_id,
            parent_id=None if parent is None else parent.id,
            status="active",
            ip_whitelist=checked_ip_patterns(draft.ip_whitelist),
            ip_blacklist=checked_ip_patterns(draft.ip_blacklist),
            quota_nano=from_usd(draft.quota),
            expires_at=ends if parent is None else bounded_end(parent, ends),
            limit_5h_nano=from_usd(draft.rate_limit_5h),
            limit_1d_nano=from_usd(draft.rate_limit_1d),
            limit_7d_nano=from_usd(draft.rate_limit_7d),
            concurrency=draft.concurrency,
            priority=draft.priority,
            rpm_limit=draft.rpm_limit,
            tpm_limit=draft.tpm_limit,
            model_limits=stored_limits(draft.model_limits) or None,
            created_at=now,
            updated_at=now,
        )
        self._work.session.add(row)
        await self._work.session.flush()
        self._work.touch_directory()
        return row, secret

    async def own(self, key_id: int) -> ApiKeyRow:
        """A key of the caller. Raises API_KEY_NOT_FOUND, INSUFFICIENT_PERMISSIONS (somebody else's)."""
        row = await self._keys.get(key_id)
        if row.user_id != self._work.actor.user_id:
            raise Forbidden("this key belongs to somebody else", reason="INSUFFICIENT_PERMISSIONS")
        return row

    async def update(self, row: ApiKeyRow, change: KeyUpdate) -> ApiKeyRow:
        """Raises GROUP_NOT_ALLOWED, INVALID_IP_PATTERN."""
        await require_within_parent(self._work, row, change)
        if change.group_id is not None and change.group_id != (row.group_id or 0):
            row.group_id = (
                await bindable_group(self._work, row.user_id, change.group_id) if change.group_id else None
            )
        if change.name is not None:
            row.name = change.name
        row.ip_whitelist = checked_ip_patterns(change.ip_whitelist)
        row.ip_blacklist = checked_ip_patterns(change.ip_blacklist)
        if change.reset_quota:
            await self._reset_quota(row)
        self._change_limits(row, change)
        self._change_expiry(row, change)
        if change.status is not None and (change.status == "inactive" or row.status == "inactive"):
            row.status = change.status
        row.updated_at = self._work.now()
        await follow_parent(self._work, row)
        self._work.touch_directory()
        self._work.bounds_changed(*key_bounds(row.id))
        return row

    async def delete(self, row: ApiKeyRow) -> None:
        """Its children go with it; a child's unused budget goes back to its parent."""
        await release(self._work, row)
        row.deleted_at = row.updated_at = self._work.now()
        self._work.touch_directory()

    async def change_group_as_admin(self, key_id: int, group_id: int | None) -> KeyGroupAnswer:
        """Raises API_KEY_NOT_FOUND, GROUP_NOT_FOUND, GROUP_NOT_ACTIVE, SUBSCRIPTION_REQUIRED."""
        row = await self._keys.get(key_id)
        if group_id is None:
            return KeyGroupAnswer(
                api_key=key_view(row, now_ms=self._work.now_ms()), auto_granted_group_access=False
            )
        granted = None
        if group_id:
            group = await GroupRepository(self._work.session).get(group_id)
            if group.status != "active":
                raise BadRequest("group is not active", reason="GROUP_NOT_ACTIVE")
            if group.subscription_type == "subscription":
                await self._require_subscription(row.user_id, group_id)
            elif group.is_exclusive and await grant(self._work, row.user_id, group_id):
                granted = group
        row.group_id = group_id or None
        row.updated_at = self._work.now()
        await follow_parent(self._work, row)
        self._work.touch_directory()
        return KeyGroupAnswer(
            api_key=key_view(row, now_ms=self._work.now_ms()),
            auto_granted_group_access=granted is not None,
            granted_group_id=granted.id if granted else None,
            granted_group_name=granted.name if granted else None,
        )

    async def _require_subscription(self, user_id: int, group_id: int) -> None:
        subscriptions = SubscriptionRepository(self._work.session)
        if not await subscriptions.is_subscribed(user_id, group_id, self._work.now()):
            raise BadRequest(
                "the owner has no active subscription to this group; assign one first",
                reason="SUBSCRIPTION_REQUIRED",
            )

    async def _secret(self, owner_id: int, draft: KeyCreate) -> str:
        if not draft.custom_key:
            return fresh_key(self._work)
        await require_few_duplicates(self._work, owner_id)
        return checked_custom_key(draft.custom_key)

    async def _reset_quota(self, row: ApiKeyRow) -> None:
        await reset_key_quota(
            self._work.session,
            key_id=row.id,
            actor_id=self._work.actor_id,
            operation_id=f"op:{IdFactory().new()}",
            now_ms=self._work.now_ms(),
        )
        await self._work.session.refresh(row, ["quota_used_nano"])

    def _change_limits(self, row: ApiKeyRow, change: KeyUpdate) -> None:
        for window in WINDOWS:
            if (limit := getattr(change, f"rate_limit_{window}")) is not None:
                setattr(row, f"limit_{window}_nano", from_usd(limit))
            if change.reset_rate_limit_usage:
                setattr(row, f"used_{window}_nano", 0)
                setattr(row, f"window_{window}_start", None)
        for name in ("concurrency", "priority", "rpm_limit", "tpm_limit"):
            if (limit := getattr(change, name)) is not None:
                setattr(row, name, limit)
        if change.model_limits is not None:
            row.model_limits = stored_limits(change.model_limits) or None
        if change.quota is not None:
            row.quota_nano = from_usd(change.quota)
        has_quota = row.quota_nano == 0 or row.quota_used_nano < row.quota_nano
        if row.status == "quota_exhausted" and has_quota:
            row.status = "active"

    def _change_expiry(self, row: ApiKeyRow, change: KeyUpdate) -> None:
        if change.expires_at is None:
            return
        if change.expires_at == "":
            row.expires_at = None
        else:
            instant = change.expires_at
            row.expires_at = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        is_running = row.expires_at is None or row.expires_at > self._work.now()
        if row.status == "expired" and is_running:
            row.status = "active"


def checked_ip_patterns(patterns: list[str]) -> list[str]:
    """Addresses or CIDR blocks. Raises INVALID_IP_PATTERN."""
    checked = []
    for pattern in (item.strip() for item in patterns):
        if not pattern:
            continue
        try:
            IpSet.parse([pattern])
        except ValueError:
            raise BadRequest(
                f"{pattern[:64]!r} is no IP address or CIDR block", reason="INVALID_IP_PATTERN"
            ) from None
        checked.append(pattern)
    return checked
