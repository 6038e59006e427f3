"""HTTP of configuration documents. Secrets go in beside the document, and never come out."""

from typing import Annotated

from fastapi import Path

from headgate.control.configuration.planning import Secrets
from headgate.control.configuration.schemas import (
    AppliedView,
    ApplyBody,
    ExportView,
    PlanBody,
    PlanView,
    RevisionDetail,
    RevisionView,
    RollbackBody,
    plan_view,
)
from headgate.control.configuration.service import ConfigurationService
from headgate.control.configuration.views import revision_view
from headgate.control.web.envelope import Page, PagingParams
from headgate.control.web.fields import MAX_ID
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.kit import json
from headgate.kit.secret import Secret

routes = RouteTable("/admin/config", tag="configuration")

Number = Annotated[int, Path(ge=1, le=MAX_ID)]


@routes.route("GET", "", Permission.AMOUNTS)
async def export(work: CurrentWork, full: bool = False) -> ExportView:
    """Groups, accounts, proxies, prices and settings as a document; secrets as references. `full`: with all
    that is empty, too."""
    return await ConfigurationService(work).export(full=full)


@routes.route("POST", "/plan", Permission.ADMIN)
async def plan(body: PlanBody, work: CurrentWork) -> PlanView:
    """What applying a document would change."""
    planned = await ConfigurationService(work).plan(body.document, _secrets(body.secrets), prune=body.prune)
    return plan_view(planned)


@routes.route("POST", "/apply", Permission.ADMIN, idempotent="admin.config.apply")
async def apply(body: ApplyBody, work: CurrentWork) -> AppliedView:
    """Make everything as the document says, in one transaction, as a new revision."""
    return await ConfigurationService(work).apply(
        body.document, _secrets(body.secrets), prune=body.prune, expect=body.expect, note=body.note
    )


@routes.route("GET", "/drift", Permission.AMOUNTS)
async def drift(work: CurrentWork) -> PlanView:
    """What would have to change to be as after the last revision again."""
    return plan_view(await ConfigurationService(work).drift({}))


@routes.route("GET", "/revisions", Permission.AMOUNTS)
async def list_revisions(work: CurrentWork, paging: PagingParams) -> Page[RevisionView]:
    """Newest first."""
    rows, total = await ConfigurationService(work).revisions(paging)
    return paging.wrap([revision_view(row) for row in rows], total)


@routes.route("GET", "/revisions/{number}", Permission.AMOUNTS)
async def get_revision(number: Number, work: CurrentWork) -> RevisionDetail:
    """One revision with the whole state after it."""
    row = await ConfigurationService(work).revision(number)
    return RevisionDetail(**revision_view(row).model_dump(), document=json.loads(row.document))


@routes.route("POST", "/revisions/{number}/rollback", Permission.ADMIN, idempotent="admin.config.rollback")
async def rollback(number: Number, body: RollbackBody, work: CurrentWork) -> AppliedView:
    """Make everything as it was after a revision, as a new revision. Accounts that are gone need their
    secrets."""
    return await ConfigurationService(work).rollback(number, _secrets(body.secrets), body.note)


def _secrets(given: dict[str, str]) -> Secrets:
    return {reference: Secret(value.strip()) for reference, value in given.items()}
