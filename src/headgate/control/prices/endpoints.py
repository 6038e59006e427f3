"""HTTP of the operator's prices."""

from headgate.control.deps import ControlDeps
from headgate.control.prices.comparison import as_bytes, compare_prices
from headgate.control.prices.schemas import (
    ComparisonBody,
    ComparisonView,
    PreviewBody,
    PreviewView,
    PriceBody,
    PriceStatus,
    PriceView,
    price_view,
)
from headgate.control.prices.service import PriceService
from headgate.control.prices.status import price_status
from headgate.control.web.envelope import MessageView, Page, PagingParams
from headgate.control.web.fields import IdPath, Search
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work
from headgate.errors import BadRequest

routes = RouteTable("/admin/prices", tag="prices")


@routes.route("GET", "", Permission.AMOUNTS)
async def list_prices(work: CurrentWork, paging: PagingParams, search: Search = "") -> Page[PriceView]:
    """Price overrides by model name."""
    rows, total = await PriceService(work).page(search, paging)
    return paging.wrap([price_view(row) for row in rows], total)


@routes.route("POST", "/preview", Permission.AMOUNTS)
async def preview_price(body: PreviewBody, work: CurrentWork, deps: Deps) -> PreviewView:
    """What so much usage would cost, under the present price book or under a draft price."""
    return await PriceService(work).preview(body, deps.prices())


@routes.route("POST", "/preview-version", Permission.AMOUNTS)
async def preview_version(body: ComparisonBody, work: CurrentWork, deps: Deps) -> ComparisonView:
    """What drafts of overrides, or a price file, would have changed over the last days."""
    file = None if body.file is None else as_bytes(body.file)
    if body.from_source:
        file = await _from_source(work, deps)
    return await compare_prices(work, body, deps.prices(), file)


async def _from_source(work: Work, deps: ControlDeps) -> bytes:
    """Raises NO_PRICE_SOURCE, PRICE_SOURCE_UNAVAILABLE."""
    if deps.read_price_file is None:
        raise BadRequest("neither pricing.url nor pricing.file is configured", reason="NO_PRICE_SOURCE")
    await work.release_connection()
    try:
        return await deps.read_price_file()
    except OSError as error:
        raise BadRequest(f"the price file: {error}", reason="PRICE_SOURCE_UNAVAILABLE") from None


@routes.route("POST", "", Permission.MONEY, status=201)
async def create_price(body: PriceBody, work: CurrentWork) -> PriceView:
    """Override the price of a model (exact name, or prefix and trailing `*`), at once or from an instant
    on."""
    return price_view(await PriceService(work).create(body))


@routes.route("GET", "/status", Permission.READ)
async def status(work: CurrentWork, deps: Deps) -> PriceStatus:
    """The prices in use: version, sources, age of the price file, and the last error of renewing it."""
    return await price_status(work, deps.prices())


@routes.route("GET", "/{price_id}", Permission.AMOUNTS)
async def get_price(price_id: IdPath, work: CurrentWork) -> PriceView:
    """One override."""
    return price_view(await PriceService(work).get(price_id))


@routes.route("PUT", "/{price_id}", Permission.MONEY)
async def update_price(price_id: IdPath, body: PriceBody, work: CurrentWork) -> PriceView:
    """Replace an override; records keep the version they were priced with."""
    return price_view(await PriceService(work).update(price_id, body))


@routes.route("DELETE", "/{price_id}", Permission.MONEY)
async def delete_price(price_id: IdPath, work: CurrentWork) -> MessageView:
    """Remove an override: the bundled price applies again."""
    await PriceService(work).delete(price_id)
    return MessageView(message="price deleted")
