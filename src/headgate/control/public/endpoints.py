"""HTTP of what anybody may see. Every page is closed until an administrator opens it."""

from headgate.control.groups.catalogue import open_catalogue
from headgate.control.public.schemas import PublicCatalogue, PublicStatus, public_group
from headgate.control.public.status import public_status
from headgate.control.settings.switches import PUBLIC_MODELS, STATUS_PAGE, is_switched_on
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work
from headgate.errors import NotFound

routes = RouteTable("/public", tag="public pages")
TTL_S = 30
"""Strangers ask; the answer is made once in so many seconds."""


@routes.route("GET", "/models", Permission.PUBLIC)
async def public_models(work: CurrentWork, deps: Deps) -> PublicCatalogue:
    """Models and prices of the groups that every user may use or buy; 404 while the page is closed. At most
    30 seconds old."""
    await _require_open(work, PUBLIC_MODELS)

    async def make() -> PublicCatalogue:
        return PublicCatalogue(
            groups=[public_group(found) for found in await open_catalogue(work, deps.prices())]
        )

    answer, _ = await deps.memo.get(("public-models",), make, ttl_s=TTL_S, now_ms=work.now_ms())
    return answer


@routes.route("GET", "/status", Permission.PUBLIC)
async def status(work: CurrentWork, deps: Deps) -> PublicStatus:
    """Whether the groups that every user may use or buy answer, now and in the last 24 hours; 404 while
    the page is closed. At most 30 seconds old."""
    await _require_open(work, STATUS_PAGE)
    answer, _ = await deps.memo.get(
        ("public-status",), lambda: public_status(work), ttl_s=TTL_S, now_ms=work.now_ms()
    )
    return answer


async def _require_open(work: Work, switch: str) -> None:
    if not await is_switched_on(work.session, switch):
        raise NotFound("this page is closed", reason="PUBLIC_PAGE_CLOSED")
