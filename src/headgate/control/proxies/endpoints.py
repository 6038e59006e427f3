"""HTTP of egress proxies."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from headgate.control.proxies.bulk import create_proxies, delete_proxies
from headgate.control.proxies.bulk_schemas import (
    ProxiesDeleted,
    ProxyAccount,
    ProxyBatchBody,
    ProxyBatchView,
    ProxyIdsBody,
)
from headgate.control.proxies.check_schemas import ProxyStats, ProxyTestView, QualityView
from headgate.control.proxies.checking import checked, tested
from headgate.control.proxies.exchange import exported_proxy, import_proxies
from headgate.control.proxies.exchange_schemas import ImportView, ProxyExportView, ProxyImportBody
from headgate.control.proxies.repository import ProxyFilter, ProxyRepository
from headgate.control.proxies.schemas import ProxyCreate, ProxyUpdate, ProxyView, proxy_view
from headgate.control.proxies.service import ProxyService
from headgate.control.proxies.stats import stats_of
from headgate.control.web.envelope import MessageView, Page, PagingParams
from headgate.control.web.fields import IdPath, Search
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work
from headgate.storage.models import ProxyRow

routes = RouteTable("/admin/proxies", tag="proxies")


@routes.route("GET", "", Permission.READ)
async def list_proxies(
    work: CurrentWork, paging: PagingParams, protocol: Search = "", status: Search = "", search: Search = ""
) -> Page[ProxyView]:
    """Egress proxies, newest first, with the number of accounts that use them."""
    wanted = ProxyFilter(protocol=protocol, status=status, search=search)
    rows, total = await ProxyRepository(work.session).page(wanted, paging)
    return paging.wrap(await _views(work, rows), total)


@routes.route("GET", "/all", Permission.READ)
async def all_proxies(work: CurrentWork) -> list[ProxyView]:
    """Active egress proxies, unpaged."""
    return await _views(work, await ProxyRepository(work.session).active())


@routes.route("POST", "", Permission.SECRETS, status=201, idempotent="admin.proxies.create")
async def create_proxy(body: ProxyCreate, work: CurrentWork) -> ProxyView:
    """Create an egress proxy."""
    return proxy_view(await ProxyService(work).create(body))


@routes.route("POST", "/batch", Permission.SECRETS)
async def create_batch(body: ProxyBatchBody, work: CurrentWork) -> ProxyBatchView:
    """Create many proxies; those that are here already are skipped."""
    return await create_proxies(work, body.proxies)


@routes.route("POST", "/batch-delete", Permission.SECRETS)
async def delete_batch(body: ProxyIdsBody, work: CurrentWork) -> ProxiesDeleted:
    """Delete many proxies; those in use stay and are told with the reason."""
    return await delete_proxies(work, body.ids)


@routes.route("GET", "/data", Permission.SECRETS)
async def export_proxies(
    work: CurrentWork, ids: Annotated[str, Query(pattern=r"^[0-9,]*$", max_length=20_000)] = ""
) -> ProxyExportView:
    """Proxies as a document that can be imported here; all, or those named. Passwords are sealed."""
    wanted = {int(number) for number in ids.split(",") if number and len(number) <= 18}
    rows = await ProxyRepository(work.session).all()
    chosen = [row for row in rows if not wanted or row.id in wanted]
    vault = work.deps.vault
    return ProxyExportView(exported_at=work.now(), proxies=[exported_proxy(vault, row) for row in chosen])


@routes.route("POST", "/data", Permission.SECRETS, idempotent="admin.proxies.import_data")
async def import_data(body: ProxyImportBody, work: CurrentWork, deps: Deps) -> ImportView:
    """Create the proxies of a document, or of a list as Clash reads it; those that are here are kept."""
    return await import_proxies(work, deps, body)


@routes.route("POST", "/{proxy_id}/test", Permission.OPERATE)
async def test_proxy(proxy_id: IdPath, work: CurrentWork, deps: Deps) -> ProxyTestView:
    """Go out through a proxy once, and say which address the world sees."""
    return await tested(work, deps, proxy_id)


@routes.route("POST", "/{proxy_id}/quality-check", Permission.OPERATE)
async def check_quality(proxy_id: IdPath, work: CurrentWork, deps: Deps) -> QualityView:
    """Ask every provider through a proxy, without a credential, and judge the answers."""
    return await checked(work, deps, proxy_id)


@routes.route("GET", "/{proxy_id}/stats", Permission.READ)
async def proxy_stats(
    proxy_id: IdPath, work: CurrentWork, days: Annotated[int, Query(ge=1, le=90)] = 30
) -> ProxyStats:
    """Calls of the accounts that use a proxy."""
    return await stats_of(work, proxy_id, days)


@routes.route("GET", "/{proxy_id}/accounts", Permission.READ)
async def proxy_accounts(proxy_id: IdPath, work: CurrentWork) -> list[ProxyAccount]:
    """Accounts that go out through a proxy."""
    proxies = ProxyRepository(work.session)
    await proxies.get(proxy_id)
    return [
        ProxyAccount(id=row.id, name=row.name, platform=row.platform, type=row.type, status=row.status)
        for row in await proxies.accounts_of(proxy_id)
    ]


@routes.route("GET", "/{proxy_id}", Permission.READ)
async def get_proxy(proxy_id: IdPath, work: CurrentWork) -> ProxyView:
    """One egress proxy."""
    return (await _views(work, [await ProxyRepository(work.session).get(proxy_id)]))[0]


@routes.route("PUT", "/{proxy_id}", Permission.SECRETS)
async def update_proxy(proxy_id: IdPath, body: ProxyUpdate, work: CurrentWork) -> ProxyView:
    """Change an egress proxy; absent fields and a masked password stay."""
    return (await _views(work, [await ProxyService(work).update(proxy_id, body)]))[0]


@routes.route("DELETE", "/{proxy_id}", Permission.SECRETS)
async def delete_proxy(proxy_id: IdPath, work: CurrentWork) -> MessageView:
    """Delete an egress proxy that no account uses."""
    await ProxyService(work).delete(proxy_id)
    return MessageView(message="proxy deleted")


async def _views(work: Work, rows: Sequence[ProxyRow]) -> list[ProxyView]:
    counts = await ProxyRepository(work.session).account_counts([row.id for row in rows])
    return [proxy_view(row, counts.get(row.id, 0)) for row in rows]
