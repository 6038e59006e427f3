"""HTTP of clean-up tasks."""

from headgate.control.usage.cleanup import CleanupService
from headgate.control.usage.cleanup_schemas import CleanupBody, CleanupTaskView
from headgate.control.web.envelope import Page, PagingParams
from headgate.control.web.fields import IdPath
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("/admin/usage/cleanup-tasks", tag="usage")


@routes.route("GET", "", Permission.READ)
async def list_tasks(work: CurrentWork, paging: PagingParams) -> Page[CleanupTaskView]:
    """Clean-up tasks with their progress, newest first."""
    rows, total = await CleanupService(work).page(paging)
    return paging.wrap([CleanupTaskView.model_validate(row) for row in rows], total)


@routes.route("POST", "", Permission.ADMIN, status=201, idempotent="admin.usage.cleanup_tasks.create")
async def create_task(body: CleanupBody, work: CurrentWork) -> CleanupTaskView:
    """Take addresses, programs, providers' request ids and traces out of the records of some days. What was
    used and charged stays, and so does the ledger."""
    return CleanupTaskView.model_validate(await CleanupService(work).create(body))


@routes.route("GET", "/{task_id}", Permission.READ)
async def get_task(task_id: IdPath, work: CurrentWork) -> CleanupTaskView:
    """One task."""
    return CleanupTaskView.model_validate(await CleanupService(work).get(task_id))


@routes.route("POST", "/{task_id}/cancel", Permission.ADMIN)
async def cancel_task(task_id: IdPath, work: CurrentWork) -> CleanupTaskView:
    """Stop a task that waits or runs; what is gone stays gone."""
    return CleanupTaskView.model_validate(await CleanupService(work).cancel(task_id))
