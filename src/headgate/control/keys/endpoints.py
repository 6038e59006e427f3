"""HTTP of a user's own keys."""

from headgate.control.keys.repository import KeyFilter, KeyRepository
from headgate.control.keys.rotation import end_overlaps, rotate_key
from headgate.control.keys.schemas import KeyCreate, KeyRotate, KeyUpdate, KeyView, key_view
from headgate.control.keys.service import KeyService
from headgate.control.keys.views import key_views
from headgate.control.web.envelope import MessageView, Page, PagingParams
from headgate.control.web.fields import IdPath, IdQuery, Search
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("/keys", tag="keys")


@routes.route("GET", "", Permission.USER)
async def list_keys(
    work: CurrentWork,
    paging: PagingParams,
    search: Search = "",
    status: Search = "",
    group_id: IdQuery = None,
    parent_id: IdQuery = None,
) -> Page[KeyView]:
    """Own keys, newest first. `group_id=0`: those without a group; `parent_id`: children of that key."""
    wanted = KeyFilter(search=search, status=status, group_id=group_id, parent_id=parent_id)
    rows, total = await KeyRepository(work.session).page_of_user(work.actor.user_id, paging, wanted)
    return paging.wrap(await key_views(work, rows), total)


@routes.route("POST", "", Permission.USER, status=201, idempotent="user.api_keys.create")
async def create_key(body: KeyCreate, work: CurrentWork) -> KeyView:
    """Create an API key. The key is shown once, in this response."""
    row, secret = await KeyService(work).create(work.actor.user_id, body)
    return key_view(row, now_ms=work.now_ms(), secret=secret)


@routes.route("GET", "/{key_id}", Permission.USER)
async def get_key(key_id: IdPath, work: CurrentWork) -> KeyView:
    """One of the caller's keys, masked."""
    return (await key_views(work, [await KeyService(work).own(key_id)]))[0]


@routes.route("PUT", "/{key_id}", Permission.USER)
async def update_key(key_id: IdPath, body: KeyUpdate, work: CurrentWork) -> KeyView:
    """Change a key; absent fields stay, absent IP lists become empty."""
    service = KeyService(work)
    return (await key_views(work, [await service.update(await service.own(key_id), body)]))[0]


@routes.route("POST", "/{key_id}/rotate", Permission.USER, idempotent="user.api_keys.rotate")
async def rotate(key_id: IdPath, body: KeyRotate, work: CurrentWork) -> KeyView:
    """Give the key a new secret, shown once, in this response; everything else of it stays. The secret of now
    goes on working for `overlap_hours`."""
    row = await KeyService(work).own(key_id)
    secret = await rotate_key(work, row, overlap_hours=body.overlap_hours)
    (view,) = await key_views(work, [row])
    return view.model_copy(update={"key": secret})


@routes.route("DELETE", "/{key_id}/older-secrets", Permission.USER)
async def end_older_secrets(key_id: IdPath, work: CurrentWork) -> MessageView:
    """End the overlap of a rotation: only the newest secret works from now on."""
    await end_overlaps(work, (await KeyService(work).own(key_id)).id)
    return MessageView(message="older secrets no longer work")


@routes.route("DELETE", "/{key_id}", Permission.USER)
async def delete_key(key_id: IdPath, work: CurrentWork) -> MessageView:
    """Delete a key; requests with it fail from now on."""
    service = KeyService(work)
    await service.delete(await service.own(key_id))
    return MessageView(message="API key deleted")
