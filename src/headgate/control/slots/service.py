"""Who holds the slots of a user, a key, an account or a group, and how many wait for one."""

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import select

from headgate.control.accounts.repository import AccountRepository
from headgate.control.groups.repository import GroupRepository
from headgate.control.keys.repository import KeyRepository
from headgate.control.slots.schemas import (
    AdminHolderView,
    AdminSlotsView,
    HolderView,
    OwnSlotsView,
)
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.core.limits.fair_share import sharing_from
from headgate.errors import BadRequest
from headgate.kit.clock import instant
from headgate.storage.models import UsageIntentRow

MAX_HOLDERS = 1000
"""Shown, oldest first; `in_use` counts all."""
_RESOURCE = re.compile(r"(user|account|key|group):([1-9][0-9]{0,17})", re.ASCII)


class Resource(NamedTuple):
    kind: str
    id: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def resource_from(text: str) -> Resource:
    """Raises INVALID_INPUT."""
    found = _RESOURCE.fullmatch(text)
    if found is None:
        raise BadRequest("resource must be user:<id>, key:<id>, account:<id> or group:<id>")
    return Resource(found[1], int(found[2]))


class SlotService:
    def __init__(self, work: Work) -> None:
        self._work = work

    async def of(self, resource: Resource) -> AdminSlotsView:
        """Raises USER_NOT_FOUND, API_KEY_NOT_FOUND, ACCOUNT_NOT_FOUND; 503 while the slot store is away."""
        limit = await self._limit(resource)
        slots, name = self._work.deps.state.slots, str(resource)
        load = (await slots.load([name]))[name]
        held = (await slots.holders(name))[:MAX_HOLDERS]
        calls = await self._open_calls([owner for owner, _ in held])
        return AdminSlotsView(
            resource=name,
            limit=limit,
            in_use=load.in_use,
            waiting=load.waiting,
            holders=[self._holder(owner, since_ms, calls.get(owner)) for owner, since_ms in held],
        )

    async def own(self) -> OwnSlotsView:
        """Of the caller; which accounts serve is the operator's business."""
        seen = await self.of(Resource("user", self._work.actor.user_id))
        fields = set(HolderView.model_fields)
        holders = [HolderView(**holder.model_dump(include=fields)) for holder in seen.holders]
        return OwnSlotsView(**seen.model_dump(exclude={"holders"}), holders=holders)

    async def _limit(self, resource: Resource) -> int:
        session = self._work.session
        if resource.kind == "user":
            return (await UserRepository(session).get(resource.id)).concurrency
        if resource.kind == "key":
            return (await KeyRepository(session).get(resource.id)).concurrency
        if resource.kind == "group":
            sharing = sharing_from((await GroupRepository(session).get(resource.id)).fair_sharing)
            return 0 if sharing is None else sharing.slots
        return (await AccountRepository(session).get(resource.id)).concurrency

    async def _open_calls(self, exchange_ids: Collection[str]) -> Mapping[str, UsageIntentRow]:
        """The latest call to a provider of each exchange that has one open."""
        rows = await self._work.session.scalars(
            select(UsageIntentRow)
            .where(UsageIntentRow.exchange_id.in_(exchange_ids))
            .order_by(UsageIntentRow.attempt)
        )
        return {row.exchange_id: row for row in rows}

    def _holder(self, owner: str, since_ms: int, call: UsageIntentRow | None) -> AdminHolderView:
        since = instant(since_ms)
        known: dict[str, Any] = {
            "key_id": call and call.key_id,
            "model": call and call.client_model,
            "user_id": call and call.user_id,
            "account_id": call and call.account_id,
        }
        held_s = max(0.0, (self._work.now() - since).total_seconds())
        return AdminHolderView(exchange_id=owner, since=since, held_s=held_s, **known)
