"""The schema of the management API: what FastAPI finds in the endpoints, with what holds for all of them
(spec 0.2, 7.3, 7.15): who may call, which failures there are, and which headers come along.

Failures are shared components, so that clients made from the schema have one type for them. 500 is never
documented: whoever sees one has found a defect.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from headgate.control.idempotency.keys import REPLAYED_HEADER
from headgate.control.web.nullable_amounts import mark
from headgate.control.web.permissions import Permission
from headgate.control.web.unknown_fields import IGNORED_HEADER

__all__ = ["described"]

TITLE = "Headgate management API"
MOUNT = "/api"
"""Where the composition root serves it."""
_TEXT = {"type": "string"}
_REASON = {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$"}
_SCHEMAS: Mapping[str, Any] = {
    "Failure": {
        "type": "object",
        "description": "Why a call failed. `reason` is stable; the message is for people.",
        "properties": {
            "code": {"type": "integer", "description": "the HTTP status"},
            "message": _TEXT,
            "reason": _REASON,
            "metadata": {"type": "object", "additionalProperties": _TEXT},
        },
        "required": ["code", "message", "reason"],
        "additionalProperties": False,
    },
    "AuthFailure": {
        "type": "object",
        "description": "Who calls is not known, or may not do this. `code` and `reason` are the same.",
        "properties": {"code": _REASON, "message": _TEXT, "reason": _REASON},
        "required": ["code", "message", "reason"],
        "additionalProperties": False,
    },
    "HeadersTooLarge": {
        "type": "object",
        "description": "Refused before anybody looked where it goes.",
        "properties": {"error": {"type": "object"}},
        "required": ["error"],
    },
    "Throttled": {
        "type": "object",
        "description": "Too many calls of the routes that anybody may call.",
        "properties": {"error": _TEXT, "message": _TEXT, "reason": _REASON},
        "required": ["error", "message", "reason"],
        "additionalProperties": False,
    },
}
_RETRY_AFTER = {
    "Retry-After": {"description": "seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}}
}
_FAILURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "400": ("The request is not valid, or asks for what cannot be done", ("Failure", "AuthFailure")),
    "401": ("Nobody is known by these credentials", ("AuthFailure", "Failure")),
    "403": ("The caller may not do this", ("AuthFailure", "Failure")),
    "404": ("What the call is about does not exist", ("Failure",)),
    "409": ("The change conflicts with what is there, or with another change", ("Failure",)),
    "413": ("The body is larger than 1 MiB", ("Failure",)),
    "429": ("Too often; later", ("Failure", "Throttled")),
    "431": ("The address or the headers are too long", ("HeadersTooLarge",)),
    "503": ("Something that is needed does not answer; later", ("Failure",)),
}
_SECURITY_SCHEMES: Mapping[str, Any] = {
    "accessToken": {"type": "http", "scheme": "bearer", "description": "from /v1/auth/login"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "headgate_access",
        "description": "of a browser; changes want the header X-CSRF-Token as well",
    },
    "adminKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "of payment systems and scripts; acts as the first administrator",
    },
}
_PERSON: Sequence[Mapping[str, Any]] = ({"accessToken": []}, {"session": []})
_STAFF: Sequence[Mapping[str, Any]] = (*_PERSON, {"adminKey": []})


def described(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The schema of these routes."""
    document = get_openapi(title=TITLE, version="1", routes=list(routes), servers=[{"url": MOUNT}])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(method.upper(), path, operation)
    components = document.setdefault("components", {})
    components["securitySchemes"] = dict(_SECURITY_SCHEMES)
    components["responses"] = {f"Failure{status}": _response(status) for status in _FAILURES}
    schemas = components.setdefault("schemas", {})
    schemas.update(_SCHEMAS)
    for unused in ("HTTPValidationError", "ValidationError"):  # of FastAPI's 422, which is 400 here
        schemas.pop(unused, None)
    mark(document)
    return document


def _complete(method: str, path: str, operation: dict[str, Any]) -> None:
    permission = Permission(operation["x-permission"])
    responses = operation["responses"]
    responses.pop("422", None)
    for status in _statuses(method, path, permission, has_body="requestBody" in operation):
        responses.setdefault(status, {"$ref": f"#/components/responses/Failure{status}"})
    operation["security"] = _security(permission)
    succeeded = next(status for status in responses if status[0] in "23")
    headers = _headers(operation)
    if headers:
        responses[succeeded]["headers"] = {**responses[succeeded].get("headers", {}), **headers}
    if operation.get("x-etag"):
        responses["304"] = {"description": "As `If-None-Match` has it", "headers": headers}
        operation.setdefault("parameters", []).append(
            {"name": "If-None-Match", "in": "header", "required": False, "schema": _TEXT}
        )
    operation["responses"] = dict(sorted(responses.items()))


def _statuses(method: str, path: str, permission: Permission, *, has_body: bool) -> Iterator[str]:
    """Which failures a call can end with, by what it is."""
    yield from ("400", "431", "503")
    if permission is not Permission.PUBLIC or path.startswith("/v1/auth/"):
        yield from ("401", "403")
    if "{" in path or has_body or method == "GET":
        yield "404"
    if method != "GET":
        yield from ("409", "413")
    if permission in (Permission.PUBLIC, Permission.USER):
        yield "429"


def _security(permission: Permission) -> list[Mapping[str, Any]]:
    match permission:
        case Permission.PUBLIC:
            return []
        case Permission.USER:
            return list(_PERSON)
        case _:
            return list(_STAFF)


def _headers(operation: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if operation.get("x-etag"):
        found["ETag"] = {"required": True, "schema": _TEXT}
    if operation.get("x-idempotency-scope"):
        meaning = "this answer was given before, to the same Idempotency-Key"
        found[REPLAYED_HEADER] = {"description": meaning, "schema": {"type": "string", "enum": ["true"]}}
    if "requestBody" in operation:
        meaning = "fields of the body that nothing reads; with `Prefer: handling=strict` they are refused"
        found[IGNORED_HEADER] = {"description": meaning, "schema": _TEXT}
    return found


def _response(status: str) -> dict[str, Any]:
    description, shapes = _FAILURES[status]
    refs = [{"$ref": f"#/components/schemas/{shape}"} for shape in shapes]
    schema = refs[0] if len(refs) == 1 else {"anyOf": refs}
    answer: dict[str, Any] = {"description": description, "content": {"application/json": {"schema": schema}}}
    if status in ("429", "503"):
        answer["headers"] = _RETRY_AFTER
    return answer
