"""Routes that cannot exist without a permission (DESIGN 8, PAINS S5).

Order per call: authenticate on the headers, then read the (bounded) body, then open the transaction, run
the endpoint,
commit, announce, and only then answer. Nobody holds a database connection while a body trickles in.
"""

import functools
import typing
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from headgate.control.auth.gate import authenticate_staff, authenticate_user, require_open_door
from headgate.control.deps import ControlDeps
from headgate.control.embed.tickets import embedded_actor
from headgate.control.idempotency.guard import IdempotencyGuard, IdempotentCall, StoredAnswer
from headgate.control.idempotency.keys import HEADER, REPLAYED_HEADER, checked_key, identify
from headgate.control.web.answers import marked, replayed, shown_to, tagged
from headgate.control.web.auditing import describe, note_denial, note_refusal
from headgate.control.web.envelope import Envelope
from headgate.control.web.faults import AuthRefused
from headgate.control.web.permissions import Permission, may, refusal_text
from headgate.control.web.unknown_fields import ignored_fields, wants_refusal
from headgate.control.work import Actor, Work, open_work
from headgate.errors import ApiError, BadRequest

__all__ = ["CurrentWork", "Deps", "GuardedRoute", "Permission", "RouteTable"]

PERMISSION_FIELD = "x-permission"
ETAG_FIELD = "x-etag"
SCOPE_FIELD = "x-idempotency-scope"
EMBED_FIELD = "x-embed"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
"""Declaring an endpoint leaves its type alone, so that whoever calls it directly is checked."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What a route knows of the others of its table."""

    written_out: frozenset[str] = frozenset()
    """Paths without a parameter."""
    methods: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By path."""


def introduce(routes: Sequence[BaseRoute]) -> None:
    """Tell every route of the others."""
    guarded = [route for route in routes if isinstance(route, GuardedRoute)]
    methods: dict[str, frozenset[str]] = {}
    for route in guarded:
        methods[route.path_format] = methods.get(route.path_format, frozenset()) | frozenset(
            route.methods or ()
        )
    neighbours = Neighbours(frozenset(path for path in methods if "{" not in path), methods)
    for route in guarded:
        route.neighbours = neighbours


class GuardedRoute(APIRoute):
    """A route that refuses to be built without a permission, and enforces it before anything else."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        declared = (options.get("openapi_extra") or {}).get(PERMISSION_FIELD)
        if declared is None:
            raise TypeError(f"{path} has no permission: register it through a RouteTable")
        self.permission = Permission(declared)
        self.has_etag = bool((options.get("openapi_extra") or {}).get(ETAG_FIELD))
        self.takes_tickets = bool((options.get("openapi_extra") or {}).get(EMBED_FIELD))
        self.scope: str | None = (options.get("openapi_extra") or {}).get(SCOPE_FIELD)
        self.neighbours = Neighbours()
        super().__init__(path, endpoint, **options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """A path that is written out somewhere is never taken for one with a parameter."""
        match, child = super().matches(scope)
        if match is not Match.NONE and "{" in self.path:
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if path in self.neighbours.written_out:
                return Match.NONE, {}
        return match, child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """RFC 9110 15.5.6: a refused method is answered with all that the path has, not with this route's."""
        if scope["method"] not in (self.methods or ()):
            allowed = self.neighbours.methods.get(self.path_format, self.methods or ())
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        await super().handle(scope, receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        run_endpoint = super().get_route_handler()

        async def handle(request: Request) -> Response:
            deps = _deps(request)
            actor = await embedded_actor(deps, request.headers) if self.takes_tickets else None
            actor = actor or await _authenticate(self.permission, deps, request, self.path)
            if actor is not None and not may(actor.role, self.permission):
                await note_denial(deps, describe(request, self.path, deps.settings), actor)
                raise AuthRefused("FORBIDDEN", refusal_text(self.permission), status=403)
            key = checked_key(request.headers.get(HEADER, ""))
            ignored = self._ignored(await request.body())
            if ignored and wants_refusal(request.headers.get("prefer", "")):
                described = describe(request, self.path, deps.settings, await request.body())
                await note_refusal(deps, described, actor, unknown := _unknown(ignored))
                raise unknown
            call = await self._claim(deps, actor, key, request)
            if isinstance(call, StoredAnswer):
                return marked(shown_to(actor, self.permission, replayed(call)), ignored)
            described = describe(request, self.path, deps.settings, await request.body())
            try:
                async with (
                    call or nullcontext(),
                    open_work(deps, actor, call=described, idempotency_key=key) as work,
                ):
                    request.state.work = work
                    response = shown_to(actor, self.permission, await run_endpoint(request))
                    if call is not None:
                        await call.store(work.session, status=response.status_code, body=bytes(response.body))
            except (ApiError, RequestValidationError) as error:
                await note_refusal(deps, described, actor, error)
                raise
            response.headers.setdefault("Cache-Control", "no-store")
            if work.was_replayed:
                response.headers[REPLAYED_HEADER] = "true"
            return marked(tagged(request, response) if self.has_etag else response, ignored)

        return handle

    def _ignored(self, body: bytes) -> str:
        return "" if self.body_field is None else ignored_fields(self.body_field.field_info.annotation, body)

    async def _claim(
        self, deps: ControlDeps, actor: Actor | None, key: str | None, request: Request
    ) -> IdempotentCall | StoredAnswer | None:
        """None: the route, or this call of it, is not idempotent. Raises what `IdempotencyGuard` raises."""
        if self.scope is None or actor is None:
            return None
        guard = IdempotencyGuard(deps)
        guard.require_key(key)
        if key is None:
            return None
        identity = identify(
            scope=self.scope,
            key=key,
            method=request.method,
            route=self.path,
            actor_id=actor.user_id,
            parameters=request.path_params,
            body=await request.body(),
        )
        return await guard.claim(identity)


def _unknown(ignored: str) -> BadRequest:
    message = (
        f"these fields are not known here: {ignored}; without `Prefer: handling=strict` they are ignored"
    )
    return BadRequest(message, reason="UNKNOWN_FIELD", metadata={"fields": ignored})


async def _authenticate(
    permission: Permission, deps: ControlDeps, request: Request, path: str
) -> Actor | None:
    match permission:
        case Permission.PUBLIC:
            await require_open_door(deps, path)
            return None
        case Permission.USER:
            return await authenticate_user(deps, request.headers, method=request.method)
        case _:
            return await authenticate_staff(deps, request.headers, method=request.method)


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
    idempotent: str | None
    embed: bool
    query: Sequence[Mapping[str, Any]]
    produces: str


class RouteTable:
    """The routes of one slice. Endpoints return plain data; the table wraps it in the envelope."""

    def __init__(self, prefix: str, *, tag: str) -> None:
        self._prefix = prefix
        self._tag = tag
        self._declared: list[_Declared] = []

    def route(
        self,
        method: str,
        path: str,
        permission: Permission,
        *,
        status: int = 200,
        etag: bool = False,
        idempotent: str | None = None,
        embed: bool = False,
        query: Sequence[Mapping[str, Any]] = (),
        produces: str = "",
    ) -> Callable[[Endpoint], Endpoint]:
        """Declare an endpoint. `status` is that of success; with `etag` an unchanged answer becomes 304; with
        `embed` the ticket of an embedded page is enough; `query` are parameters that the endpoint reads
        itself, as OpenAPI describes them; `produces` is the media type of an endpoint that returns a
        `Response`; `idempotent` is the scope within which an Idempotency-Key makes it happen once
        (spec 7.15)."""
        if idempotent is not None and permission is Permission.PUBLIC:
            raise TypeError(f"{path} has nobody whose keys could be told apart")

        def declare(endpoint: Endpoint) -> Endpoint:
            self._declared.append(
                _Declared(
                    method=method,
                    path=path,
                    endpoint=endpoint,
                    permission=permission,
                    status=status,
                    etag=etag,
                    idempotent=idempotent,
                    embed=embed,
                    query=query,
                    produces=produces,
                )
            )
            return endpoint

        return declare

    def install(self, router: APIRouter) -> None:
        for declared in self._declared:
            answer = typing.get_type_hints(declared.endpoint)["return"]
            is_raw = isinstance(answer, type) and issubclass(answer, Response)
            if is_raw and declared.idempotent is not None:
                raise TypeError(f"{declared.path} answers with no document that could be kept")
            router.add_api_route(
                f"/v1{self._prefix}{declared.path}",
                declared.endpoint if is_raw else _enveloped(declared.endpoint),
                methods=[declared.method],
                response_model=None if is_raw else Envelope[answer],  # type: ignore[valid-type]
                response_class=Response if is_raw else JSONResponse,
                responses=_produced(declared),
                status_code=declared.status,
                tags=[self._tag],
                openapi_extra=_documented(declared),
                route_class_override=GuardedRoute,
            )


def _documented(declared: _Declared) -> dict[str, Any]:
    extra: dict[str, Any] = {PERMISSION_FIELD: declared.permission.value, ETAG_FIELD: declared.etag}
    if declared.embed:
        extra[EMBED_FIELD] = True
    if declared.query:
        extra["parameters"] = list(declared.query)
    if declared.idempotent is not None:
        schema = {"type": "string", "maxLength": 128}
        header = {"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema}
        extra |= {SCOPE_FIELD: declared.idempotent, "parameters": [*declared.query, header]}
    return extra


def _produced(declared: _Declared) -> dict[int | str, dict[str, Any]]:
    """What an answer past the envelope looks like."""
    if declared.status in (301, 302, 303, 307, 308):
        location = {"required": True, "schema": {"type": "string"}}
        return {declared.status: {"description": "Go there", "headers": {"Location": location}}}
    if not declared.produces:
        return {}
    return {declared.status: {"content": {declared.produces: {"schema": {"type": "string"}}}}}


def _enveloped(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def answer(*args: Any, **kwargs: Any) -> Any:
        return {"code": 0, "message": "success", "data": await endpoint(*args, **kwargs)}

    return answer
