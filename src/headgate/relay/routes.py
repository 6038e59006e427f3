"""Which path is which endpoint: a small table, no framework (DESIGN 2). Paths as spec 2.1 and clients/README.

Every route here passes the one pipeline or is one of the few named local answers; a test enumerates both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs

from headgate.core.dialects.contract import Operation, StreamFraming, Target
from headgate.core.faults import Fault, FaultKind
from headgate.core.world import Dialect


class LocalEndpoint(StrEnum):
    """Data-plane answers that call no provider."""

    MODELS = "models"
    MODEL = "model"
    USAGE = "usage"
    COST_PREVIEW = "cost_preview"
    EVENT_LOGGING = "event_logging"
    ROOT = "root"


@dataclass(frozen=True, slots=True)
class Local:
    endpoint: LocalEndpoint
    dialect: Dialect | None
    """None: decided by the caller's headers (`/v1/models` is shared by three dialects)."""
    model: str = ""


Route = Target | Local

_MESSAGES = Target(dialect=Dialect.ANTHROPIC_MESSAGES, operation=Operation.GENERATE)
_COUNT_TOKENS = Target(dialect=Dialect.ANTHROPIC_MESSAGES, operation=Operation.COUNT)
_CHAT = Target(dialect=Dialect.OPENAI_CHAT, operation=Operation.GENERATE)
_EMBEDDINGS = Target(dialect=Dialect.OPENAI_CHAT, operation=Operation.EMBED)
_IMAGES = Target(dialect=Dialect.OPENAI_CHAT, operation=Operation.IMAGE)
_RESPONSES = Target(dialect=Dialect.OPENAI_RESPONSES, operation=Operation.GENERATE)
_COMPACT = Target(dialect=Dialect.OPENAI_RESPONSES, operation=Operation.COMPACT, subpath="/compact")
_INPUT_TOKENS = Target(dialect=Dialect.OPENAI_RESPONSES, operation=Operation.COUNT, subpath="/input_tokens")

_EXACT: dict[str, dict[str, Route]] = {
    "/v1/messages": {"POST": _MESSAGES},
    "/v1/messages/count_tokens": {"POST": _COUNT_TOKENS},
    "/v1/chat/completions": {"POST": _CHAT},
    "/v1/embeddings": {"POST": _EMBEDDINGS},
    "/v1/images/generations": {"POST": _IMAGES},
    "/v1/responses": {"POST": _RESPONSES},
    "/v1/responses/compact": {"POST": _COMPACT},
    "/v1/responses/input_tokens": {"POST": _INPUT_TOKENS},
    "/v1/models": {"GET": Local(LocalEndpoint.MODELS, None)},
    "/v1/cost/preview": {"POST": Local(LocalEndpoint.COST_PREVIEW, Dialect.ANTHROPIC_MESSAGES)},
    "/v1/usage": {"GET": Local(LocalEndpoint.USAGE, Dialect.ANTHROPIC_MESSAGES)},
    "/v1beta/models": {"GET": Local(LocalEndpoint.MODELS, Dialect.GEMINI)},
    "/api/event_logging/batch": {"POST": Local(LocalEndpoint.EVENT_LOGGING, Dialect.ANTHROPIC_MESSAGES)},
    "/": {"GET": Local(LocalEndpoint.ROOT, Dialect.ANTHROPIC_MESSAGES)},
}
for _path in (
    "messages",
    "messages/count_tokens",
    "chat/completions",
    "embeddings",
    "images/generations",
    "responses",
    "responses/compact",
    "responses/input_tokens",
    "models",
):
    _EXACT[f"/{_path}"] = _EXACT[f"/v1/{_path}"]

_GEMINI_ACTIONS: dict[str, Operation] = {
    "generateContent": Operation.GENERATE,
    "streamGenerateContent": Operation.GENERATE,
    "countTokens": Operation.COUNT,
    "embedContent": Operation.EMBED,
    "batchEmbedContents": Operation.EMBED,
}


PREVIEWED = _MESSAGES
"""Stands for the call that a cost preview is about, until its body is read."""


def match(method: str, path: str, query: bytes) -> Route | Fault:
    """The endpoint of a request, or the fault to answer with. HEAD counts as GET."""
    wanted = "GET" if method == "HEAD" else method
    methods = _EXACT.get(path if len(path) == 1 else path.rstrip("/"))
    if methods is not None:
        return _pick(methods, wanted, path)
    for prefix, build in _PREFIXES:
        if path.startswith(prefix):
            return build(wanted, path, query)
    return not_found(path)


def not_found(path: str) -> Fault:
    return Fault(kind=FaultKind.NOT_FOUND, message=f"Unknown path {_printable(path)}")


def dialect_of(path: str) -> Dialect:
    """The dialect whose error envelope a client on this path can read, also for paths that do not exist."""
    if path.startswith("/v1beta") or ("/models/" in path and ":" in path):
        return Dialect.GEMINI
    if "/messages" in path:
        return Dialect.ANTHROPIC_MESSAGES
    if "/responses" in path:
        return Dialect.OPENAI_RESPONSES
    return Dialect.OPENAI_CHAT


def _pick(methods: dict[str, Route], method: str, path: str) -> Route | Fault:
    route = methods.get(method)
    if route is not None:
        return route
    if method == "GET" and methods.get("POST") is _RESPONSES:
        return Fault(
            kind=FaultKind.UPGRADE_REQUIRED,
            message="WebSocket is not served here; use HTTP POST with stream=true",
        )
    allowed = ", ".join(sorted(methods))
    return Fault(
        kind=FaultKind.METHOD_NOT_ALLOWED, message=f"{method} is not allowed on {path}; use {allowed}"
    )


def _gemini_model(method: str, path: str, query: bytes) -> Route | Fault:
    version, _, rest = path[1:].partition("/models/")
    model, colon, action = rest.partition(":")
    if not colon and "/" in model:
        model, _, action = model.rpartition("/")
    if not action:
        return (
            Local(LocalEndpoint.MODEL, Dialect.GEMINI if version == "v1beta" else None, model)
            if method == "GET"
            else Fault(
                kind=FaultKind.METHOD_NOT_ALLOWED, message=f"{method} is not allowed on a model; use GET"
            )
        )
    operation = _GEMINI_ACTIONS.get(action)
    if operation is None or not model:
        return not_found(path)
    if method != "POST":
        return Fault(
            kind=FaultKind.METHOD_NOT_ALLOWED, message=f"{method} is not allowed on {action}; use POST"
        )
    return Target(
        dialect=Dialect.GEMINI,
        operation=operation,
        subpath=action,
        path_model=model,
        framing=_gemini_framing(action, query),
        api_version=version,
    )


def _gemini_framing(action: str, query: bytes) -> StreamFraming:
    if action != "streamGenerateContent":
        return StreamFraming.NONE
    alt = parse_qs(query.decode("latin-1")).get("alt", ["json"])[-1]
    return StreamFraming.SSE if alt == "sse" else StreamFraming.JSON_ARRAY


def _response_object(method: str, path: str, query: bytes) -> Route | Fault:
    subpath = path[path.index("/responses") + len("/responses") :]
    if method not in ("GET", "DELETE", "POST") or not _is_safe_subpath(subpath):
        return not_found(path)
    return Target(dialect=Dialect.OPENAI_RESPONSES, operation=Operation.OBJECT, subpath=subpath)


def _is_safe_subpath(subpath: str) -> bool:
    """Only plain segments may be appended to the provider's URL: no dots, no escapes, no empty parts."""
    parts = subpath.strip("/").split("/")
    return len(parts) <= 3 and all(
        p and len(p) <= 128 and p.replace("_", "").replace("-", "").isalnum() for p in parts
    )


_PREFIXES: tuple[tuple[str, Callable[[str, str, bytes], Route | Fault]], ...] = (
    ("/v1/models/", _gemini_model),
    ("/v1beta/models/", _gemini_model),
    ("/v1/responses/", _response_object),
    ("/responses/", _response_object),
)

FIRST_SEGMENTS = frozenset(
    path.lstrip("/").partition("/")[0]
    for path in (*_EXACT, *(prefix for prefix, _ in _PREFIXES))
    if path != "/"
)
"""Below these the data plane answers, or says that there is nothing: no page may stand there."""


def _printable(path: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in path[:100])
