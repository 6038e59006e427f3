"""Groups: create, change, delete, order, personal multipliers (spec 8.3)."""

from collections.abc import Sequence

from sqlalchemy import func, select

from headgate.control.groups.fallbacks import check_fallbacks
from headgate.control.groups.repository import GroupRepository
from headgate.control.groups.routing import check_model_routing
from headgate.control.groups.schemas import (
    GroupCreate,
    GroupFields,
    GroupUpdate,
    RateEntry,
    SortEntry,
    stored_limits,
)
from headgate.control.work import Work
from headgate.core.money import from_usd, multiplier_from
from headgate.errors import BadRequest, Conflict
from headgate.storage.models import GroupRow, ProxyRow, UserGroupMultiplierRow, UserRow

_CLEARED_WHEN_ABSENT = {
    "daily_limit_usd": "daily_limit_nano",
    "weekly_limit_usd": "weekly_limit_nano",
    "monthly_limit_usd": "monthly_limit_nano",
    "image_price_1k": "image_price_1k_nano",
    "image_price_2k": "image_price_2k_nano",
    "image_price_4k": "image_price_4k_nano",
}
_PLAIN = (
    "description",
    "is_exclusive",
    "subscription_type",
    "default_validity_days",
    "claude_code_only",
    "model_routing",
    "model_routing_enabled",
    "supported_model_scopes",
    "allow_messages_dispatch",
    "default_mapped_model",
    "sort_order",
    "disconnect_policy",
    "overrun_policy",
    "unknown_price",
    "quota_basis",
    "scheduling_policy",
    "rpm_limit",
    "tpm_limit",
)
_REFERENCES = ("fallback_group_id", "fallback_group_id_on_invalid_request", "default_proxy_id")


class GroupService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._groups = GroupRepository(work.session)

    async def create(self, draft: GroupCreate) -> GroupRow:
        """Raises GROUP_EXISTS, INVALID_INPUT (fallbacks, proxy, routing, copy sources),
        OVERDRAFT_LIMIT_REQUIRED."""
        await self._require_free_name(draft.name, owner=None)
        now = self._work.now()
        default = multiplier_from(self._work.deps.settings.auth.default_rate_multiplier)
        row = GroupRow(
            name=draft.name,
            platform=draft.platform,
            charge_multiplier=default,
            status="active",
            subscription_type="standard",
            overrun_policy="strict",
            overdraft_limit_nano=0,
            claude_code_only=False,
            model_routing={},
            supported_model_scopes=[],
            created_at=now,
            updated_at=now,
        )
        await self._apply(row, draft)
        self._work.session.add(row)
        await self._work.session.flush()
        await check_fallbacks(self._groups, row)
        await self._copy_accounts(row, draft.copy_accounts_from_group_ids)
        self._work.touch_directory()
        return row

    async def update(self, group_id: int, change: GroupUpdate) -> GroupRow:
        """Raises GROUP_NOT_FOUND, GROUP_EXISTS, INVALID_INPUT, OVERDRAFT_LIMIT_REQUIRED."""
        row = await self._groups.get(group_id)
        if change.name is not None:
            await self._require_free_name(change.name, owner=row.id)
            row.name = change.name
        if change.platform is not None and change.platform != row.platform:
            await self._change_platform(row, change.platform)
        if change.status is not None:
            row.status = change.status
        if change.subscription_type is not None and change.subscription_type != row.subscription_type:
            await self._check_type_change(row)
        await self._apply(row, change)
        row.updated_at = self._work.now()
        await self._work.session.flush()
        await check_fallbacks(self._groups, row)
        if change.copy_accounts_from_group_ids:
            await self._groups.clear_accounts(row.id)
            await self._copy_accounts(row, change.copy_accounts_from_group_ids)
        self._work.touch_directory()
        return row

    async def delete(self, group_id: int) -> None:
        """Raises GROUP_NOT_FOUND."""
        await self._groups.detach(await self._groups.get(group_id), self._work.now())
        self._work.touch_directory()

    async def sort(self, updates: Sequence[SortEntry]) -> None:
        """Raises GROUP_NOT_FOUND."""
        for entry in updates:
            row = await self._groups.get(entry.id)
            row.sort_order, row.updated_at = entry.sort_order, self._work.now()

    async def replace_rates(self, group_id: int, entries: Sequence[RateEntry]) -> None:
        """The whole list. Raises GROUP_NOT_FOUND, USER_NOT_FOUND (as INVALID_INPUT)."""
        await self._groups.get(group_id)
        wanted = {entry.user_id: multiplier_from(entry.rate_multiplier) for entry in entries}
        known = set(
            await self._work.session.scalars(
                select(UserRow.id).where(UserRow.id.in_(list(wanted)), UserRow.deleted_at.is_(None))
            )
        )
        if missing := sorted(set(wanted) - known):
            raise BadRequest(f"user {missing[0]} does not exist")
        await self._groups.clear_rates(group_id)
        self._work.session.add_all(
            UserGroupMultiplierRow(user_id=user, group_id=group_id, charge_multiplier=value)
            for user, value in wanted.items()
        )
        await self._work.session.flush()
        self._work.touch_directory()

    async def clear_rates(self, group_id: int) -> None:
        """Raises GROUP_NOT_FOUND."""
        await self._groups.get(group_id)
        await self._groups.clear_rates(group_id)
        self._work.touch_directory()

    async def _apply(self, row: GroupRow, fields: GroupFields) -> None:
        if fields.rate_multiplier is not None:
            row.charge_multiplier = multiplier_from(fields.rate_multiplier)
        for name in _PLAIN:
            if (value := getattr(fields, name)) is not None:
                setattr(row, name, value)
        for name, column in _CLEARED_WHEN_ABSENT.items():
            amount = getattr(fields, name)
            setattr(row, column, None if amount is None else from_usd(amount))
        if fields.model_routing:
            await check_model_routing(self._groups, row.platform, fields.model_routing)
        if fields.overdraft_limit_usd is not None:
            row.overdraft_limit_nano = from_usd(fields.overdraft_limit_usd)
        _apply_sharing(row, fields)
        _check_overdraft(row)
        for name in _REFERENCES:
            if (reference := getattr(fields, name)) is not None:
                setattr(row, name, reference or None)
        if row.default_proxy_id is not None and fields.default_proxy_id:
            await self._require_proxy(row.default_proxy_id)

    async def _change_platform(self, row: GroupRow, platform: str) -> None:
        counts = await self._groups.account_counts([row.id], self._work.now())
        if counts:
            raise BadRequest(
                "the platform of a group with accounts cannot be changed; remove its accounts first"
            )
        row.platform = platform

    async def _check_type_change(self, row: GroupRow) -> None:
        """Neither may subscribers be charged from their balance unasked, nor a fallback lead to a group that
        is sold. Raises INVALID_INPUT."""
        await self._groups.lock(row.id)  # nobody subscribes between the question and the change
        if await self._groups.has_running_subscriptions(row.id, self._work.now()):
            raise BadRequest("the group has running subscriptions; revoke them before it is paid otherwise")
        if await self._groups.is_fallback_on_invalid_request(row.id):
            raise BadRequest(
                "another group falls back to this one on invalid requests; only standard groups can be that"
            )

    async def _copy_accounts(self, row: GroupRow, source_ids: Sequence[int]) -> None:
        if not source_ids:
            return
        sources = await self._groups.by_ids(source_ids)
        for source_id in source_ids:
            source = sources.get(source_id)
            if source is None or source.platform != row.platform:
                raise BadRequest(
                    f"group {source_id} to copy accounts from must exist and have the same platform"
                )
        await self._groups.copy_accounts(row.id, source_ids, self._work.now())

    async def _require_proxy(self, proxy_id: int) -> None:
        found = await self._work.session.scalar(
            select(func.count())
            .select_from(ProxyRow)
            .where(ProxyRow.id == proxy_id, ProxyRow.deleted_at.is_(None))
        )
        if not found:
            raise BadRequest(f"proxy {proxy_id} does not exist")

    async def _require_free_name(self, name: str, *, owner: int | None) -> None:
        holder = await self._groups.by_name(name)
        if holder is not None and holder.id != owner:
            raise Conflict(f"a group named {name!r} exists already", reason="GROUP_EXISTS")


def _apply_sharing(row: GroupRow, fields: GroupFields) -> None:
    if (limits := fields.model_limits) is not None:
        row.model_limits = stored_limits(limits) or None
    if (sharing := fields.fair_sharing) is not None:
        row.fair_sharing = sharing.model_dump() if sharing.slots else None


def _check_overdraft(row: GroupRow) -> None:
    """A debt is allowed up to an amount that somebody has named; without one there is no policy to follow."""
    if row.overrun_policy == "overdraft" and row.overdraft_limit_nano <= 0:
        raise BadRequest(
            "overrun_policy overdraft needs an overdraft_limit_usd greater than 0",
            reason="OVERDRAFT_LIMIT_REQUIRED",
        )
