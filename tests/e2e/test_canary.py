"""No secret and no prompt comes out anywhere (invariant 1 of DESIGN 9; PAINS S6, S11, S12).

A gateway at debug level gets a canary in everything that is secret and meets a provider that quotes all of it
in its errors. Then every output is read: answers, log, metrics, management API, command line, files. Each of
these has a counterpart that must be found, so that an empty output is no success.
"""

import base64
import re
import sqlite3
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.e2e.canaries import Canaries
from tests.e2e.canary_management import EMAIL, Management, command_lines
from tests.e2e.canary_traffic import AGENT, LIMITS, UPSTREAM, Lane, Owner, Seen, Traffic, lanes
from tests.e2e.echo_upstream import echo_upstream
from tests.e2e.speakers import GEMINI, MESSAGES, STREAMS, WHOLE
from tests.support.gateway import ADMIN_EMAIL, Gateway, running_gateway
from tests.support.simulator import RunningSimulator

Files = dict[str, bytes]
SPOKEN = tuple(speaker.name for speaker in (*WHOLE, *STREAMS))
NAMES = frozenset({"unknown model"})
"""A model's name is kept in the trace of its refusal: whoever looks for the reason needs it."""


@dataclass(repr=False)
class Outputs:
    """Everything that left the gateway."""

    canaries: Canaries
    lanes: list[Lane]
    served: list[Seen] = field(default_factory=list)
    managed: list[Seen] = field(default_factory=list)
    read: list[Seen] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    metrics: bytes = b""
    log: bytes = b""
    files: Files = field(default_factory=dict)
    """Of the data directory while the gateway ran: the database with its write-ahead log."""
    files_after: Files = field(default_factory=dict)
    """And after it had stopped and a checkpoint."""


@pytest.fixture(scope="module")
def outputs(simulator: RunningSimulator, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    canaries = Canaries()
    password = canaries.new("admin password")
    environment = {
        **LIMITS,
        "HEADGATE_LOG__LEVEL": "debug",
        "HEADGATE_ADMIN_PASSWORD": password,
        "HEADGATE_AUTH__LOGIN_LIMIT_PER_MINUTE": "1000",
        "HEADGATE_AUTH__LOGIN_FAILURES_PER_ACCOUNT": "1000",
    }
    folder = tmp_path_factory.mktemp("canary")
    with echo_upstream(canaries.new(UPSTREAM)) as echo, running_gateway(folder, **environment) as gateway:
        out = _drive(gateway, canaries, password, echo=echo, simulator=simulator.url)
        gateway.stop()
        out.log = gateway.log_file.read_bytes()
        with sqlite3.connect(gateway.data_dir / "headgate.db") as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        out.files_after = _files(gateway.data_dir)
    return out


def _drive(gateway: Gateway, canaries: Canaries, password: str, *, echo: str, simulator: str) -> Outputs:
    owner = _owner(gateway, canaries, password, echo)
    made = lanes(owner, simulator)
    through_proxy = _lane_through_proxy(owner, simulator)
    choosy = [
        owner.lane(lane.speaker, "choosy", (simulator,), credentials={"model_mapping": {"only": "this"}})
        for lane in made
        if lane.way == "good" and lane.speaker in WHOLE
    ]
    out = Outputs(canaries, [*made, through_proxy, *choosy])
    good = {lane.speaker.name: lane for lane in made if lane.way == "good"}
    traffic = Traffic(gateway, canaries)
    out.served += traffic.drive([*made, through_proxy])
    google = [lane for lane in made if lane.speaker is GEMINI and lane.way in ("good", "400", "404")]
    out.served += traffic.keys_in_query(google)
    for part in (traffic.side_doors(good), traffic.refused(good), traffic.unknown_models(choosy)):
        out.served += part
    accounts = [lane.account_id for lane in made if lane.speaker.name == "messages"]
    management = Management(gateway, canaries, admin=owner.admin, user=owner.user)
    out.managed += management.failed_logins()
    out.managed += management.refused()
    with ThreadPoolExecutor(3) as pool:  # these wait most of the time
        broken = pool.submit(lambda: list(traffic.broken_off(good)))
        tests = pool.submit(management.tests_of_accounts, [*accounts, through_proxy.account_id])
        out.said = command_lines(gateway, canaries)
    out.served += broken.result()
    out.managed += tests.result()
    out.read = management.every_get(_exchanges(out.served), [*accounts, through_proxy.account_id])
    out.metrics = gateway.get("/metrics")[1]
    time.sleep(0.3)  # traces and last-used marks are written in the background
    out.files = _files(gateway.data_dir)
    return out


def _owner(gateway: Gateway, canaries: Canaries, password: str, echo: str) -> Owner:
    admin = canaries.issued("admin's token", gateway.login(ADMIN_EMAIL, password))
    secret = canaries.new("user password")
    user_id = gateway.api(
        "POST", "/admin/users", {"email": EMAIL, "password": secret, "concurrency": 500}, token=admin
    )["id"]
    gateway.api("POST", f"/admin/users/{user_id}/balance", {"balance": 999, "operation": "add"}, token=admin)
    user = canaries.issued("user's token", gateway.login(EMAIL, secret))
    made = gateway.api("POST", "/admin/settings/admin-api-key/regenerate", {}, token=admin)
    canaries.issued("admin key", made["key"])
    canaries.issued("made key", gateway.api("POST", "/keys", {"name": "made"}, token=user)["key"])
    return Owner(gateway, canaries, admin=admin, user=user, echo=echo)


def _lane_through_proxy(owner: Owner, simulator: str) -> Lane:
    """Nobody listens at the proxy: the error that the HTTP library makes of it holds the proxy's URL."""
    proxy = {"name": "p", "protocol": "http", "host": "127.0.0.1", "port": 9, "username": "egress"}
    password = owner.canaries.new("proxy password")
    made = owner.gateway.api("POST", "/admin/proxies", {**proxy, "password": password}, token=owner.admin)[
        "id"
    ]
    return owner.lane(MESSAGES, "proxy", (simulator,), proxy_id=made)


def _exchanges(served: Iterable[Seen]) -> list[str]:
    found = (re.search(r"(?im)^x-headgate-exchange-id: *(\S+)", seen.head) for seen in served)
    return [match[1] for match in found if match]


def _files(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _leaks(outputs: Outputs, seen: Iterable[Seen]) -> list[tuple[str, list[str]]]:
    """Label and places of each answer that holds what it may not."""
    found = [
        (
            each.label,
            outputs.canaries.found(f"{each.head}\n".encode("latin-1", "replace") + each.body) - each.may_hold,
        )
        for each in seen
    ]
    return [(label, sorted(places)) for label, places in found if places]


def test_a_planted_canary_is_found_wherever_it_stands() -> None:
    canaries = Canaries()
    secret = canaries.new("here", prefix="sk-")
    canaries.issued("there", "made-by-the-gateway")
    assert canaries.found(f'{{"a": "{secret}"}}'.encode()) == {"here"}
    assert canaries.found(b"x made-by-the-gateway y") == {"there"}
    for shift in range(6):
        assert canaries.found(base64.b64encode(b"u" * shift + secret.encode())) == {"something in base64"}
    assert canaries.found(f"{secret[:10]}…{secret[-4:]}".encode()) == set()


def test_the_traffic_went_well_and_failed_in_every_way(outputs: Outputs) -> None:
    """The proof that there was something to leak."""
    statuses = {seen.label: seen.status for seen in outputs.served}
    assert {statuses[f"{name} good"] for name in SPOKEN} == {200}
    assert {statuses[f"{name} failover"] for name in SPOKEN} == {200}
    assert statuses["?key good"] == 200
    for way, status in {
        "400": 400,
        "401": 502,
        "404": 404,
        "429": 429,
        "500": 502,
        "529": 503,
        "silent": 504,
    }.items():
        assert {statuses[f"{speaker.name} {way}"] for speaker in WHOLE} == {status}, way
    refusals = {
        label: status
        for label, status in statuses.items()
        if label.split()[1:] in (["too", "large"], ["wrong", "key"])
    }
    assert set(refusals.values()) == {413, 401}


def test_no_answer_to_a_client_holds_a_secret(outputs: Outputs) -> None:
    assert _leaks(outputs, outputs.served) == []


def test_a_caller_sees_what_the_provider_said_about_its_request(outputs: Outputs) -> None:
    """By design; and the proof that a canary in an answer is found."""
    (refusal,) = [seen for seen in outputs.served if seen.label == "messages 400"]
    assert UPSTREAM in outputs.canaries.found(refusal.body)


def test_no_answer_of_the_management_api_holds_a_secret(outputs: Outputs) -> None:
    assert _leaks(outputs, outputs.managed) == []


def test_nothing_that_admins_and_users_can_read_holds_a_secret(outputs: Outputs) -> None:
    assert _leaks(outputs, [replace(seen, may_hold=NAMES) for seen in outputs.read]) == []


def test_what_is_no_secret_can_be_read(outputs: Outputs) -> None:
    by_label = [(seen.label, seen.body) for seen in outputs.read if seen.status == 200]
    for path, text in (
        ("/v1/keys?", b"key-of-lane"),
        ("/v1/admin/accounts?", b"account-"),
        ("/explain", b'"fault"'),
    ):
        assert any(path in label and text in body for label, body in by_label), path


def test_the_log_at_debug_level_holds_no_secret(outputs: Outputs) -> None:
    assert outputs.canaries.found(outputs.log) == set()


def test_the_log_tells_of_every_exchange(outputs: Outputs) -> None:
    answered = [seen for seen in outputs.served if seen.label in ("messages good", "chat 500", "gemini 429")]
    for exchange in _exchanges(answered):
        assert exchange.encode() in outputs.log


def test_metrics_hold_no_secret(outputs: Outputs) -> None:
    assert outputs.canaries.found(outputs.metrics) == set()
    assert MESSAGES.model.encode() in outputs.metrics


def test_the_command_line_says_no_secret(outputs: Outputs) -> None:
    for command, said in outputs.said.items():
        assert outputs.canaries.found(said.encode()) == set(), command
    assert "key-of-lane" in outputs.said[f"key list --user {EMAIL}"]
    assert "egress of account" in outputs.said["doctor"]


def test_the_files_hold_no_secret(outputs: Outputs) -> None:
    for files in (outputs.files, outputs.files_after):
        for name, data in files.items():
            assert outputs.canaries.found(data) - NAMES == set(), name


def test_the_files_hold_what_they_should(outputs: Outputs) -> None:
    assert {"headgate.db", "headgate.db-wal", "secret.key"} <= set(outputs.files)
    for files in (outputs.files, outputs.files_after):
        together = b"".join(files.values())
        for text in ("key-of-lane", "account-credential", AGENT, MESSAGES.model):
            assert text.encode() in together, text


def test_the_master_key_is_in_its_file_only(outputs: Outputs) -> None:
    secret = outputs.files["secret.key"].strip()
    forms = {secret, bytes.fromhex(secret.decode()), secret.upper()}
    places = {name: data for name, data in outputs.files.items() if name != "secret.key"}
    places |= {"log": outputs.log, "metrics": outputs.metrics}
    answers = (*outputs.served, *outputs.managed, *outputs.read)
    places |= {f"{n} {seen.label}": seen.body for n, seen in enumerate(answers)}
    assert [name for name, data in places.items() if any(form in data for form in forms)] == []
