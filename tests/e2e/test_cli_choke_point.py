"""Invariant 7: no route reaches a provider without a key, and none that is billed without money."""

import json

import pytest

from headgate.core.dialects.contract import Target
from headgate.relay import routes
from headgate.relay.attempt import UNMETERED
from headgate.relay.routes import match
from tests.e2e.bad_input_client import ask
from tests.e2e.conftest import Provision
from tests.support.gateway import Gateway
from tests.support.simulator import RunningSimulator

PATHS = [
    (method, path)
    for path, methods in routes._EXACT.items()
    for method, route in methods.items()
    if isinstance(route, Target)
]
PATHS += [
    ("POST", f"/{v}/models/gemini-2.5-flash:{action}")
    for v in ("v1", "v1beta")
    for action in routes._GEMINI_ACTIONS
]
PATHS += [(method, f"{p}/responses/resp_1") for p in ("", "/v1") for method in ("GET", "DELETE", "POST")]
BODY = {
    "model": "gpt-5-mini", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "input": "hi",
    "prompt": "hi", "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
    "content": {"parts": [{"text": "hi"}]}, "requests": [],
}  # fmt: skip


@pytest.mark.parametrize(("method", "path"), PATHS, ids=lambda value: value)
def test_no_route_reaches_a_provider_without_key_or_money(
    gateway: Gateway,
    simulator: RunningSimulator,
    provision: Provision,
    upstream_key: str,
    method: str,
    path: str,
) -> None:
    target = match(method, path, b"")
    assert isinstance(target, Target)
    platform = {"anthropic_messages": "anthropic", "gemini": "gemini"}.get(target.dialect.value, "openai")
    poor = provision(platform, upstream_keys=(upstream_key,), balance=0.0000001)
    body = json.dumps(BODY).encode() if method == "POST" else None
    assert ask(gateway.url, path, body, method=method).status == 401
    if target.operation not in UNMETERED:
        got = ask(gateway.url, path, body, {"authorization": f"Bearer {poor.key}"}, method=method)
        assert got.status == 403, got.body
    bill = simulator.bill(key=upstream_key)
    assert bill["lines"] == []
