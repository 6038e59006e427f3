"""A day from the empty machine to the evening's books, as one story, on SQLite and on PostgreSQL: install,
configure from a file, register by invitation and a mailed code, spend, top up, run dry, subscribe, read the
news.

Nothing is believed that the gateway says about money: what a call must cost is worked out here, from the
provider's bill and the prices of the file, in nano-USD.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.control.mail.conftest import smtp
from tests.e2e.money_books import Books, by_request_id, compare
from tests.e2e.speakers import CHAT, CHAT_SSE, MESSAGES, MESSAGES_SSE, Speaker
from tests.e2e.wire import Answer, post, send
from tests.support.gateway import ADMIN_EMAIL, ADMIN_PASSWORD, SAFE_FOR_TESTS, Gateway, free_port
from tests.support.mail_server import Mailbox, running_mail_server
from tests.support.postgres import running_postgres
from tests.support.simulator import RunningSimulator

NANO = 10**9
WELCOME, TOP_UP, DAILY_LIMIT = 1, 2, 1
PRICES = {"claude-sonnet-4-6": (1200, 6000), "gpt-5": (300, 2400)}
"""USD per million tokens, in and out: dear, so that a day is short."""
MULTIPLIERS = {"claude": Fraction(3, 2), "gpt": Fraction(1), "plan": Fraction(1, 2)}
ACCOUNTS = {"first": Fraction(1, 2), "second": Fraction(1), "third": Fraction(1, 4)}
"""What they cost their owner, of the list price."""
SHORT: Mapping[str, dict[str, Any]] = {
    "anthropic": {"max_tokens": 40},
    "openai": {"max_completion_tokens": 40},
}
"""So few tokens that what is reserved covers them: an answer comes whole or not at all."""
TRIES = 60
USER = {"email": "ann@headgate.test", "password": "a long password 7"}


@dataclass(frozen=True)
class Place:
    """What the installer says about the database, and where its books are read."""

    draft: Mapping[str, Any]
    url: str


@dataclass
class Day:
    """The gateway with its books, and the provider."""

    gateway: Gateway
    books: Books
    provider: RunningSimulator
    folder: Path
    mailbox: Mailbox

    def upstream_key(self, account: str) -> str:
        """The provider serves both days, and bills by key."""
        return f"sim-day-{self.books.url.partition(':')[0]}-{account}"

    def headgate(self, *words: str) -> str:
        secrets = {"FIRST_KEY": self.upstream_key("first"), "THIRD_KEY": self.upstream_key("third")}
        done = subprocess.run(
            [sys.executable, "-m", "headgate", *words, "--data-dir", str(self.gateway.data_dir)],
            capture_output=True, text=True, timeout=60, env=_environment() | secrets,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pay(self, admin_key: str, *, idempotency_key: str, **sold: Any) -> Answer:
        """What a payment front-end calls."""
        headers = {"x-api-key": admin_key, "idempotency-key": idempotency_key}
        return post(self.gateway.url, "/api/v1/admin/redeem-codes/create-and-redeem", headers, sold)

    def settle(self) -> None:
        """Wait until everything is booked."""
        deadline = time.monotonic() + 10
        while self.books.open_intents():
            assert time.monotonic() < deadline, "exchanges stay open"
            time.sleep(0.02)

    def in_book(self, book: str) -> int:
        """What entered it minus what left it, nano-USD."""
        return self.books.value(
            f"SELECT SUM(CASE WHEN credit_book = '{book}' THEN amount_nano ELSE -amount_nano END)"
            f" FROM ledger_entries WHERE '{book}' IN (credit_book, debit_book)"
        )


@dataclass
class Ann:
    """Who registered."""

    day: Day
    id: int
    token: str

    def api(self, method: str, path: str, body: Any = None) -> Any:
        return self.day.gateway.api(method, path, body, token=self.token)

    def balance(self) -> int:
        """As her own page shows it, once everything is booked: it is what the ledger says."""
        self.day.settle()
        shown = nano(self.api("GET", "/auth/me")["balance"])
        assert shown == self.day.in_book(f"user:{self.id}")
        return shown

    def new_key(self, group: str, **more: Any) -> dict[str, Any]:
        (found,) = [each for each in self.api("GET", "/groups/available") if each["name"] == group]
        made: dict[str, Any] = self.api("POST", "/keys", {"name": group, "group_id": found["id"], **more})
        return made

    def spends(self, key: Mapping[str, Any], speaker: Speaker) -> Answer:
        return speaker.ask(self.day.gateway, key["key"], "how was the day?", **SHORT[speaker.platform])

    def spends_until_refused(self, key: Mapping[str, Any], speaker: Speaker) -> Answer:
        for served in range(TRIES):
            answer = self.spends(key, speaker)
            if answer.status != 200:
                assert served, answer.body
                return answer
        raise AssertionError(f"{TRIES} answers and no limit")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.pg)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where the books will be: nothing is there before the installation."""
    if request.param == "sqlite":
        yield Place({"type": "sqlite"}, f"sqlite:///{tmp_path / 'data' / 'headgate.db'}")
        return
    with running_postgres() as server:
        draft = {"host": "127.0.0.1", "port": server.port, "user": "postgres", "dbname": "a_day"}
        yield Place(draft, server.url("a_day"))


def test_a_day_from_the_installation_to_the_books(
    simulator: RunningSimulator, tmp_path: Path, place: Place
) -> None:
    with installed(tmp_path, place.draft) as gateway, running_mail_server() as mailbox:
        day = Day(gateway, Books(place.url), simulator, tmp_path, mailbox)
        configured(day)
        ann = registered(day)
        keys = {"claude": ann.new_key("claude", quota=100), "gpt": ann.new_key("gpt")}
        spent_a_little(ann, keys)
        topped_up_once(ann)
        run_dry(ann, keys)
        keys["plan"] = subscribed(ann)
        spent_the_plan(ann, keys["plan"])
        booked_what_the_provider_billed(day, ann)
        shown_what_is_booked(ann, keys)
        assert "the ledger is sound" in day.headgate("ledger", "verify")


def nano(usd: float) -> int:
    return round(usd * NANO)


def _environment() -> dict[str, str]:
    """No administrator: the installation makes one."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    safe = {name: value for name, value in SAFE_FOR_TESTS.items() if "ADMIN" not in name}
    return plain | safe | {"HEADGATE_AUTH__DEFAULT_USER_BALANCE_USD": str(WELCOME)}


@contextmanager
def installed(folder: Path, database: Mapping[str, Any]) -> Iterator[Gateway]:
    """`headgate setup` on an empty directory, installed over REST with the token from the console."""
    port, log_file, data_dir = free_port(), folder / "console.log", folder / "data"
    command = [sys.executable, "-m", "headgate", "setup", "--port", str(port), "--data-dir", str(data_dir)]
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=_environment())
    gateway = Gateway(f"http://127.0.0.1:{port}", process, log_file, data_dir, {}, port)
    try:
        token = _printed_token(log_file)
        admin = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        answer = post(
            gateway.url, "/setup/install", {"x-setup-token": token}, {"admin": admin, "database": database}
        )
        assert answer.status == 200, answer.body
        _soon(lambda: gateway.get("/ready")[0] == 200)
        yield gateway
    finally:
        gateway.stop()


def _printed_token(log_file: Path) -> str:
    _soon(lambda: log_file.read_text().count("\n") >= 2)
    return log_file.read_text().splitlines()[1].split(": ")[1].strip()


def _soon(holds: Any) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if holds():
                return
        except OSError:
            pass  # between the set-up and the gateway nobody listens
        assert time.monotonic() < deadline
        time.sleep(0.05)


def configured(day: Day) -> None:
    """Groups, three accounts, prices and who may register, from a file; what is said holds no secret."""
    (day.folder / "second.key").write_text(day.upstream_key("second") + "\n")
    (day.folder / "gateway.yaml").write_text(yaml.safe_dump(_document(day)))
    said = day.headgate("config", "apply", str(day.folder / "gateway.yaml"), "--yes")
    assert "applied as revision" in said
    assert "sim-day" not in said
    groups = day.gateway.api("GET", "/admin/groups")["items"]
    assert {group["name"]: group["rate_multiplier"] for group in groups} == MULTIPLIERS
    assert len(day.gateway.api("GET", "/admin/accounts")["items"]) == len(ACCOUNTS)


def _document(day: Day) -> dict[str, Any]:
    plan = {"subscription_type": "subscription", "daily_limit_usd": DAILY_LIMIT}
    groups: dict[str, dict[str, Any]] = {
        "claude": {"platform": "anthropic"}, "gpt": {"platform": "openai"},
        "plan": {"platform": "anthropic", **plan},
    }  # fmt: skip
    shared = {"type": "apikey", "credentials": {"base_url": day.provider.url}, "concurrency": 4}
    second = f"file:{day.folder / 'second.key'}"
    accounts: dict[str, dict[str, Any]] = {
        "first": {"platform": "anthropic", "secret": "env:FIRST_KEY", "groups": ["plan"]},
        "second": {"platform": "anthropic", "secret": second, "groups": ["claude"]},
        "third": {"platform": "openai", "secret": "env:THIRD_KEY", "groups": ["gpt"]},
    }  # fmt: skip
    return {
        "version": 1,
        "groups": {
            name: {**fields, "rate_multiplier": float(MULTIPLIERS[name])} for name, fields in groups.items()
        },
        "accounts": {
            name: {**shared, **fields, "rate_multiplier": float(ACCOUNTS[name])}
            for name, fields in accounts.items()
        },
        "prices": [
            {"model": model, "input": per_input, "output": per_output}
            for model, (per_input, per_output) in PRICES.items()
        ],
        "settings": {"registration_enabled": True, "invitation_code_enabled": True},
    }


def registered(day: Day) -> Ann:
    """With an invitation, which works once, and a code that came by mail; she begins with the welcome
    money."""
    api = day.gateway.api
    api("PUT", "/admin/settings", smtp(day.mailbox.port, email_verify_enabled=True))
    (made,) = api("POST", "/admin/redeem-codes/generate", {"count": 1, "type": "invitation"})
    assert _refusal_to_register(day, USER) == (400, "INVITATION_CODE_REQUIRED")
    invited = {**USER, "invitation_code": made["code"]}
    assert _refusal_to_register(day, invited) == (400, "EMAIL_VERIFY_REQUIRED")
    code = _mailed_code(day)
    began = post(day.gateway.url, "/api/v1/auth/register", {}, {**invited, "verify_code": code})
    assert began.status == 200, began.body
    late = {**invited, "email": "bob@headgate.test", "verify_code": code}
    assert _refusal_to_register(day, late) == (400, "INVITATION_CODE_INVALID")
    token = began.json["data"]["access_token"]
    ann = Ann(day, api("GET", "/auth/me", token=token)["id"], token)
    assert ann.balance() == WELCOME * NANO
    return ann


def _mailed_code(day: Day) -> str:
    """Out of the letter, as the mail server got it."""
    asked = post(day.gateway.url, "/api/v1/auth/send-verify-code", {}, {"email": USER["email"]})
    assert asked.status == 200, asked.body
    _soon(lambda: len(day.mailbox.letters) == 1)
    assert day.mailbox.letters[0]["To"] == USER["email"]
    (code,) = re.findall(r"^\d{6}$", day.mailbox.text(), re.MULTILINE)
    return str(code)


def _refusal_to_register(day: Day, body: Mapping[str, Any]) -> tuple[int, str]:
    answer = post(day.gateway.url, "/api/v1/auth/register", {}, body)
    return answer.status, answer.json["reason"]


def spent_a_little(ann: Ann, keys: Mapping[str, Mapping[str, Any]]) -> None:
    for speaker in (MESSAGES, MESSAGES_SSE, CHAT, CHAT_SSE):
        answer = ann.spends(keys["claude" if speaker.platform == "anthropic" else "gpt"], speaker)
        assert answer.status == 200, answer.body
    left = ann.balance()
    assert 0 < left < WELCOME * NANO
    assert left == WELCOME * NANO - charged(ann)


def topped_up_once(ann: Ann) -> None:
    """The payment front-end says it twice, with one key and with another: the money comes once."""
    day, before = ann.day, ann.balance()
    admin_key = day.gateway.api("POST", "/admin/settings/admin-api-key/regenerate")["key"]
    order = {"code": "pay_1", "type": "balance", "value": TOP_UP, "user_id": ann.id}
    first, again = (day.pay(admin_key, idempotency_key="pay-1", **order) for _ in range(2))
    assert (first.status, again.status) == (200, 200), first.body + again.body
    assert again.body == first.body
    assert "x-idempotency-replayed" not in first.headers
    assert again.headers["x-idempotency-replayed"] == "true"
    assert day.pay(admin_key, idempotency_key="pay-1-later", **order).status == 200
    assert ann.balance() == before + TOP_UP * NANO
    history = day.gateway.api("GET", f"/admin/users/{ann.id}/balance-history")
    assert history["total_recharged"] == WELCOME + TOP_UP
    seen = [(entry["type"], entry["value"]) for entry in ann.api("GET", "/redeem/history")]
    assert seen == [("balance", TOP_UP), ("invitation", 0), ("admin_balance", WELCOME)]


def run_dry(ann: Ann, keys: Mapping[str, Mapping[str, Any]]) -> None:
    """Until the balance does not pay one more answer: refused in the words of either dialect."""
    refusal = ann.spends_until_refused(keys["claude"], MESSAGES)
    assert (refusal.status, refusal.json["type"]) == (403, "error")
    assert refusal.json["error"]["code"] == "INSUFFICIENT_BALANCE"
    refusal = ann.spends_until_refused(keys["gpt"], CHAT_SSE)
    assert refusal.status == 403
    assert refusal.json["error"]["code"] == "INSUFFICIENT_BALANCE"
    assert {"message", "type", "param"} <= refusal.json["error"].keys()
    left = ann.balance()
    assert 0 <= left == (WELCOME + TOP_UP) * NANO - charged(ann)


def subscribed(ann: Ann) -> dict[str, Any]:
    """The plan is assigned: its group, and the announcement for its subscribers, are hers from then on."""
    api = ann.day.gateway.api
    plan = _group_id(ann.day, "plan")
    told = {"any_of": [{"all_of": [{"type": "subscription", "operator": "in", "group_ids": [plan]}]}]}
    news = {"title": "Plan", "content": "Welcome to the **plan**", "status": "active", "targeting": told}
    written = api("POST", "/admin/announcements", news)["id"]
    assert ann.api("GET", "/announcements") == []
    assert "plan" not in [group["name"] for group in ann.api("GET", "/groups/available")]

    api("POST", "/admin/subscriptions/assign", {"user_id": ann.id, "group_id": plan, "validity_days": 30})
    (got,) = ann.api("GET", "/announcements?unread_only=true")
    assert (got["id"], got["content"]) == (written, news["content"])
    ann.api("POST", f"/announcements/{written}/read")
    assert ann.api("GET", "/announcements?unread_only=true") == []
    readers = api("GET", f"/admin/announcements/{written}/read-status")["items"]
    (row,) = [each for each in readers if each["user_id"] == ann.id]
    assert row["eligible"]
    assert row["read_at"] is not None
    return ann.new_key("plan")


def _group_id(day: Day, name: str) -> int:
    groups = day.gateway.api("GET", "/admin/groups")["items"]
    return int(next(group["id"] for group in groups if group["name"] == name))


def spent_the_plan(ann: Ann, key: Mapping[str, Any]) -> None:
    """The plan pays although the balance cannot, up to its daily limit."""
    before = ann.balance()
    refusal = ann.spends_until_refused(key, MESSAGES_SSE)
    assert (refusal.status, refusal.json["error"]["type"]) == (429, "rate_limit_error")
    assert "daily limit" in refusal.json["error"]["message"]
    assert int(refusal.headers["retry-after"]) > 0
    assert ann.balance() == before
    (progress,) = ann.api("GET", "/subscriptions/progress")
    used = nano(progress["daily"]["used_usd"])
    assert 0 < used <= DAILY_LIMIT * NANO
    assert used == -ann.day.in_book(f"subscription:{progress['id']}")


def charged(ann: Ann) -> int:
    """What her own list says the balance has paid for."""
    items = ann.api("GET", "/usage?page_size=1000")["items"]
    return sum(nano(item["actual_cost"]) for item in items if item["subscription_id"] is None)


def booked_what_the_provider_billed(day: Day, ann: Ann) -> None:
    """Every call of the bill is one record, charged by the file's prices and multipliers, to the nano-USD."""
    day.settle()
    groups = {group["id"]: group["name"] for group in day.gateway.api("GET", "/admin/groups")["items"]}
    records = by_request_id(day.books.records())
    costs = dict.fromkeys(ACCOUNTS, 0)
    for account in ACCOUNTS:
        for line in day.provider.settled_bill(key=day.upstream_key(account))["lines"]:
            record = records.pop(line["request_id"])
            compare(record, line)
            assert (record["usage_source"], record["user_id"]) == ("reported", ann.id)
            listed = list_cost(line)
            assert record["list_cost_nano"] == listed
            assert record["charge_nano"] == round(listed * MULTIPLIERS[groups[record["group_id"]]])
            costs[account] += round(listed * ACCOUNTS[account])
    assert records == {}
    for account in day.gateway.api("GET", "/admin/accounts")["items"]:
        assert day.in_book(f"account:{account['id']}") == costs[account["name"]]
    assert min(costs.values()) > 0


def list_cost(line: Mapping[str, Any]) -> int:
    """Nano-USD: a dollar per million tokens is 1,000 of them per token."""
    per_input, per_output = PRICES[line["model"]]
    usage = line["usage"]
    read = sum(usage[bucket] for bucket in ("input", "cache_read", "cache_write_5m", "cache_write_1h"))
    return int(1000 * (per_input * read + per_output * usage["output"]))


def shown_what_is_booked(ann: Ann, keys: Mapping[str, Mapping[str, Any]]) -> None:
    """Lists, sums, quota and what a status line shows: the ledger's numbers everywhere."""
    day, books = ann.day, ann.day.books
    own = ann.api("GET", "/usage?page_size=1000")
    everything = books.value("SELECT SUM(amount_nano) FROM ledger_entries WHERE kind = 'charge'")
    assert own["total"] == len(books.records())
    assert sum(nano(item["actual_cost"]) for item in own["items"]) == everything
    around = [datetime.now(UTC) + timedelta(days=days) for days in (-1, 1)]  # a day may end while this runs
    first, last = (f"{when:%Y-%m-%d}" for when in around)
    stats = ann.api("GET", f"/usage/stats?start_date={first}&end_date={last}")
    assert stats["total_requests"] == own["total"]
    assert nano(stats["total_actual_cost"]) == everything == day.in_book("revenue")
    used = nano(ann.api("GET", f"/keys/{keys['claude']['id']}")["quota_used"])
    assert used == -day.in_book(f"key:{keys['claude']['id']}") > 0
    seen = nano(day.gateway.api("GET", f"/admin/users/{ann.id}")["balance"])
    assert seen == ann.balance()
    line = send(day.gateway.url, "GET", "/v1/usage", [("authorization", f"Bearer {keys['gpt']['key']}")])
    assert nano(json.loads(line.body)["remaining"]) == seen
