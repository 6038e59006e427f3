"""Every route of the data plane, read from its own tables, so that no test forgets a new one."""

from headgate.core.dialects.contract import Target
from headgate.core.faults import Fault
from headgate.relay import routes
from headgate.relay.routes import Local, match

BELOW: dict[str, list[tuple[str, str]]] = {
    **{
        f"/{version}/models/": [
            ("GET", f"/{version}/models/gemini-2.5-flash"),
            *(("POST", f"/{version}/models/gemini-2.5-flash:{action}") for action in routes._GEMINI_ACTIONS),
            *(("POST", f"/{version}/models/gemini-2.5-flash/{action}") for action in routes._GEMINI_ACTIONS),
        ]
        for version in ("v1", "v1beta")
    },
    **{
        f"{root}/responses/": [
            *((method, f"{root}/responses/resp_1") for method in ("GET", "DELETE", "POST")),
            ("POST", f"{root}/responses/resp_1/cancel"),
        ]
        for root in ("", "/v1")
    },
}
"""By prefix: requests of each kind that the prefix serves."""

BODY = {
    "model": "gpt-5-mini", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "input": "hi",
    "prompt": "hi", "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
    "content": {"parts": [{"text": "hi"}]},
    "requests": [{"model": "models/m", "content": {"parts": [{"text": "hi"}]}}],
}  # fmt: skip
"""A request that every route takes."""


def every_request() -> list[tuple[str, str]]:
    """Method and path of each exact route and of each kind below a prefix."""
    exact = [(method, path) for path, methods in routes._EXACT.items() for method in methods]
    return exact + [sample for prefix, _ in routes._PREFIXES for sample in BELOW[prefix]]


def relayed_requests() -> list[tuple[str, str]]:
    """Those that go to a provider."""
    return [each for each in every_request() if isinstance(route_of(*each), Target)]


def route_of(method: str, path: str) -> Target | Local:
    route = match(method, path, b"")
    assert not isinstance(route, Fault), f"{method} {path}: {route}"
    return route


def platform_of(target: Target) -> str:
    return {"anthropic_messages": "anthropic", "gemini": "gemini"}.get(target.dialect.value, "openai")
