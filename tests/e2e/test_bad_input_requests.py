"""Requests that are no good (issue 2, "Bad input"): the dialect's own envelope, the right status, nothing
booked, no slot kept, and the connection goes on where HTTP allows it."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from tests.e2e.bad_input_client import (
    CHAT,
    ENDPOINTS,
    GEMINI,
    MESSAGES,
    RESPONSES,
    Answer,
    Endpoint,
    Wire,
    ask,
    memory_bytes,
    message_in,
    request_of,
)
from tests.support.gateway import Gateway, Provisioned, running_gateway
from tests.support.simulator import RunningSimulator

LIMIT = 200_000
SMALL = {
    "HEADGATE_GATEWAY__MAX_BODY_SIZE": str(LIMIT),
    "HEADGATE_SERVER__HEADER_TIMEOUT_S": "1.5",
    "HEADGATE_SERVER__BODY_TIMEOUT_S": "1",
    "HEADGATE_SERVER__UPLOAD_TIMEOUT_S": "3",
    "HEADGATE_AUTH__LOGIN_LIMIT_PER_MINUTE": "1000",
}
MEMORY_SLACK = 24 * 1024 * 1024
Ask = Callable[..., Answer]
each_dialect = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.dialect)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with small limits, so that floods are quick."""
    with running_gateway(tmp_path_factory.mktemp("small"), **SMALL) as running:
        yield running


@pytest.fixture(scope="module")
def callers(small: Gateway, simulator: RunningSimulator) -> dict[str, Provisioned]:
    """One slot each: a slot that stays taken would block the next request."""
    return {
        platform: small.provision(
            platform, simulator.url, upstream_keys=(f"sim-bad-{platform}",), name="bad", concurrency=1
        )
        for platform in ("anthropic", "openai", "gemini")
    }


@pytest.fixture
def endpoint() -> Endpoint:
    return CHAT


@pytest.fixture(autouse=True)
def leaves_no_trace(
    small: Gateway, callers: dict[str, Provisioned], simulator: RunningSimulator, endpoint: Endpoint
) -> Iterator[None]:
    """After the refusals: no record, no upstream call, no money, and the only slot is free."""
    caller = callers[endpoint.platform]
    records, balance = small.usage(user_id=caller.user_id), _balance(small, caller)
    billed = _served(simulator, endpoint)
    yield
    assert small.usage(user_id=caller.user_id) == records
    assert _balance(small, caller) == balance
    assert _served(simulator, endpoint) == billed
    good = ask(small.url, endpoint.path, endpoint.body, endpoint.headers(caller.key))
    assert good.status == 200, good.body


def _balance(gateway: Gateway, caller: Provisioned) -> float:
    balance: float = gateway.api("GET", f"/admin/users/{caller.user_id}")["balance"]
    return balance


def _served(simulator: RunningSimulator, endpoint: Endpoint) -> object:
    bill = simulator.settled_bill(key=f"sim-bad-{endpoint.platform}")
    return {name: value for name, value in bill.items() if name != "lines"}


@pytest.fixture
def refused(small: Gateway, callers: dict[str, Provisioned], endpoint: Endpoint) -> Ask:
    """Send it with a valid key; returns the answer after checking that it speaks the dialect."""

    def send(body: bytes | None = None, *, method: str = "POST", path: str = "", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        got = ask(
            small.url, path or endpoint.path, body,
            {**endpoint.headers(callers[endpoint.platform].key), **named}, method=method,
        )  # fmt: skip
        message_in(endpoint.dialect, got)
        assert got.headers["x-request-id"]
        return got

    return send


@each_dialect
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nonsense", b"[]", b"null", b'"text"', b"\x00\x01", b'{"model":"\xff\xfe"}',
        b'{"model":"m","x":"\xc3"}', b"\xff\xfe{\x00}\x00", b"[" * 100_000, b'{"a":' * 30_000,
        b'{"model":"m",}',
    ],
    ids=[
        "empty", "cut", "word", "array", "null", "string", "binary", "bad-utf8", "half-utf8", "utf16",
        "deep-array", "deep-object", "trailing-comma",
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_a_400(refused: Ask, endpoint: Endpoint, body: bytes) -> None:
    assert refused(body).status == 400


@pytest.mark.parametrize("endpoint", [MESSAGES, CHAT, RESPONSES], ids=lambda e: e.dialect)
@pytest.mark.parametrize("model", [None, "", 5, ["m"], {"a": 1}], ids=repr)
def test_a_missing_or_misshapen_model_is_a_400(refused: Ask, endpoint: Endpoint, model: object) -> None:
    body = json.loads(endpoint.body) | {"model": model}
    if model is None:
        del body["model"]
    assert refused(json.dumps(body).encode()).status == 400


@pytest.mark.parametrize("endpoint", [MESSAGES, CHAT, RESPONSES], ids=lambda e: e.dialect)
@pytest.mark.parametrize("stream", ["yes", 1, {}], ids=repr)
def test_a_stream_flag_that_is_no_boolean_is_a_400(refused: Ask, endpoint: Endpoint, stream: object) -> None:
    body = json.loads(endpoint.body) | {"stream": stream}
    assert refused(json.dumps(body).encode()).status == 400


@each_dialect
@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/xml"])
def test_another_content_type_is_a_415(refused: Ask, endpoint: Endpoint, kind: str) -> None:
    assert refused(endpoint.body, content_type=kind).status == 415


@each_dialect
def test_a_body_declared_too_large_is_a_413_before_it_is_sent(
    small: Gateway, callers: dict[str, Provisioned], endpoint: Endpoint
) -> None:
    key = callers[endpoint.platform].key
    head = request_of(endpoint.path, b"", endpoint.headers(key) | {"content-length": str(LIMIT + 1)})
    with Wire(small.url) as wire:
        wire.send(head)
        got = wire.read()
    assert got.status == 413
    message_in(endpoint.dialect, got)


@each_dialect
def test_a_chunked_body_that_grows_too_large_is_a_413(
    small: Gateway, callers: dict[str, Provisioned], endpoint: Endpoint
) -> None:
    key = callers[endpoint.platform].key
    head = (
        f"POST {endpoint.path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        "transfer-encoding: chunked\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in endpoint.headers(key).items())
        + "\r\n"
    )
    piece = b"%x\r\n%s\r\n" % (50_000, b" " * 50_000)
    with Wire(small.url) as wire:
        wire.send(head.encode() + piece * 5)
        got = wire.read()
    assert got.status == 413
    message_in(endpoint.dialect, got)


@each_dialect
def test_a_refusal_leaves_the_connection_usable(
    small: Gateway, callers: dict[str, Provisioned], endpoint: Endpoint
) -> None:
    headers = endpoint.headers(callers[endpoint.platform].key)
    with Wire(small.url) as wire:
        for body, kind, status in ((b"{", "application/json", 400), (b"{}", "text/plain", 415)):
            wire.send(request_of(endpoint.path, body, headers | {"content-type": kind}))
            assert wire.read().status == status
        wire.send(request_of("/nowhere", None, headers, method="GET"))
        assert wire.read().status == 404
        wire.send(request_of("/health", None, method="GET"))
        assert wire.read().status == 200


@each_dialect
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method_is_refused(refused: Ask, endpoint: Endpoint, method: str) -> None:
    wanted = 426 if endpoint is RESPONSES and method == "GET" else 405
    assert refused(method=method).status == wanted


@each_dialect
def test_head_is_answered_without_a_body(
    small: Gateway, callers: dict[str, Provisioned], endpoint: Endpoint
) -> None:
    with Wire(small.url) as wire:
        headers = endpoint.headers(callers[endpoint.platform].key)
        wire.send(request_of(endpoint.path, None, headers, method="HEAD"))
        if endpoint is RESPONSES:  # 426 as for GET; it ends the connection
            assert wire.read(has_body=False).status == 426
            return
        assert wire.read(has_body=False).status == 405
        wire.send(request_of("/health", None, method="GET"))
        assert wire.read().document == {"status": "ok"}


@pytest.mark.parametrize("endpoint", [RESPONSES], ids=["responses"])
def test_a_websocket_upgrade_is_told_to_use_http(
    small: Gateway, callers: dict[str, Provisioned], endpoint: Endpoint
) -> None:
    upgrade = {
        "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    headers = endpoint.headers(callers["openai"].key) | upgrade
    got = ask(small.url, "/v1/responses", None, headers, method="GET")
    assert got.status == 426
    assert "POST" in message_in(endpoint.dialect, got)


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/", "openai_chat"), ("/v2/chat/completions", "openai_chat"), ("/v1/%2e%2e/admin", "openai_chat"),
        ("//v1/messages", "anthropic_messages"), ("/v1/messages%00", "anthropic_messages"),
        ("/v1/messages/../../etc/passwd", "anthropic_messages"), ("/v1/" + "a" * 8000, "openai_chat"),
        ("/v1/responses/%2e%2e/%2e%2e/files", "openai_responses"),
        ("/v1/responses/../files", "openai_responses"), ("/v1/responses/a%2fb%3fx", "openai_responses"),
        ("/v1beta/models/:generateContent", "gemini"), ("/v1beta/models/m:unknown", "gemini"),
        ("/v1beta/files", "gemini"), ("/v1/%ff%fe", "openai_chat"),
    ],
)  # fmt: skip
def test_an_unknown_or_hostile_path_is_refused_here(
    small: Gateway, callers: dict[str, Provisioned], path: str, dialect: str
) -> None:
    headers = {"authorization": f"Bearer {callers['openai'].key}"}
    got = ask(small.url, path, b"{}", headers)
    assert got.status in ((405,) if path == "/" else (400, 404))
    if path != "/":
        message_in(dialect, got)
    assert len(got.body) < 1000


@pytest.mark.parametrize("endpoint", [GEMINI], ids=["gemini"])
@pytest.mark.parametrize(
    "model",
    ["../../v1/files", "a/../b", "m?key=1", "m#x", "%2e%2e%2f", "a\r\nx: y", "é", "m" * 5000],
    ids=repr,
)
def test_a_hostile_model_name_never_leaves_its_place_in_the_provider_address(
    small: Gateway, callers: dict[str, Provisioned], endpoint: Endpoint, model: str
) -> None:
    """It may be unknown to the provider (404) or be refused here, never change which endpoint is called."""
    headers = endpoint.headers(callers[endpoint.platform].key)
    got = ask(small.url, f"/v1beta/models/{quote(model, safe='')}:generateContent", endpoint.body, headers)
    assert got.status in (400, 404), got.body
    message_in(endpoint.dialect, got)


@each_dialect
@pytest.mark.parametrize(
    "flood",
    ["".join(f"x-{n}: {n}\r\n" for n in range(5_000)), "x-big: " + "a" * 200_000 + "\r\n"],
    ids=["many", "large"],
)
def test_a_flood_of_headers_is_a_431(small: Gateway, endpoint: Endpoint, flood: str) -> None:
    before = memory_bytes(small.process.pid)
    for _ in range(20):
        with Wire(small.url) as wire:
            try:
                wire.send(f"POST {endpoint.path} HTTP/1.1\r\nhost: x\r\n{flood}\r\n".encode())
            except ConnectionError:
                continue
            got = wire.read()
            assert got.status == 431
            message_in(endpoint.dialect, got)
    assert memory_bytes(small.process.pid) - before < MEMORY_SLACK


@each_dialect
def test_slow_headers_are_a_408(small: Gateway, endpoint: Endpoint) -> None:
    with Wire(small.url) as wire:
        wire.send(f"POST {endpoint.path} HTTP/1.1\r\nhost: x\r\n".encode())
        got = wire.read()
        assert wire.is_closed()
    assert got.status == 408
    message_in(endpoint.dialect, got)


@each_dialect
def test_a_body_that_stops_is_a_408(
    small: Gateway, callers: dict[str, Provisioned], endpoint: Endpoint
) -> None:
    headers = endpoint.headers(callers[endpoint.platform].key)
    with Wire(small.url) as wire:
        wire.send(request_of(endpoint.path, endpoint.body, headers)[:-5])
        got = wire.read()
        assert wire.is_closed()
    assert got.status == 408
    message_in(endpoint.dialect, got)


def test_a_body_that_trickles_is_a_408_in_the_end(
    small: Gateway, callers: dict[str, Provisioned], endpoint: Endpoint
) -> None:
    headers = endpoint.headers(callers["openai"].key) | {"content-length": "100000"}
    with Wire(small.url, timeout_s=0.3) as wire:
        wire.send(request_of(endpoint.path, b"", headers))
        for _ in range(40):
            wire.send(b" ")
            try:
                got = wire.read()
            except TimeoutError:
                continue
            break
        else:
            pytest.fail("the upload was never refused")
    assert got.status == 408


@each_dialect
@pytest.mark.parametrize("end", ["half_close", "reset"])
def test_a_truncated_upload_costs_nothing(
    small: Gateway, callers: dict[str, Provisioned], endpoint: Endpoint, end: str
) -> None:
    headers = endpoint.headers(callers[endpoint.platform].key)
    before = memory_bytes(small.process.pid)
    for _ in range(50):
        with Wire(small.url) as wire:
            wire.send(request_of(endpoint.path, endpoint.body + b" " * 100_000, headers)[:-10])
            if end == "half_close":
                wire.socket.shutdown(socket.SHUT_WR)
                assert wire.is_closed()
            else:
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert memory_bytes(small.process.pid) - before < MEMORY_SLACK


def test_duplicate_headers_are_no_error(small: Gateway, endpoint: Endpoint) -> None:
    """Of a repeated key header the last counts: here a wrong one, so nothing is billed."""
    body = CHAT.body
    head = (
        f"POST {CHAT.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-one\r\n"
        "authorization: Bearer sk-two\r\naccept: a\r\naccept: b\r\ncontent-type: application/json\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with Wire(small.url) as wire:
        wire.send(head.encode() + body)
        assert wire.read().status == 401


@pytest.mark.parametrize(
    "head",
    [
        "content-length: 5\r\ncontent-length: 6", "content-length: -1", "content-length: x",
        "content-length: 5\r\ntransfer-encoding: chunked", "transfer-encoding: gzip", "bad header",
        "x:\x00y",
    ],
)  # fmt: skip
def test_framing_that_two_readers_could_read_differently_is_refused(small: Gateway, head: str) -> None:
    """Before the request begins with a 400; framing that breaks inside the body ends the connection."""
    with Wire(small.url) as wire:
        wire.send(f"POST /v1/messages HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\nhello".encode())
        try:
            got = wire.read()
        except ConnectionError:
            assert "gzip" in head
            return
        assert got.status == 400
        assert wire.is_closed()
    message_in("anthropic_messages", got)


def test_a_flood_of_bad_bodies_leaves_memory_as_it_was(
    small: Gateway, callers: dict[str, Provisioned], endpoint: Endpoint
) -> None:
    headers = endpoint.headers(callers["openai"].key)
    bomb = request_of(endpoint.path, b'{"model":"m","messages":' + b"[" * 150_000, headers)
    with Wire(small.url) as wire:
        for n in range(300):
            if n == 50:
                before = memory_bytes(small.process.pid)
            wire.send(bomb)
            assert wire.read().status == 400
    assert memory_bytes(small.process.pid) - before < MEMORY_SLACK
