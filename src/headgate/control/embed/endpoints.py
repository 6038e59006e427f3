"""HTTP of embedded pages: an address with a ticket for whoever looks."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from headgate.control.embed.pages import PURCHASE, embedded_url, require_page, view_pages
from headgate.control.embed.tickets import issue, known, revoke_all
from headgate.control.web.envelope import MessageView
from headgate.control.web.faults import AuthRefused
from headgate.control.web.fields import RequestBody
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work
from headgate.errors import BadRequest, NotFound

routes = RouteTable("", tag="embedded pages")


class TicketBody(RequestBody):
    page: Annotated[str, Field(min_length=1, max_length=40)]
    """`purchase`, or the id of a custom menu item."""
    theme: Literal["light", "dark", ""] = ""
    lang: Annotated[str, Field(max_length=20)] = ""
    src_url: Annotated[str, Field(max_length=2048)] = ""
    """Where the page is shown."""


class TicketView(BaseModel):
    url: str
    """For the iframe: the page with `user_id`, `token` (the ticket) and the rest of spec 11.4."""
    audience: str
    """The only origin that may use the ticket."""
    expires_at: datetime


class VerifyBody(RequestBody):
    token: Annotated[str, Field(max_length=200)]
    audience: Annotated[str, Field(max_length=300)]
    """Origin of the site that asks."""


class VerifiedView(BaseModel):
    user_id: int
    email: str
    role: str
    expires_at: datetime


@routes.route("POST", "/embed/tickets", Permission.USER, status=201)
async def issue_ticket(body: TicketBody, work: CurrentWork) -> TicketView:
    """The address of an embedded page for the caller, with a ticket that is good for a few minutes."""
    url = await _page(work, body.page)
    audience = require_page("url", url)
    source = body.src_url.strip()
    shown_at = require_page("src_url", source.partition("#")[0]) if source else ""
    ticket, expires_at = await issue(work, audience)
    parameters = {
        "user_id": work.actor.user_id,
        "token": ticket,
        "theme": body.theme,
        "lang": body.lang,
        "ui_mode": "embedded",
        "src_host": shown_at,
        "src_url": source,
    }
    return TicketView(url=embedded_url(url, parameters), audience=audience, expires_at=expires_at)


@routes.route("DELETE", "/embed/tickets", Permission.USER)
async def revoke_tickets(work: CurrentWork) -> MessageView:
    """No embedded page knows the caller any more."""
    return MessageView(message=f"{await revoke_all(work)} tickets revoked")


@routes.route("POST", "/admin/embed/verify", Permission.ADMIN)
async def verify_ticket(body: VerifyBody, work: CurrentWork, deps: Deps) -> VerifiedView:
    """For the server behind a page: whose ticket it is, if it is for that page's origin."""
    try:
        found = await known(deps, work.session, body.token)
    except AuthRefused as refused:
        raise BadRequest(refused.message, reason=refused.code) from None
    if found.audience != body.audience.rstrip("/"):
        raise BadRequest("this ticket is for another site", reason="EMBED_AUDIENCE")
    user = found.user
    return VerifiedView(user_id=user.id, email=user.email, role=user.role, expires_at=found.expires_at)


async def _page(work: Work, page: str) -> str:
    """Raises EMBED_PAGE_NOT_FOUND, also for what the caller is not shown."""
    pages = await view_pages(work.session)
    if page == PURCHASE and pages.purchase_subscription_enabled:
        return pages.purchase_subscription_url
    for item in pages.custom_menu_items:
        if item.id == page and (item.visibility == "user" or work.actor.role == "admin"):
            return item.url
    raise NotFound("there is no such page", reason="EMBED_PAGE_NOT_FOUND")
