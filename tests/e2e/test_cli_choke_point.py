"""Invariant 7: no route reaches a provider without a key, and none that is billed without money."""

import json

import pytest

from headgate.core.dialects.contract import Target
from headgate.relay.attempt import UNMETERED
from tests.e2e.bad_input_client import ask
from tests.e2e.conftest import Provision
from tests.support.data_plane_routes import BODY, platform_of, relayed_requests, route_of
from tests.support.gateway import Gateway
from tests.support.simulator import RunningSimulator


@pytest.mark.parametrize(("method", "path"), relayed_requests(), ids=lambda value: value)
def test_no_route_reaches_a_provider_without_key_or_money(
    gateway: Gateway,
    simulator: RunningSimulator,
    provision: Provision,
    upstream_key: str,
    method: str,
    path: str,
) -> None:
    target = route_of(method, path)
    assert isinstance(target, Target)
    poor = provision(platform_of(target), upstream_keys=(upstream_key,), balance=0.0000001)
    body = json.dumps(BODY).encode() if method == "POST" else None
    assert ask(gateway.url, path, body, method=method).status == 401
    if target.operation not in UNMETERED:
        got = ask(gateway.url, path, body, {"authorization": f"Bearer {poor.key}"}, method=method)
        assert got.status == 403, got.body
    bill = simulator.bill(key=upstream_key)
    assert bill["lines"] == []


@pytest.mark.parametrize(("method", "path"), relayed_requests(), ids=lambda value: value)
def test_no_route_reaches_a_provider_past_an_exhausted_rate_limit(
    gateway: Gateway,
    simulator: RunningSimulator,
    provision: Provision,
    upstream_key: str,
    method: str,
    path: str,
) -> None:
    """Unbilled routes too: they are requests all the same. The first request uses the limit up."""
    target = route_of(method, path)
    assert isinstance(target, Target)
    caller = provision(platform_of(target), upstream_keys=(upstream_key,), key={"rpm_limit": 1})
    headers = {"authorization": f"Bearer {caller.key}"}
    body = json.dumps(BODY).encode() if method == "POST" else None
    first = ask(gateway.url, path, body, headers, method=method)
    assert first.status != 429, first.body
    served = simulator.settled_bill(key=upstream_key)
    got = ask(gateway.url, path, body, headers, method=method)
    assert (got.status, b"Rate limit of this API key: 1 request a minute" in got.body) == (429, True), (
        got.body
    )
    assert simulator.bill(key=upstream_key) == served
