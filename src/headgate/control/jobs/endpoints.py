"""HTTP of long work: begun here, looked at while it runs, cancelled between two pieces."""

from typing import Annotated, Literal

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from headgate.control.accounts.bulk_schemas import ImportBody
from headgate.control.accounts.operable import require_operable
from headgate.control.accounts.schemas import AccountUpdate
from headgate.control.jobs.schemas import (
    JobActionBody,
    JobExportBody,
    JobItemView,
    JobStatus,
    JobTestBody,
    JobUpdateBody,
    JobView,
)
from headgate.control.jobs.service import JobService, file_content
from headgate.control.jobs.usage_kind import export_of
from headgate.control.proxies.exchange import require_version
from headgate.control.web.csv_cells import MEDIA_TYPE
from headgate.control.web.envelope import Page, PagingParams
from headgate.control.web.fields import IdPath
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.errors import BadRequest

routes = RouteTable("/admin/jobs", tag="jobs")
StatusQuery = Annotated[Literal[""] | JobStatus, Query(description="nothing: all")]


@routes.route("GET", "", Permission.READ)
async def list_jobs(work: CurrentWork, paging: PagingParams, status: StatusQuery = "") -> Page[JobView]:
    """Jobs with their progress, newest first; those that ended stay for 30 days."""
    rows, total = await JobService(work).page(status, paging)
    return paging.wrap([JobView.model_validate(row) for row in rows], total)


@routes.route("POST", "/account-import", Permission.SECRETS, status=201, idempotent="admin.jobs.import")
async def import_accounts(body: ImportBody, work: CurrentWork) -> JobView:
    """Create the accounts of a document, as `POST /admin/accounts/data` does, in the background: first the
    proxies of the file, then its accounts. The version is checked before."""
    require_version(body.data.type, body.data.version)
    total = len(body.data.proxies) + len(body.data.accounts)
    if total == 0:
        raise BadRequest("the file has neither proxies nor accounts")
    return await _begun(work, "account_import", body, total)


@routes.route("POST", "/account-update", Permission.OPERATE, status=201, idempotent="admin.jobs.update")
async def update_accounts(body: JobUpdateBody, work: CurrentWork) -> JobView:
    """Change up to 10,000 accounts alike; operators change how they are used, nothing else."""
    named = body.model_fields_set - {"account_ids", "schedulable"}
    asked = {name: getattr(body, name) for name in named if getattr(body, name) is not None}
    require_operable(work.actor.role, AccountUpdate(**asked))
    ids = list(dict.fromkeys(body.account_ids))
    return await _begun(work, "account_update", body.model_copy(update={"account_ids": ids}), len(ids))


@routes.route("POST", "/account-action", Permission.OPERATE, status=201, idempotent="admin.jobs.action")
async def act_on_accounts(body: JobActionBody, work: CurrentWork) -> JobView:
    """One action on up to 10,000 accounts. `delete` takes the permission `secrets`, `reset_quota` `money`."""
    service = JobService(work)
    service.require_may(body)
    ids = list(dict.fromkeys(body.account_ids))
    return await _begun(work, "account_action", body.model_copy(update={"account_ids": ids}), len(ids))


@routes.route("POST", "/account-test", Permission.OPERATE, status=201, idempotent="admin.jobs.test")
async def test_accounts(body: JobTestBody, work: CurrentWork) -> JobView:
    """Make one real call with each account, four at a time; what a test finds marks or clears the account, as
    `POST /admin/accounts/{account_id}/test` does."""
    ids = list(dict.fromkeys(body.account_ids))
    return await _begun(work, "account_test", body.model_copy(update={"account_ids": ids}), len(ids))


@routes.route("POST", "/usage-export", Permission.AMOUNTS, status=201, idempotent="admin.jobs.export")
async def export_usage(body: JobExportBody, work: CurrentWork) -> JobView:
    """Up to 500,000 usage records as one CSV, oldest first, with the columns of `/admin/usage/export`."""
    stored, total = await export_of(work, body)
    row = await JobService(work).begin("usage_export", stored, total=total, file_name="usage.csv")
    return JobView.model_validate(row)


@routes.route("GET", "/{job_id}", Permission.READ)
async def get_job(job_id: IdPath, work: CurrentWork) -> JobView:
    """One job."""
    return JobView.model_validate(await JobService(work).get(job_id))


@routes.route("GET", "/{job_id}/items", Permission.READ)
async def list_items(
    job_id: IdPath,
    work: CurrentWork,
    paging: PagingParams,
    success: Annotated[bool | None, Query(description="nothing: all that was done")] = None,
) -> Page[JobItemView]:
    """What became of each piece that was done, in that order; also of a job that was cancelled."""
    rows, total = await JobService(work).items(job_id, success, paging)
    return paging.wrap([JobItemView.model_validate(row) for row in rows], total)


@routes.route("GET", "/{job_id}/file", Permission.AMOUNTS, produces="text/csv")
async def get_file(job_id: IdPath, work: CurrentWork, deps: Deps) -> Response:
    """The file that an export made, for a day after its end; of a cancelled one what there was by then."""
    row, parts = await JobService(work).file_parts(job_id)
    disposition = f'attachment; filename="{row.file_name}"'
    return StreamingResponse(
        file_content(deps.uow, parts), media_type=MEDIA_TYPE, headers={"Content-Disposition": disposition}
    )


@routes.route("POST", "/{job_id}/cancel", Permission.READ)
async def cancel_job(job_id: IdPath, work: CurrentWork) -> JobView:
    """End a job after the pieces that it is at: one's own, administrators any. What was done stays done, and
    listed."""
    return JobView.model_validate(await JobService(work).cancel(job_id))


async def _begun(
    work: CurrentWork, kind: str, body: ImportBody | JobUpdateBody | JobActionBody | JobTestBody, total: int
) -> JobView:
    return JobView.model_validate(await JobService(work).begin(kind, body, total=total))
