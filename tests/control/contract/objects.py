"""One of each thing that the management API keeps: how it is made, and whose path it then has."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from tests.control.subscriptions.sold import grant, sold_group
from tests.control.usage.records import record, store

_numbers = count(1)
Make = Callable[[Any], Awaitable[Any]]


def _made(path: str, body: dict[str, Any]) -> Make:
    async def make(control: Any) -> Any:
        return (await control.admin("POST", path, body)).data["id"]

    return make


async def _user(control: Any) -> Any:
    return (await control.add_user("gone@example.com")).user_id


async def _own_key(control: Any) -> Any:
    """Of Anna."""
    return (await control.anna("POST", "/keys", {"name": "annas"})).data["id"]


async def _code(control: Any) -> Any:
    body = {"count": 1, "type": "balance", "value": 1}
    return (await control.admin("POST", "/admin/redeem-codes/generate", body)).data[0]["id"]


async def _subscription(control: Any) -> Any:
    group = await sold_group(control)
    return (await grant(control, control.anna, group)).row.id


async def _plan(control: Any) -> Any:
    body = {"account_id": await control.add_account("tested")}
    return (await control.admin("POST", "/admin/scheduled-test-plans", body)).data["id"]


async def _record(control: Any) -> Any:
    """Of Anna."""
    return (await store(control, record(exchange_id=f"e{next(_numbers)}", user_id=control.anna.user_id)))[0]


HOOK = "http://127.0.0.1:9/hook"
"""Nobody listens there; the settings of these tests allow it."""
PRICE = {"model": "m-1", "input": 1, "output": 2}
ANNOUNCEMENT = {"title": "t", "content": "c", "status": "active"}
KEPT: dict[str, tuple[str, Make]] = {
    "/admin/users": ("user_id", _user),
    "/admin/groups": ("group_id", lambda control: control.add_group("kept")),
    "/admin/accounts": ("account_id", lambda control: control.add_account("kept")),
    "/admin/proxies": (
        "proxy_id",
        _made("/admin/proxies", {"name": "p", "protocol": "http", "host": "192.0.2.1", "port": 8080}),
    ),
    "/admin/redeem-codes": ("code_id", _code),
    "/admin/promo-codes": ("promo_id", _made("/admin/promo-codes", {"bonus_amount": 1})),
    "/admin/subscriptions": ("subscription_id", _subscription),
    "/admin/prices": ("price_id", _made("/admin/prices", PRICE)),
    "/admin/scheduled-test-plans": ("plan_id", _plan),
    "/admin/webhooks": (
        "endpoint_id",
        _made("/admin/webhooks", {"name": "w", "url": HOOK}),
    ),
    "/admin/error-passthrough-rules": (
        "rule_id",
        _made("/admin/error-passthrough-rules", {"name": "r", "error_codes": [500]}),
    ),
    "/admin/announcements": ("announcement_id", _made("/admin/announcements", ANNOUNCEMENT)),
    "/keys": ("key_id", _own_key),
}
"""By the path of the list: the parameter that names one, and how one comes to be."""
OF_ANNA: dict[str, Make] = {"key_id": _own_key, "record_id": _record, "reference": _record}
"""Things of a user's own, by the parameter that names them."""
