"""Callers who may not, or cannot pay: status and code of spec 2.2 in every dialect, and no upstream call."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.bad_input_client import CHAT, ENDPOINTS, MESSAGES, Answer, Endpoint, ask, code_in, message_in
from tests.e2e.conftest import Provision
from tests.support.gateway import Gateway, Provisioned
from tests.support.simulator import RunningSimulator

Caller = Callable[..., Provisioned]
each_dialect = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.dialect)


@pytest.fixture
def caller(provision: Provision, endpoint: Endpoint, upstream_key: str) -> Caller:
    def make(**more: Any) -> Provisioned:
        return provision(endpoint.platform, upstream_keys=(upstream_key,), **more)

    return make


@pytest.fixture
def refused(gateway: Gateway, simulator: RunningSimulator, endpoint: Endpoint, upstream_key: str) -> Any:
    """Ask for an answer and get (status, code), with the envelope checked and nobody called."""

    def send(key: str, **headers: str) -> tuple[int, str | None]:
        got = ask(gateway.url, endpoint.path, endpoint.body, {**endpoint.headers(key), **headers})
        message_in(endpoint.dialect, got)
        assert simulator.bill(key=upstream_key)["lines"] == []
        return got.status, code_in(endpoint.dialect, got)

    return send


def _api(gateway: Gateway, caller: Provisioned, **change: Any) -> None:
    gateway.api("PUT", f"/keys/{caller.key_id}", change, token=caller.user_token)


@each_dialect
@pytest.mark.parametrize(
    "key", ["sk-unknown", "x", "k" * 256, "k" * 4000, "sk-\u00e9\u00e9", "' OR 1=1 --"], ids=lambda k: k[:12]
)
def test_an_unknown_key_is_invalid(refused: Any, key: str) -> None:
    assert refused(key) == (401, "INVALID_API_KEY")


@each_dialect
def test_no_key_is_said_so(gateway: Gateway, endpoint: Endpoint) -> None:
    got = ask(gateway.url, endpoint.path, endpoint.body)
    assert (got.status, code_in(endpoint.dialect, got)) == (401, "API_KEY_REQUIRED")


@each_dialect
def test_a_key_in_the_query_is_refused_and_not_repeated(
    gateway: Gateway, endpoint: Endpoint, caller: Caller
) -> None:
    key = caller().key
    got = ask(gateway.url, f"{endpoint.path}?api_key={key}", endpoint.body)
    assert (got.status, code_in(endpoint.dialect, got)) == (400, "api_key_in_query_deprecated")
    assert key.encode() not in got.body


@each_dialect
def test_a_disabled_key_is_refused(gateway: Gateway, caller: Caller, refused: Any) -> None:
    made = caller()
    _api(gateway, made, status="inactive")
    assert refused(made.key) == (401, "API_KEY_DISABLED")


@each_dialect
def test_a_deleted_key_is_unknown(gateway: Gateway, caller: Caller, refused: Any) -> None:
    made = caller()
    gateway.api("DELETE", f"/keys/{made.key_id}", token=made.user_token)
    assert refused(made.key) == (401, "INVALID_API_KEY")


@each_dialect
def test_an_expired_key_is_refused(gateway: Gateway, caller: Caller, refused: Any) -> None:
    made = caller()
    _api(gateway, made, expires_at="2020-01-01T00:00:00Z")
    assert refused(made.key) == (403, "API_KEY_EXPIRED")


@each_dialect
@pytest.mark.parametrize(
    "rule",
    [{"ip_whitelist": ["203.0.113.0/24"]}, {"ip_blacklist": ["127.0.0.0/8"]}],
    ids=lambda r: next(iter(r)),
)
def test_an_address_that_the_key_forbids_is_refused(
    caller: Caller, refused: Any, rule: dict[str, list[str]]
) -> None:
    """X-Forwarded-For of an untrusted peer changes nothing."""
    made = caller(key=rule)
    assert refused(made.key) == (403, "ACCESS_DENIED")
    assert refused(made.key, **{"x-forwarded-for": "203.0.113.7"}) == (403, "ACCESS_DENIED")


@each_dialect
def test_a_disabled_user_is_refused(gateway: Gateway, caller: Caller, refused: Any) -> None:
    made = caller()
    gateway.api("PUT", f"/admin/users/{made.user_id}", {"status": "disabled"})
    assert refused(made.key) == (401, "USER_INACTIVE")


@each_dialect
def test_an_inactive_group_is_refused(gateway: Gateway, caller: Caller, refused: Any) -> None:
    made = caller()
    gateway.api("PUT", f"/admin/groups/{made.group_id}", {"status": "inactive"})
    assert refused(made.key) == (403, "GROUP_INACTIVE")


@each_dialect
def test_a_key_without_a_group_is_refused(gateway: Gateway, caller: Caller, refused: Any) -> None:
    made = caller()
    key = gateway.api("POST", "/keys", {"name": "alone"}, token=made.user_token)["key"]
    assert refused(key) == (403, "GROUP_NOT_FOUND")


@each_dialect
def test_a_group_of_another_platform_is_a_400(
    gateway: Gateway, provision: Provision, refused: Any, endpoint: Endpoint
) -> None:
    other = "openai" if endpoint.platform != "openai" else "gemini"
    status, _ = refused(provision(other).key)
    assert status == 400


@each_dialect
def test_an_empty_balance_is_refused(caller: Caller, refused: Any) -> None:
    assert refused(caller(balance=0.0000001).key) == (403, "INSUFFICIENT_BALANCE")


@each_dialect
def test_an_exhausted_quota_is_refused(caller: Caller, refused: Any) -> None:
    assert refused(caller(key={"quota": 0.0000001}).key) == (429, "API_KEY_QUOTA_EXHAUSTED")


@each_dialect
@pytest.mark.parametrize("window", ["rate_limit_5h", "rate_limit_1d", "rate_limit_7d"])
def test_an_exhausted_window_is_refused(
    gateway: Gateway, caller: Caller, endpoint: Endpoint, window: str
) -> None:
    key = caller(key={window: 0.0000001}).key
    got = ask(gateway.url, endpoint.path, endpoint.body, endpoint.headers(key))
    assert (got.status, code_in(endpoint.dialect, got)) == (429, "rate_limit_exceeded")
    assert window[-2:] in message_in(endpoint.dialect, got) or "limit used up" in message_in(
        endpoint.dialect, got
    )


@pytest.mark.parametrize("endpoint", [MESSAGES, CHAT], ids=["messages", "chat"])
def test_refusals_book_nothing_and_hold_nothing(
    gateway: Gateway, caller: Caller, refused: Any, endpoint: Endpoint
) -> None:
    """A hundred refusals at a user's only slot, then money arrives and the next request is served."""
    made = caller(balance=0.0000001, concurrency=1)
    for _ in range(100):
        assert refused(made.key)[0] == 403
    gateway.api("POST", f"/admin/users/{made.user_id}/balance", {"balance": 1, "operation": "add"})
    assert _ask(gateway, endpoint, made).status == 200
    _until(lambda: len(gateway.usage(user_id=made.user_id)) == 1)


def _ask(gateway: Gateway, endpoint: Endpoint, made: Provisioned) -> Answer:
    return ask(gateway.url, endpoint.path, endpoint.body, endpoint.headers(made.key))


def _until(holds: Callable[[], bool], *, timeout_s: float = 5) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
