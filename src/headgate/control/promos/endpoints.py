"""HTTP of promo codes: administration, and the check of a registration page (spec 7.1, 8.6)."""

from fastapi import Request

from headgate.control.auth.throttle import admit_code_check
from headgate.control.promos.applying import usable_promo
from headgate.control.promos.repository import PromoFilter, PromoRepository
from headgate.control.promos.schemas import (
    PromoCheck,
    PromoCreate,
    PromoUpdate,
    PromoUsageView,
    PromoView,
    ValidateBody,
    promo_view,
    usage_view,
)
from headgate.control.promos.service import PromoService
from headgate.control.settings.switches import PROMO_CODES, is_switched_on
from headgate.control.web.address import address_of
from headgate.control.web.envelope import MessageView, Page, PagingParams
from headgate.control.web.fields import IdPath, Search
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.core.money import to_usd
from headgate.errors import ApiError

routes = RouteTable("", tag="promo codes")
_ADMIN = "/admin/promo-codes"


@routes.route("POST", "/auth/validate-promo-code", Permission.PUBLIC)
async def validate_promo_code(body: ValidateBody, work: CurrentWork, request: Request) -> PromoCheck:
    """Would this code work? Says so before anybody registers."""
    address = address_of(request, work.deps.settings.server.trusted_proxies)
    await admit_code_check(work, "promo", address=address)
    if not await is_switched_on(work.session, PROMO_CODES):
        return PromoCheck(valid=False, error_code="PROMO_CODE_DISABLED", message="promo codes are off")
    try:
        promo = await usable_promo(work, body.code)
    except ApiError as refused:
        return PromoCheck(valid=False, error_code=refused.reason, message=refused.message)
    return PromoCheck(valid=True, bonus_amount=to_usd(promo.bonus_nano))


@routes.route("GET", _ADMIN, Permission.MONEY)
async def list_promos(
    work: CurrentWork, paging: PagingParams, status: Search = "", search: Search = ""
) -> Page[PromoView]:
    """Promo codes, newest first."""
    rows, total = await PromoRepository(work.session).page(PromoFilter(status=status, search=search), paging)
    return paging.wrap([promo_view(row) for row in rows], total)


@routes.route("POST", _ADMIN, Permission.MONEY, status=201, idempotent="admin.promo_codes.create")
async def create_promo(body: PromoCreate, work: CurrentWork) -> PromoView:
    """Make a promo code; without `code` one is made up."""
    return promo_view(await PromoService(work).create(body))


@routes.route("GET", _ADMIN + "/{promo_id}", Permission.MONEY)
async def get_promo(promo_id: IdPath, work: CurrentWork) -> PromoView:
    """One promo code."""
    return promo_view(await PromoRepository(work.session).get(promo_id))


@routes.route("PUT", _ADMIN + "/{promo_id}", Permission.MONEY)
async def update_promo(promo_id: IdPath, body: PromoUpdate, work: CurrentWork) -> PromoView:
    """Change a promo code; absent fields stay, `expires_at: 0` removes its end."""
    return promo_view(await PromoService(work).update(promo_id, body))


@routes.route("DELETE", _ADMIN + "/{promo_id}", Permission.MONEY)
async def delete_promo(promo_id: IdPath, work: CurrentWork) -> MessageView:
    """Delete a promo code and the list of who used it; the bonuses stay."""
    await PromoService(work).delete(promo_id)
    return MessageView(message="promo code deleted")


@routes.route("GET", _ADMIN + "/{promo_id}/usages", Permission.AMOUNTS)
async def promo_usages(promo_id: IdPath, work: CurrentWork, paging: PagingParams) -> Page[PromoUsageView]:
    """Who used a promo code, newest first."""
    promos = PromoRepository(work.session)
    await promos.get(promo_id)
    pairs, total = await promos.usages(promo_id, paging)
    return paging.wrap([usage_view(row, user) for row, user in pairs], total)
