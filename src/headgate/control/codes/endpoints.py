"""HTTP of redeem codes: their administration, and redeeming (spec 7.11, 8.6, 11.2)."""

from collections.abc import Sequence

from fastapi import Request, Response

from headgate.control.auth.throttle import admit_code_check
from headgate.control.codes.administration import CodeAdministration
from headgate.control.codes.attempts import RedeemAttempts
from headgate.control.codes.export import csv_document
from headgate.control.codes.invitations import invitation_problem
from headgate.control.codes.redeeming import Redeeming
from headgate.control.codes.repository import CodeFilter, CodeRepository
from headgate.control.codes.schemas import (
    AdminRedeemCodeView,
    CodeStats,
    CreateAndRedeemBody,
    GenerateBody,
    InvitationCheck,
    RedeemBody,
    RedeemCodeView,
    RedeemedAnswer,
    SelectionAnswer,
    SelectionBody,
    admin_code_view,
    admin_code_views,
    code_view,
)
from headgate.control.groups.repository import GroupRepository
from headgate.control.settings.switches import INVITATION_CODES, is_switched_on
from headgate.control.users.repository import UserRepository
from headgate.control.web.address import address_of
from headgate.control.web.csv_cells import MAX_ROWS, MEDIA_TYPE, headers
from headgate.control.web.envelope import MessageView, Page, Paging, PagingParams
from headgate.control.web.fields import IdPath, Search
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.control.work import Work
from headgate.storage.models import RedeemCodeRow

routes = RouteTable("", tag="redeem codes")
_ADMIN = "/admin/redeem-codes"
_LAST = Paging(page_size=25)


@routes.route("POST", "/auth/validate-invitation-code", Permission.PUBLIC)
async def validate_invitation_code(body: RedeemBody, work: CurrentWork, request: Request) -> InvitationCheck:
    """Would this invitation work? Says so before anybody registers."""
    address = address_of(request, work.deps.settings.server.trusted_proxies)
    await admit_code_check(work, "invitation", address=address)
    if not await is_switched_on(work.session, INVITATION_CODES):
        return InvitationCheck(valid=False, error_code="INVITATION_CODE_DISABLED")
    problem = await invitation_problem(work, body.code)
    return InvitationCheck(valid=problem is None, error_code=problem)


@routes.route("POST", "/redeem", Permission.USER)
async def redeem(body: RedeemBody, work: CurrentWork) -> RedeemCodeView:
    """Redeem a code: balance, concurrency or a subscription."""
    attempts = RedeemAttempts(work.deps.state.counters, work.actor.user_id)
    await attempts.admit()
    row = await Redeeming(work).redeem(work.actor.user_id, body.code)
    await attempts.succeeded()
    return (await _own_views(work, [row]))[0]


@routes.route("GET", "/redeem/history", Permission.USER)
async def redeem_history(work: CurrentWork) -> Sequence[RedeemCodeView]:
    """The last 25 codes of the caller, with what administrators adjusted; newest first."""
    rows, _ = await CodeRepository(work.session).used_by(work.actor.user_id, _LAST)
    return await _own_views(work, rows)


@routes.route("GET", _ADMIN, Permission.MONEY)
async def list_codes(
    work: CurrentWork,
    paging: PagingParams,
    type: Search = "",
    status: Search = "",
    search: Search = "",
    batch: Search = "",
) -> Page[AdminRedeemCodeView]:
    """Codes, newest first. `search`: part of the code, or of the e-mail of who used it."""
    wanted = CodeFilter(kind=type, status=status, search=search, batch=batch)
    pairs, total = await CodeRepository(work.session).page(wanted, paging, work.now())
    groups = await GroupRepository(work.session).by_ids({row.group_id for row, _ in pairs if row.group_id})
    views = [
        admin_code_view(row, work.now(), user=user, group=groups.get(row.group_id or 0))
        for row, user in pairs
    ]
    return paging.wrap(views, total)


@routes.route("GET", _ADMIN + "/stats", Permission.AMOUNTS)
async def code_stats(work: CurrentWork) -> CodeStats:
    """Numbers of codes and what they were worth."""
    return await CodeAdministration(work).stats()


@routes.route("GET", _ADMIN + "/export", Permission.MONEY, produces="text/csv")
async def export_codes(
    work: CurrentWork, type: Search = "", status: Search = "", search: Search = "", batch: Search = ""
) -> Response:
    """The newest 10,000 codes as CSV. `X-Total-Count` says how many there are."""
    wanted = CodeFilter(kind=type, status=status, search=search, batch=batch)
    pairs, total = await CodeRepository(work.session).page(wanted, Paging(page_size=MAX_ROWS), work.now())
    content = csv_document(pairs, work.now())
    return Response(content, media_type=MEDIA_TYPE, headers=headers("redeem-codes", total))


@routes.route("POST", _ADMIN + "/generate", Permission.MONEY, idempotent="admin.redeem_codes.generate")
async def generate_codes(body: GenerateBody, work: CurrentWork) -> Sequence[AdminRedeemCodeView]:
    """Make up to 500 codes of one kind."""
    return admin_code_views(await CodeAdministration(work).generate(body), work.now())


@routes.route(
    "POST",
    _ADMIN + "/create-and-redeem",
    Permission.MONEY,
    idempotent="admin.redeem_codes.create_and_redeem",
)
async def create_and_redeem(body: CreateAndRedeemBody, work: CurrentWork) -> RedeemedAnswer:
    """For payment front-ends: make a code and redeem it for a user, in one step that is safe to repeat."""
    row = await Redeeming(work).create_and_redeem(body)
    user = await UserRepository(work.session).get(body.user_id)
    groups = await GroupRepository(work.session).by_ids({row.group_id} if row.group_id else set())
    view = admin_code_view(row, work.now(), user=user, group=groups.get(row.group_id or 0))
    return RedeemedAnswer(redeem_code=view)


@routes.route("POST", _ADMIN + "/batch-delete", Permission.MONEY)
async def delete_codes(body: SelectionBody, work: CurrentWork) -> SelectionAnswer:
    """Delete codes that nobody used, by id or batch; used ones stay."""
    return SelectionAnswer(deleted=await CodeAdministration(work).delete_many(body))


@routes.route("POST", _ADMIN + "/batch-expire", Permission.MONEY)
async def expire_codes(body: SelectionBody, work: CurrentWork) -> SelectionAnswer:
    """Void unused codes, by id or batch."""
    return SelectionAnswer(expired=await CodeAdministration(work).expire_many(body))


@routes.route("GET", _ADMIN + "/{code_id}", Permission.MONEY)
async def get_code(code_id: IdPath, work: CurrentWork) -> AdminRedeemCodeView:
    """One code."""
    return admin_code_view(await CodeRepository(work.session).get(code_id), work.now())


@routes.route("DELETE", _ADMIN + "/{code_id}", Permission.MONEY)
async def delete_code(code_id: IdPath, work: CurrentWork) -> MessageView:
    """Delete a code that nobody used."""
    await CodeAdministration(work).delete(code_id)
    return MessageView(message="redeem code deleted")


@routes.route("POST", _ADMIN + "/{code_id}/expire", Permission.MONEY)
async def expire_code(code_id: IdPath, work: CurrentWork) -> AdminRedeemCodeView:
    """Void an unused code."""
    return admin_code_view(await CodeAdministration(work).expire(code_id), work.now())


async def _own_views(work: Work, rows: Sequence[RedeemCodeRow]) -> list[RedeemCodeView]:
    groups = await GroupRepository(work.session).by_ids({row.group_id for row in rows if row.group_id})
    return [code_view(row, work.now(), group=groups.get(row.group_id or 0)) for row in rows]
