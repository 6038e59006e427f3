"""What becomes of an answer on its way out: amounts that are not for everybody, replays, tags."""

import hashlib

from fastapi import Request, Response

from headgate.control.idempotency.guard import StoredAnswer
from headgate.control.idempotency.keys import REPLAYED_HEADER
from headgate.control.web.amounts import without_amounts
from headgate.control.web.permissions import Permission, may
from headgate.control.web.unknown_fields import IGNORED_HEADER
from headgate.control.work import Actor

_OWN = (Permission.PUBLIC, Permission.USER)


def shown_to(actor: Actor | None, permission: Permission, response: Response) -> Response:
    """What the administration answers, without amounts for a role that may not see them. Before it is kept
    or gets a tag; what is everybody's own stays whole."""
    if permission in _OWN or actor is None or may(actor.role, Permission.AMOUNTS):
        return response
    if response.headers.get("content-type", "").startswith("application/json") and response.body:
        response.body = without_amounts(bytes(response.body))
        response.headers["Content-Length"] = str(len(response.body))
    return response


def replayed(stored: StoredAnswer) -> Response:
    """The answer that was given before."""
    headers = {"Cache-Control": "no-store", REPLAYED_HEADER: "true"}
    return Response(stored.body, stored.status, headers=headers, media_type="application/json")


def marked(response: Response, ignored: str) -> Response:
    """Says which fields of the body were not read; empty: all were."""
    if ignored:
        response.headers[IGNORED_HEADER] = ignored
    return response


def tagged(request: Request, response: Response) -> Response:
    """RFC 9110 13.1.2: a client that has this very answer gets 304. The tag is of the content, so it may be
    weak."""
    tag = f'W/"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    given = [candidate.strip() for candidate in request.headers.get("if-none-match", "").split(",")]
    if tag in given or tag.removeprefix("W/") in given:
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "no-cache"})
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "no-cache"
    return response
