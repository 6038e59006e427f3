"""Failures as answers: every one under /api has the envelope, but for the flat shapes of authentication
(spec 0.2, 7.3), and every one has a `reason` that programs may rely on.

Messages are built from codes and names, never from `str(exception)` of a foreign library (PAINS S12).
"""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from headgate.control.web.envelope import error_body
from headgate.errors import ApiError, HeadgateError
from headgate.state.protocols import StateUnavailable

log = structlog.get_logger(__name__)
NO_STORE = {"Cache-Control": "no-store"}
VALIDATION_ERROR = "VALIDATION_ERROR"
INVALID_JSON = "INVALID_JSON"


class AuthRefused(HeadgateError):
    """Authentication failed. Rendered flat:
    `{"code": "INVALID_TOKEN", "message": ..., "reason": "INVALID_TOKEN"}`."""

    def __init__(self, code: str, message: str, *, status: int = 401) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class Throttled(HeadgateError):
    """The rate limiter of the authentication routes refused; it has a shape of its own (spec 0.2)."""


class RetryLater(HeadgateError):
    """A dependency does not answer; 503 in the envelope."""


def install(app: FastAPI) -> None:
    """Register all handlers on the app."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(AuthRefused, _auth_refused)
    app.add_exception_handler(Throttled, _throttled)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(IntegrityError, _conflict)
    for kind in (StateUnavailable, RetryLater, OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(kind, _unavailable)
    app.add_exception_handler(ClientDisconnect, _client_gone)
    app.add_exception_handler(Exception, _unexpected)


def respond(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(body, status_code=status, headers={**NO_STORE, **(headers or {})})


async def _api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    metadata = dict(error.metadata) if error.metadata else None
    headers = {"Retry-After": metadata["retry_after"]} if metadata and "retry_after" in metadata else None
    return respond(
        error.status, error_body(error.status, error.message, reason=error.reason, metadata=metadata), headers
    )


async def _auth_refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AuthRefused)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return respond(
        error.status, {"code": error.code, "message": error.message, "reason": error.code}, headers
    )


async def _throttled(_: Request, error: Exception) -> JSONResponse:
    message = "Too many requests, please try again later"
    body = {"error": "rate limit exceeded", "message": message, "reason": "RATE_LIMITED"}
    return respond(429, body, {"Retry-After": "60"})


async def _invalid_request(_: Request, error: Exception) -> JSONResponse:
    """Names the field and the problem, never the value: it can be a password."""
    assert isinstance(error, RequestValidationError)
    problems = [_problem(item) for item in error.errors()[:5]]
    message = "Invalid request: " + "; ".join(problems)
    return respond(400, error_body(400, message, reason=invalid_reason(error)))


def invalid_reason(error: RequestValidationError) -> str:
    """INVALID_JSON for a body that cannot be read, VALIDATION_ERROR for fields, queries and paths that are
    not what the route takes."""
    is_unreadable = any(item["type"] == "json_invalid" for item in error.errors())
    return INVALID_JSON if is_unreadable else VALIDATION_ERROR


def _problem(item: dict[str, Any]) -> str:
    if item["type"] == "json_invalid":
        return "the body is not valid JSON"
    place = ".".join(str(part) for part in item["loc"] if part not in ("body", "query", "path"))
    return f"{place[:100]}: {item['msg'][:200]}" if place else item["msg"][:200]


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if (
        error.status_code == 400
    ):  # FastAPI's word for a body that breaks the parser, such as one nested too deeply
        return respond(400, error_body(400, "Invalid request: the body cannot be read", reason=INVALID_JSON))
    reason = HTTPStatus(error.status_code).name  # NOT_FOUND, METHOD_NOT_ALLOWED
    body = error_body(error.status_code, str(error.detail), reason=reason)
    return respond(error.status_code, body, dict(error.headers) if error.headers else None)


async def _conflict(_: Request, error: Exception) -> JSONResponse:
    """Two writers at once and a constraint decided: the check before the write had passed for both."""
    log.warning("write_conflict", error=type(error).__name__)
    return respond(
        409, error_body(409, "the change conflicts with another one; read again and retry", reason="CONFLICT")
    )


async def _unavailable(_: Request, error: Exception) -> JSONResponse:
    log.warning("dependency_unavailable", error=type(error).__name__)
    body = error_body(503, "temporarily unavailable, please retry", reason="SERVICE_UNAVAILABLE")
    return respond(503, body, {"Retry-After": "2"})


async def _client_gone(_: Request, error: Exception) -> JSONResponse:
    """Nobody will read this; it only keeps a truncated upload from looking like our failure."""
    return respond(400, error_body(400, "Invalid request: the body is incomplete", reason=INVALID_JSON))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """The outermost handler logs; the answer tells nothing."""
    shown = (
        type(error.__cause__ or error).__name__
        if isinstance(error, SQLAlchemyError)
        else type(error).__name__
    )
    log.error("management_call_failed", path=request.scope.get("path"), error=shown)
    return respond(500, error_body(500, "internal error", reason="INTERNAL_ERROR"))
