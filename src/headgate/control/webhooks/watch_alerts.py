"""What does not work as it should (`/admin/degradations`), told when it begins and when it has ended: to
webhooks, and by mail to administrators where somebody must do something.

What passes within `alerts.after_s` is not told: a provider that is busy for seconds is every minute's
business. What lives in one process (a stale snapshot, stopped billing) is told by that process, under a name
of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.deps import ControlDeps
from headgate.control.mail.outbox import mail_alert
from headgate.control.mail.settings import is_mail_configured
from headgate.control.webhooks.events import EventType
from headgate.control.webhooks.notices import forget, note, noted
from headgate.control.webhooks.outbox import listeners, tell
from headgate.core.routing.degradation import Degradation, Ends, Kind
from headgate.storage.models import WebhookNoticeRow

OWN = frozenset({Kind.REQUESTS_POISONED, Kind.BILLING_STOPPED, Kind.STATE_UNAVAILABLE, Kind.DIRECTORY_STALE})
"""Of the process that looks."""
_MAILED = OWN | {Kind.GROUP_WITHOUT_ACCOUNT}
"""Beside what only an operator ends."""
_FIRED, _PENDING = EventType.ALERT_FIRED.value, "alert.pending"
DAY_MS = 86_400_000

Found = Mapping[str, Degradation]
"""By subject."""


@dataclass(frozen=True, slots=True)
class AlertWatch:
    deps: ControlDeps
    process: str
    """Tells this process's own alerts from those of others."""

    async def look_at_own(self) -> int:
        """How many events and letters were written. Needs no lock: the names are this process's."""
        if not await self._is_wanted():
            return 0
        degradations = await self.deps.degradations()
        own = {f"{found.kind.value}@{self.process}": found for found in degradations if found.kind in OWN}
        return await self._compare(own, own=True)

    async def look_at_shared(self) -> int:
        """The same of what all processes see; nothing while the shared state is away: what it knows would
        look as if it had ended."""
        if not await self._is_wanted():
            return 0
        degradations = await self.deps.degradations()
        if any(found.kind is Kind.STATE_UNAVAILABLE for found in degradations):
            return 0
        return await self._compare(_shared(degradations), own=False)

    async def _is_wanted(self) -> bool:
        async with self.deps.uow() as uow:
            if await listeners(uow.session, EventType.ALERT_FIRED, EventType.ALERT_RESOLVED):
                return True
            return self.deps.settings.alerts.mail and await is_mail_configured(uow.session)

    async def _compare(self, found: Found, *, own: bool) -> int:
        try:
            async with self.deps.uow() as uow:
                return await self._told(uow.session, found, own=own)
        except IntegrityError:  # another process noted the same in this instant
            return 0

    async def _told(self, session: AsyncSession, found: Found, *, own: bool) -> int:
        now_ms, after_ms = self.deps.clock.now_ms(), round(self.deps.settings.alerts.after_s * 1000)
        fired = self._mine(await noted(session, _FIRED), own=own)
        pending = self._mine(await noted(session, _PENDING), own=own)
        since = {subject: pending.get(subject, now_ms) for subject in found if subject not in fired}
        due = [subject for subject, at_ms in since.items() if now_ms - at_ms >= after_ms]
        over = sorted(fired.keys() - found.keys())
        for subject in due:
            await tell(session, EventType.ALERT_FIRED, _data(found[subject]), now_ms=now_ms)
        for subject in over:
            lasted_s = (now_ms - fired[subject]) // 1000
            data = {"alert": subject.partition(":")[0].partition("@")[0], "subject": subject}
            await tell(session, EventType.ALERT_RESOLVED, data | {"lasted_s": lasted_s}, now_ms=now_ms)
        await forget(session, _FIRED, over)
        await forget(session, _PENDING, (pending.keys() - found.keys()) | (pending.keys() & set(due)))
        await note(session, _FIRED, due, now_ms)
        waiting = [subject for subject in since if subject not in due and subject not in pending]
        await note(session, _PENDING, waiting, now_ms)
        await self._mail(session, [found[subject] for subject in due])
        await _forget_the_dead(session, now_ms)
        return len(due) + len(over)

    def _mine(self, noted_: Mapping[str, int], *, own: bool) -> dict[str, int]:
        mark = f"@{self.process}"
        return {
            subject: at_ms
            for subject, at_ms in noted_.items()
            if (subject.endswith(mark) if own else "@" not in subject)
        }

    async def _mail(self, session: AsyncSession, begun: Sequence[Degradation]) -> None:
        """One letter for all that began."""
        alerts = self.deps.settings.alerts
        lines = [_line(found) for found in begun if found.ends is Ends.BY_OPERATOR or found.kind in _MAILED]
        if lines and alerts.mail:
            title = lines[0] if len(lines) == 1 else f"{len(lines)} things need attention"
            await mail_alert(self.deps, session, title, lines, recipients=alerts.recipients)


def _shared(degradations: Sequence[Degradation]) -> Found:
    """An account that is tried again is not well yet, and what began as a trial is no news."""
    found: dict[str, Degradation] = {}
    for each in degradations:
        if each.kind in OWN:
            continue
        kind = Kind.ACCOUNT_COOLING if each.kind is Kind.ACCOUNT_HALF_OPEN else each.kind
        subject = f"{kind.value}:{each.account_id or ''}:{each.group_id or ''}:{each.model}".replace("@", "_")
        found.setdefault(subject[:200], each)
    return found


def _data(found: Degradation) -> dict[str, object]:
    """Without `evidence`: it may quote a provider's words."""
    return {
        "alert": found.kind.value,
        "account_id": found.account_id,
        "group_id": found.group_id,
        "name": found.name,
        "model": found.model,
        "cause": found.cause,
        "ends": found.ends.value,
        "since_ms": found.since_ms,
        "until_ms": found.until_ms,
    }


def _line(found: Degradation) -> str:
    what = found.kind.value.replace("_", " ")
    who = f" {found.name}" if found.name else ""
    why = f": {found.cause}" if found.cause else ""
    return f"{what}{who}{why}"


async def _forget_the_dead(session: AsyncSession, now_ms: int) -> None:
    """Notices of processes that ended: nobody else may say that theirs is over."""
    notice = WebhookNoticeRow
    await session.execute(
        delete(notice).where(
            notice.kind.in_((_FIRED, _PENDING)),
            notice.subject.contains("@", autoescape=True),
            notice.at_ms < now_ms - DAY_MS,
        )
    )
