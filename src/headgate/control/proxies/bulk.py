"""Many egress proxies at once (spec 8.5)."""

from collections.abc import Sequence

from headgate.control.proxies.bulk_schemas import ProxiesDeleted, ProxyBatchView, ProxyEntry, SkippedProxy
from headgate.control.proxies.repository import ProxyRepository
from headgate.control.proxies.schemas import ProxyCreate
from headgate.control.proxies.secrets import password_of
from headgate.control.proxies.service import ProxyService
from headgate.control.work import Work
from headgate.errors import ApiError
from headgate.storage.models import ProxyRow

_Identity = tuple[str, int, str, str | None]


async def create_proxies(work: Work, entries: Sequence[ProxyEntry]) -> ProxyBatchView:
    """What is here already, or named twice, is skipped: host, port, user and password tell."""
    known = {_identity_of(work, row) for row in await ProxyRepository(work.session).all()}
    service, created = ProxyService(work), 0
    for entry in entries:
        identity = (entry.host, entry.port, entry.username, entry.password)
        if identity in known:
            continue
        known.add(identity)
        await service.create(ProxyCreate(name="default", **entry.model_dump()))
        created += 1
    return ProxyBatchView(created=created, skipped=len(entries) - created)


async def delete_proxies(work: Work, ids: Sequence[int]) -> ProxiesDeleted:
    """Those that accounts use stay, with the reason."""
    deleted, skipped = [], []
    for proxy_id in dict.fromkeys(ids):
        try:
            await ProxyService(work).delete(proxy_id)
        except ApiError as error:
            skipped.append(SkippedProxy(id=proxy_id, reason=error.reason))
        else:
            deleted.append(proxy_id)
    return ProxiesDeleted(deleted_ids=deleted, skipped=skipped)


def _identity_of(work: Work, row: ProxyRow) -> _Identity:
    return row.host, row.port, row.username, password_of(work, row)
