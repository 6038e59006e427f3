"""Routes that cannot exist without a permission (DESIGN 8, PAINS S5).

Order per call: authenticate on the headers, then read the (bounded) body, then open the transaction, run
the endpoint,
commit, announce, and only then answer. Nobody holds a database connection while a body trickles in.
"""

import functools
import hashlib
import re
import typing
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute

from headgate.control.auth.gate import authenticate_admin, authenticate_user
from headgate.control.deps import ControlDeps
from headgate.control.web.envelope import Envelope
from headgate.control.work import Actor, Work, open_work
from headgate.errors import BadRequest

PERMISSION_FIELD = "x-permission"
ETAG_FIELD = "x-etag"
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,128}")


class Permission(StrEnum):
    """Who may call. PUBLIC: anybody; USER: any active user; ADMIN: role admin, or the admin key."""

    PUBLIC = "public"
    USER = "user"
    ADMIN = "admin"


class GuardedRoute(APIRoute):
    """A route that refuses to be built without a permission, and enforces it before anything else."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        declared = (options.get("openapi_extra") or {}).get(PERMISSION_FIELD)
        if declared is None:
            raise TypeError(f"{path} has no permission: register it through a RouteTable")
        self.permission = Permission(declared)
        self.has_etag = bool((options.get("openapi_extra") or {}).get(ETAG_FIELD))
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        run_endpoint = super().get_route_handler()
        permission, has_etag = self.permission, self.has_etag

        async def handle(request: Request) -> Response:
            deps = _deps(request)
            actor = await _authenticate(permission, deps, request)
            idempotency_key = _idempotency_key(request)
            await request.body()
            async with open_work(deps, actor, idempotency_key=idempotency_key) as work:
                request.state.work = work
                response = await run_endpoint(request)
            response.headers.setdefault("Cache-Control", "no-store")
            if work.was_replayed:
                response.headers["X-Idempotency-Replayed"] = "true"
            return _tagged(request, response) if has_etag else response

        return handle


def _tagged(request: Request, response: Response) -> Response:
    """RFC 9110 13.1.2: a client that has this very answer gets 304. The tag is of the content, so it may be
    weak."""
    tag = f'W/"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    given = [candidate.strip() for candidate in request.headers.get("if-none-match", "").split(",")]
    if tag in given or tag.removeprefix("W/") in given:
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "no-cache"})
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "no-cache"
    return response


async def _authenticate(permission: Permission, deps: ControlDeps, request: Request) -> Actor | None:
    match permission:
        case Permission.PUBLIC:
            return None
        case Permission.USER:
            return await authenticate_user(deps, request.headers)
        case Permission.ADMIN:
            return await authenticate_admin(deps, request.headers)
        case _:
            typing.assert_never(permission)


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key", "").strip()
    if not key:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise BadRequest(
            "Idempotency-Key has 1 to 128 printable ASCII characters", reason="IDEMPOTENCY_KEY_INVALID"
        )
    return key


def _current_work(request: Request) -> Work:
    work: Work = request.state.work
    return work


def _deps(request: Request) -> ControlDeps:
    deps: ControlDeps = request.app.state.deps
    return deps


Deps = Annotated[ControlDeps, Depends(_deps)]
CurrentWork = Annotated[Work, Depends(_current_work)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    method: str
    path: str
    endpoint: Callable[..., Any]
    permission: Permission
    status: int
    etag: bool


class RouteTable:
    """The routes of one slice. Endpoints return plain data; the table wraps it in the envelope."""

    def __init__(self, prefix: str, *, tag: str) -> None:
        self._prefix = prefix
        self._tag = tag
        self._declared: list[_Declared] = []

    def route(
        self, method: str, path: str, permission: Permission, *, status: int = 200, etag: bool = False
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare an endpoint. `status` is that of success; with `etag` an unchanged answer becomes 304."""

        def declare(endpoint: Callable[..., Any]) -> Callable[..., Any]:
            self._declared.append(
                _Declared(
                    method=method,
                    path=path,
                    endpoint=endpoint,
                    permission=permission,
                    status=status,
                    etag=etag,
                )
            )
            return endpoint

        return declare

    def install(self, app: FastAPI) -> None:
        for declared in self._declared:
            answer = typing.get_type_hints(declared.endpoint)["return"]
            is_raw = isinstance(answer, type) and issubclass(answer, Response)
            app.router.add_api_route(
                f"/v1{self._prefix}{declared.path}",
                declared.endpoint if is_raw else _enveloped(declared.endpoint),
                methods=[declared.method],
                response_model=None if is_raw else Envelope[answer],  # type: ignore[valid-type]
                status_code=declared.status,
                tags=[self._tag],
                openapi_extra={PERMISSION_FIELD: declared.permission.value, ETAG_FIELD: declared.etag},
                route_class_override=GuardedRoute,
            )


def _enveloped(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def answer(*args: Any, **kwargs: Any) -> Any:
        return {"code": 0, "message": "success", "data": await endpoint(*args, **kwargs)}

    return answer
