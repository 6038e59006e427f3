"""Every write that declares an Idempotency-Key scope happens once under one key (spec 7.15)."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.control.contract import objects
from tests.control.contract.routes import ROUTES, Route
from tests.control.usage.records import record, store

EXPORTED = {"type": "sub2api-data", "version": 1, "accounts": []}
ACCOUNT = {
    "name": "a", "platform": "anthropic", "type": "apikey", "credentials": {"api_key": "sk-ant-0123456789"},
}  # fmt: skip
DOCUMENT = {"version": 1, "groups": {"made-by-config": {"platform": "anthropic"}}}
Prepare = Callable[[Any], Awaitable[dict[str, Any]]]


async def _nothing(control: Any) -> dict[str, Any]:
    return {}


async def _anna(control: Any) -> dict[str, Any]:
    return {"user_id": control.anna.user_id}


async def _key(control: Any) -> dict[str, Any]:
    return {"key_id": await objects._own_key(control)}


async def _subscription(control: Any) -> dict[str, Any]:
    return {"subscription_id": await objects._subscription(control)}


async def _record(control: Any) -> dict[str, Any]:
    row = record(exchange_id="review-me", user_id=control.anna.user_id, review="estimated")
    return {"record_id": (await store(control, row))[0]}


async def _revision(control: Any) -> dict[str, Any]:
    await control.admin("POST", "/admin/config/apply", {"document": DOCUMENT})
    return {"number": 1}


WRITES: dict[str, tuple[dict[str, Any], Prepare]] = {
    "admin.users.balance.update": ({"balance": 5, "operation": "add"}, _anna),
    "admin.accounts.create": (ACCOUNT, _nothing),
    "admin.accounts.batch_create": ({"accounts": [ACCOUNT]}, _nothing),
    "admin.accounts.import_data": (
        {"data": EXPORTED},
        _nothing,
    ),
    "admin.proxies.create": ({"name": "p", "protocol": "http", "host": "192.0.2.1", "port": 80}, _nothing),
    "admin.proxies.import_data": ({"data": EXPORTED | {"proxies": []}}, _nothing),
    "user.api_keys.create": ({"name": "k"}, _nothing),
    "user.api_keys.rotate": ({"overlap_hours": 1}, _key),
    "admin.subscriptions.extend": ({"days": 3}, _subscription),
    "admin.redeem_codes.generate": ({"count": 2, "type": "balance", "value": 1}, _nothing),
    "admin.redeem_codes.create_and_redeem": ({"code": "s2p_77", "value": 3}, _anna),
    "admin.promo_codes.create": ({"bonus_amount": 1}, _nothing),
    "admin.usage.review": ({"note": "looked at"}, _record),
    "admin.usage.cleanup_tasks.create": ({"start_date": "2024-06-01", "end_date": "2024-06-30"}, _nothing),
    "admin.config.apply": ({"document": DOCUMENT}, _nothing),
    "admin.config.rollback": ({}, _revision),
    "admin.jobs.import": ({"data": EXPORTED | {"accounts": [ACCOUNT]}}, _nothing),
    "admin.jobs.update": ({"account_ids": [1], "priority": 3}, _nothing),
    "admin.jobs.action": ({"account_ids": [1], "action": "recover"}, _nothing),
    "admin.jobs.test": ({"account_ids": [1]}, _nothing),
    "admin.jobs.export": ({}, _nothing),
}
"""By scope: a body that is accepted, and what its path needs."""
DECLARED = [route for route in ROUTES if route.scope]


def test_every_scope_is_tried_out():
    assert {route.scope for route in DECLARED} == set(WRITES)


@pytest.mark.parametrize("route", DECLARED, ids=lambda route: route.scope)
async def test_the_same_key_gives_the_same_bytes_and_another_body_is_refused(control, route: Route):
    body, prepare = WRITES[route.scope or ""]
    caller = control.anna if route.path.startswith("/keys") else control.admin
    values = await prepare(control)
    if "create-and-redeem" in route.path:
        body = body | values
    path, headers = route.at(**values), {"Idempotency-Key": "pay-1-success"}

    first = await caller(route.method, path, body, headers=headers)
    assert first.status in (200, 201), first.body
    assert "x-idempotency-replayed" not in first.headers
    again = await caller(route.method, path, body, headers=headers)
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["x-idempotency-replayed"] == "true"

    other = await caller(route.method, path, body | {"something_else": 1}, headers=headers)
    assert (other.status, other.json["reason"]) == (409, "IDEMPOTENCY_KEY_CONFLICT")


@pytest.mark.parametrize("route", DECLARED, ids=lambda route: route.scope)
async def test_a_key_that_cannot_be_one_is_refused_before_anything_happens(control, route: Route):
    caller = control.anna if route.path.startswith("/keys") else control.admin
    for key in ("x" * 129, "caf\xe9", "\x7f"):
        answer = await caller(route.method, route.at(), {}, headers={"Idempotency-Key": key})
        assert (answer.status, answer.json["reason"]) == (400, "IDEMPOTENCY_KEY_INVALID"), (str(route), key)
