"""Events of webhooks from their real causes: a gateway that serves, a provider that fails, a receiver that
listens (issue 5, item 8)."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from headgate.control.webhooks.watch import EVERY_S
from tests.control.webhooks.receiver import is_signed
from tests.e2e.speakers import MESSAGES
from tests.support.gateway import Gateway, Provisioned, running_gateway
from tests.support.simulator import RunningSimulator

SETTINGS = {
    "HEADGATE_WEBHOOKS__PRIVATE_HOSTS": '["127.0.0.1"]',
    "HEADGATE_WEBHOOKS__BALANCE_LOW_USD": "100",
    "HEADGATE_ALERTS__AFTER_S": "0",
}
PATIENCE_S = 45
Data = dict[str, Any]


@dataclass
class Listener:
    secret: str = ""
    bad: int = 0
    events: list[Data] = field(default_factory=list)

    def wait_for(self, kind: str, fits: Callable[[Data], bool]) -> Data:
        """The data of the first such event. Raises AssertionError when it does not come."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for event in list(self.events):
                if event["type"] == kind and fits(event["data"]):
                    return dict(event["data"])
            time.sleep(0.1)
        raise AssertionError(f"{kind} did not come; came: {[event['type'] for event in self.events]}")


def _handler(listener: Listener) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if is_signed(listener.secret, {k.lower(): v for k, v in self.headers.items()}, body):
                listener.events.append(json.loads(body))
            else:
                listener.bad += 1
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("telling"), **SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def listener(telling: Gateway) -> Iterator[Listener]:
    made = Listener()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    made.secret = telling.api("POST", "/admin/webhooks", {"name": "ops", "url": url})["secret"]
    yield made
    server.shutdown()
    server.server_close()
    thread.join(5)


UPSTREAM_KEY = "sim-webhooks"


@pytest.fixture(scope="module")
def caller(telling: Gateway, simulator: RunningSimulator, listener: Listener) -> Provisioned:
    """Somebody with a little more than the threshold, and a key with a small quota."""
    made = telling.provision(
        "anthropic", simulator.url, upstream_keys=(UPSTREAM_KEY,), balance=101, key={"quota": 0.1}
    )
    time.sleep(EVERY_S + 2)  # a look: the balance was enough
    return made


def test_payments_and_balances(telling: Gateway, listener: Listener, caller: Provisioned) -> None:
    paid = {"code": "order-1-of-webhooks", "type": "balance", "value": 2, "user_id": caller.user_id}
    telling.api("POST", "/admin/redeem-codes/create-and-redeem", paid)
    credited = listener.wait_for("payment.credited", lambda data: data["user_id"] == caller.user_id)
    assert credited["amount_usd"] == 2
    telling.api("POST", f"/admin/users/{caller.user_id}/balance", {"balance": 5, "operation": "subtract"})
    low = listener.wait_for("balance.low", lambda data: data["user_id"] == caller.user_id)
    assert low["balance_usd"] < low["threshold_usd"] == 100


def test_a_key_that_spends_its_quota(telling: Gateway, listener: Listener, caller: Provisioned) -> None:
    statuses = [200]
    while statuses[-1] == 200 and len(statuses) < 200:
        text = f"{len(statuses)} {'spend ' * 2_000}"
        statuses.append(MESSAGES.ask(telling, caller.key, text, max_tokens=500).status)
    assert statuses[-1] == 429, "the key's quota ends"
    exhausted = listener.wait_for("key.exhausted", lambda data: data["key_id"] == caller.key_id)
    assert exhausted["used_usd"] >= 0.75 * exhausted["quota_usd"]


def test_an_account_that_is_refused_and_its_group(
    telling: Gateway, simulator: RunningSimulator, listener: Listener, caller: Provisioned
) -> None:
    body = {"name": "more", "group_id": caller.group_id}
    key = telling.api("POST", "/keys", body, token=caller.user_token)["key"]
    simulator.script(UPSTREAM_KEY, "status=401", times=1)
    assert MESSAGES.ask(telling, key, "refused").status >= 400
    (account,) = caller.account_ids
    down = listener.wait_for("account.down", lambda data: data["account_id"] == account)
    assert "401" in down["error"]
    dark = listener.wait_for("alert.fired", lambda data: data["group_id"] == caller.group_id)
    assert dark["alert"] == "group_without_account"
    telling.api("POST", f"/admin/accounts/{account}/recover-state")
    listener.wait_for("account.recovered", lambda data: data["account_id"] == account)
    listener.wait_for("alert.resolved", lambda data: data["alert"] == "group_without_account")
    assert listener.bad == 0
    assert len({event["id"] for event in listener.events}) == len(listener.events), "each is told once"
