"""The use cases behind `headgate config`."""

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.control.configuration.planning import Planned, Secrets
from headgate.control.configuration.schemas import AppliedView, RevisionView
from headgate.control.configuration.service import ConfigurationService
from headgate.control.configuration.views import revision_view
from headgate.control.deps import WorkDeps
from headgate.control.web.envelope import Paging
from headgate.control.work import SYSTEM, open_work
from headgate.kit import json

_ALL = Paging(page=1, page_size=1000)


class ConfigurationCommands:
    def __init__(self, deps: WorkDeps) -> None:
        self._deps = deps

    async def export(self, *, full: bool) -> Mapping[str, Any]:
        async with open_work(self._deps, SYSTEM) as work:
            return (await ConfigurationService(work).export(full=full)).document

    async def plan(self, data: Any, secrets: Secrets, *, prune: bool) -> Planned:
        async with open_work(self._deps, SYSTEM) as work:
            return await ConfigurationService(work).plan(data, secrets, prune=prune)

    async def drift(self, data: Any, secrets: Secrets) -> Planned:
        """Against a document, or the last revision."""
        async with open_work(self._deps, SYSTEM) as work:
            service = ConfigurationService(work)
            return await (service.drift(secrets) if data is None else service.plan(data, secrets, prune=True))

    async def apply(self, data: Any, secrets: Secrets, *, prune: bool, expect: str, note: str) -> AppliedView:
        async with open_work(self._deps, SYSTEM) as work:
            return await ConfigurationService(work).apply(
                data, secrets, prune=prune, expect=expect, note=note
            )

    async def rollback(self, number: int, secrets: Secrets, note: str) -> AppliedView:
        async with open_work(self._deps, SYSTEM) as work:
            return await ConfigurationService(work).rollback(number, secrets, note)

    async def revisions(self) -> Sequence[RevisionView]:
        async with open_work(self._deps, SYSTEM) as work:
            rows, _ = await ConfigurationService(work).revisions(_ALL)
            return [revision_view(row) for row in rows]

    async def document_of(self, number: int) -> Any:
        async with open_work(self._deps, SYSTEM) as work:
            return json.loads((await ConfigurationService(work).revision(number)).document)
