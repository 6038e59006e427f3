"""HTTP of explanations: everything for staff, the caller's own part for users."""

from typing import Annotated

from fastapi import Path

from headgate.control.requests.schemas import AdminExplanationView, ExplanationView
from headgate.control.requests.service import RequestService
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("", tag="usage")

Reference = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_:-]+$")]


@routes.route("GET", "/admin/requests/{reference}/explain", Permission.READ)
async def explain(reference: Reference, work: CurrentWork) -> AdminExplanationView:
    """Why a request went as it did: session rule, every account with its score or the reason why not, waits,
    attempts, tokens, tariff, ledger lines. By the `X-Headgate-Exchange-Id` of the answer or a record's id."""
    return await RequestService(work).explain(reference)


@routes.route("GET", "/usage/{reference}/explain", Permission.USER)
async def explain_own(reference: Reference, work: CurrentWork) -> ExplanationView:
    """The same about one of the caller's own requests, without accounts and what the operator pays."""
    return await RequestService(work).explain_own(reference)
