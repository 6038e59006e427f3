"""Writing the audit row in the transaction that it is about."""

from dataclasses import dataclass
from typing import Literal, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.audit.trail import Changes, ChangeTrail
from headgate.kit import json
from headgate.storage.models import AuditLogRow

Outcome = Literal["ok", "refused", "denied"]
_KINDS = {"token": "user", "cookie": "user", "admin_key": "admin_key", "system": "cli"}
_TARGETS = {"keys": "api-keys", "user": "users", "auth": "users"}
"""Paths of users' own things, by the name that the administration has for them."""


class Doer(Protocol):
    """What is kept of an actor."""

    @property
    def user_id(self) -> int: ...
    @property
    def email(self) -> str: ...
    @property
    def via(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One management call, as the log names it."""

    action: str
    target_kind: str = ""
    target_id: str = ""
    address: str = ""
    request_id: str = ""
    asked: str = ""
    """JSON without secrets."""
    is_read: bool = False
    """Reads leave no trace."""


def target_kind(segment: str) -> str:
    """`users`, `groups`, `api-keys`, ...: what a part of a path is about."""
    return _TARGETS.get(segment, segment)


async def record_change(
    session: AsyncSession, call: Call, doer: Doer | None, trail: ChangeTrail, *, now_ms: int, always: bool
) -> None:
    """Add the row of a call that went well. Without `always` only when it changed something."""
    await session.flush()
    changes = trail.changes()
    if not always and not changes:
        return
    kind, target = call.target_kind, call.target_id
    for table, made in trail.created:
        kind = kind or table.replace("_", "-")
        if not target and table.replace("_", "-") == kind:
            target = made
    if not kind:
        kind, target = _first(changes)
    if kind == "users" and not target and doer is not None:
        target = str(doer.user_id)  # a login, a password: about oneself
    session.add(_row(call, doer, "ok", now_ms=now_ms, kind=kind, target=target, changes=changes))


def refusal(call: Call, doer: Doer | None, outcome: Outcome, reason: str, *, now_ms: int) -> AuditLogRow:
    """The row of a call that changed nothing."""
    row = _row(call, doer, outcome, now_ms=now_ms, kind=call.target_kind, target=call.target_id)
    row.reason = reason[:100]
    return row


def _row(
    call: Call,
    doer: Doer | None,
    outcome: Outcome,
    *,
    now_ms: int,
    kind: str,
    target: str,
    changes: Changes | None = None,
) -> AuditLogRow:
    return AuditLogRow(
        at_ms=now_ms,
        actor_id=(doer.user_id or None) if doer else None,
        actor_kind=_KINDS.get(doer.via, "user") if doer else "anonymous",
        actor_email=doer.email[:255] if doer else "",
        address=call.address[:64],
        action=call.action[:200],
        target_kind=kind[:50],
        target_id=target[:100],
        request_id=call.request_id[:64],
        outcome=outcome,
        asked=call.asked,
        before=json.dumps(changes.before).decode() if changes and changes.before else "",
        after=json.dumps(changes.after).decode() if changes and changes.after else "",
    )


def _first(changes: Changes) -> tuple[str, str]:
    """A command has no path: it is about the first row that it changed."""
    for name in (*changes.before, *changes.after):
        table, _, identity = name.partition(":")
        if identity:
            return table.replace("_", "-"), identity
    return "", ""
