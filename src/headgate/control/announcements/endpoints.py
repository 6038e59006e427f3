"""HTTP of announcements (spec 7.12, 8.6)."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from headgate.control.announcements.repository import AnnouncementRepository
from headgate.control.announcements.schemas import (
    AdminAnnouncementView,
    AnnouncementCreate,
    AnnouncementUpdate,
    AnnouncementView,
    ReadStatusView,
    admin_view,
)
from headgate.control.announcements.service import AnnouncementService
from headgate.control.web.envelope import MessageView, Page, PagingParams
from headgate.control.web.fields import IdPath, Search
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("", tag="announcements")
_ADMIN = "/admin/announcements"


@routes.route("GET", "/announcements", Permission.USER)
async def own_announcements(
    work: CurrentWork, unread_only: Annotated[bool, Query()] = False
) -> Sequence[AnnouncementView]:
    """What runs now and is meant for the caller, newest first."""
    return await AnnouncementService(work).for_caller(unread_only=unread_only)


@routes.route("POST", "/announcements/{announcement_id}/read", Permission.USER)
async def mark_read(announcement_id: IdPath, work: CurrentWork) -> MessageView:
    """The caller has read it."""
    await AnnouncementService(work).mark_read(announcement_id)
    return MessageView(message="ok")


@routes.route("GET", _ADMIN, Permission.READ)
async def list_announcements(
    work: CurrentWork, paging: PagingParams, status: Search = "", search: Search = ""
) -> Page[AdminAnnouncementView]:
    """Announcements, newest first."""
    rows, total = await AnnouncementRepository(work.session).page(paging, status=status, search=search)
    return paging.wrap([admin_view(row) for row in rows], total)


@routes.route("POST", _ADMIN, Permission.OPERATE, status=201)
async def create_announcement(body: AnnouncementCreate, work: CurrentWork) -> AdminAnnouncementView:
    """Write an announcement; a draft is shown to nobody."""
    return admin_view(await AnnouncementService(work).create(body))


@routes.route("GET", _ADMIN + "/{announcement_id}", Permission.READ)
async def get_announcement(announcement_id: IdPath, work: CurrentWork) -> AdminAnnouncementView:
    """One announcement."""
    return admin_view(await AnnouncementRepository(work.session).get(announcement_id))


@routes.route("PUT", _ADMIN + "/{announcement_id}", Permission.OPERATE)
async def update_announcement(
    announcement_id: IdPath, body: AnnouncementUpdate, work: CurrentWork
) -> AdminAnnouncementView:
    """Change an announcement; absent fields stay, 0 clears an instant."""
    return admin_view(await AnnouncementService(work).update(announcement_id, body))


@routes.route("DELETE", _ADMIN + "/{announcement_id}", Permission.OPERATE)
async def delete_announcement(announcement_id: IdPath, work: CurrentWork) -> MessageView:
    """Delete an announcement and who has read it."""
    await AnnouncementService(work).delete(announcement_id)
    return MessageView(message="announcement deleted")


@routes.route("GET", _ADMIN + "/{announcement_id}/read-status", Permission.READ)
async def read_status(
    announcement_id: IdPath, work: CurrentWork, paging: PagingParams, search: Search = ""
) -> Page[ReadStatusView]:
    """Who it is meant for now, and who has read it."""
    return await AnnouncementService(work).read_status(announcement_id, paging, search)
