"""Configuration as code: export, plan, apply, drift, revisions and back (issue 5, item 7)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from headgate.control.configuration.applying import Applier
from headgate.control.configuration.current import read_current
from headgate.control.configuration.differences import has_work
from headgate.control.configuration.document import STORED, Document, parse
from headgate.control.configuration.planning import (
    Planned,
    Secrets,
    brief,
    plan,
    state_digest,
    with_references,
)
from headgate.control.configuration.rendering import plan_lines, summary_line
from headgate.control.configuration.schemas import AppliedView, ExportView
from headgate.control.web.envelope import Paging
from headgate.control.work import Work
from headgate.errors import Conflict, NotFound
from headgate.kit import json
from headgate.storage.models import ConfigRevisionRow

FOUND, APPLY, ROLLBACK = "found", "apply", "rollback"
_Known = dict[tuple[str, str, str], str]


class ConfigurationService:
    def __init__(self, work: Work) -> None:
        self._work = work

    async def export(self, *, full: bool) -> ExportView:
        """Without `full` what says nothing is left out. Raises CONFIG_NAME_TWICE."""
        current = await read_current(self._work)
        named = with_references(current.document, await self._known())
        shown = named if full else brief(named)
        return ExportView(digest=state_digest(current.document), document=shown.shown())

    async def plan(self, data: Any, secrets: Secrets, *, prune: bool) -> Planned:
        """Raises CONFIG_INVALID, CONFIG_NAME_TWICE."""
        return await plan(self._work, data, secrets, prune=prune)

    async def drift(self, secrets: Secrets) -> Planned:
        """Against the last revision. Raises CONFIG_NO_REVISION."""
        last = await self._last()
        if last is None:
            raise NotFound("nothing has been applied yet", reason="CONFIG_NO_REVISION")
        return await plan(self._work, json.loads(last.document), secrets, prune=True)

    async def apply(
        self, data: Any, secrets: Secrets, *, prune: bool, expect: str = "", note: str = "", via: str = APPLY
    ) -> AppliedView:
        """All of it or nothing. Raises CONFIG_INVALID, CONFIG_NAME_TWICE, CONFIG_CHANGED, and what the single
        changes raise."""
        planned = await plan(self._work, data, secrets, prune=prune)
        if expect and expect != planned.digest:
            raise Conflict(
                "the configuration has changed since the plan was made; look at a new plan",
                reason="CONFIG_CHANGED",
            )
        text = plan_lines(planned.changes)
        if not has_work(planned.changes):
            return AppliedView(revision=None, text=text)
        await self._note_what_was_found(planned)
        await Applier(self._work, planned, secrets).run()
        await self._work.session.flush()
        known = await self._known() | _references(planned.wanted)
        number = await self._store(via, note, summary_line(planned.changes), known)
        return AppliedView(revision=number, text=text)

    async def rollback(self, number: int, secrets: Secrets, note: str) -> AppliedView:
        """The whole state after that revision. Raises CONFIG_REVISION_NOT_FOUND and what `apply` raises."""
        row = await self.revision(number)
        return await self.apply(
            json.loads(row.document),
            secrets,
            prune=True,
            note=note or f"back to revision {number}",
            via=ROLLBACK,
        )

    async def revision(self, number: int) -> ConfigRevisionRow:
        """Raises CONFIG_REVISION_NOT_FOUND."""
        row = await self._work.session.get(ConfigRevisionRow, number)
        if row is None:
            raise NotFound(f"there is no revision {number}", reason="CONFIG_REVISION_NOT_FOUND")
        return row

    async def revisions(self, paging: Paging) -> tuple[Sequence[ConfigRevisionRow], int]:
        """Newest first."""
        row, session = ConfigRevisionRow, self._work.session
        total = await session.scalar(select(func.count()).select_from(row))
        found = await session.scalars(
            select(row).order_by(row.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return found.all(), total or 0

    async def _note_what_was_found(self, planned: Planned) -> None:
        """What nobody has applied can be gone back to as well."""
        last = await self._last()
        if last is None or last.digest != planned.digest:
            summary = "Before anything was applied." if last is None else "After changes by other ways."
            await self._store(FOUND, "", summary, await self._known())

    async def _store(self, via: str, note: str, summary: str, known: _Known) -> int:
        state = (await read_current(self._work)).document
        row = ConfigRevisionRow(
            created_at=self._work.now(),
            actor_id=self._work.actor_id,
            actor=self._work.actor.email or self._work.deps.command,
            via=via,
            note=note,
            summary=summary,
            digest=state_digest(state),
            document=json.dumps(with_references(state, known).shown()).decode(),
        )
        self._work.session.add(row)
        await self._work.session.flush()
        return row.id

    async def _last(self) -> ConfigRevisionRow | None:
        query = select(ConfigRevisionRow).order_by(ConfigRevisionRow.id.desc()).limit(1)
        found: ConfigRevisionRow | None = await self._work.session.scalar(query)
        return found

    async def _known(self) -> _Known:
        """References under which secrets were given last."""
        last = await self._last()
        return {} if last is None else _references(parse(json.loads(last.document)))


def _references(document: Document) -> _Known:
    return {
        (place.section, place.name, place.field): place.reference
        for place in document.secret_places()
        if place.reference != STORED
    }
