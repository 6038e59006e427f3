"""A request as the audit log names it."""

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

from headgate.control.audit.record import Call, refusal, target_kind
from headgate.control.audit.rules import safe
from headgate.control.deps import ControlDeps
from headgate.control.web.address import address_of
from headgate.control.web.faults import invalid_reason
from headgate.control.work import Actor
from headgate.errors import ApiError
from headgate.kit import json
from headgate.kit.ids import IdFactory
from headgate.settings import Settings

REQUEST_ID_HEADER = "X-Request-ID"
MAX_ASKED_BYTES = 16 * 1024


def describe(request: Request, path: str, settings: Settings, body: bytes = b"") -> Call:
    """`path` is the route's template. A body is shown without secrets; one that is no JSON not at all."""
    if request.method == "GET":
        return Call(action="", is_read=True)
    segments = path.removeprefix("/v1/").removeprefix("admin/").split("/")
    identities = [str(value) for value in request.path_params.values()]
    return Call(
        action=f"{request.method} /api{path}",
        target_kind="sessions" if "sessions" in segments else target_kind(segments[0]),
        target_id=identities[0] if identities else "",
        address=address_of(request, settings.server.trusted_proxies),
        request_id=IdFactory().new(),
        asked=_asked(body),
    )


async def note_refusal(
    deps: ControlDeps, call: Call, actor: Actor | None, error: ApiError | RequestValidationError
) -> None:
    """What those with rights tried and were refused. Users' mistakes are not kept: anybody could fill the
    log with them."""
    if call.is_read or actor is None or actor.role == "user":
        return
    reason = error.reason if isinstance(error, ApiError) else invalid_reason(error)
    async with deps.uow() as uow:
        uow.session.add(refusal(call, actor, "refused", reason, now_ms=deps.clock.now_ms()))


async def note_denial(deps: ControlDeps, call: Call, actor: Actor) -> None:
    """A role tried what it may not. Like `note_refusal`, only of those with rights."""
    if call.is_read or actor.role == "user":
        return
    async with deps.uow() as uow:
        uow.session.add(refusal(call, actor, "denied", "FORBIDDEN", now_ms=deps.clock.now_ms()))


def _asked(body: bytes) -> str:
    if not body:
        return ""
    try:
        document = json.loads(body)
    except json.JSONDecodeError:
        return ""
    if not isinstance(document, dict):
        return ""
    shown = json.dumps(safe("body", document))
    return shown.decode() if len(shown) <= MAX_ASKED_BYTES else '{"truncated":true}'
