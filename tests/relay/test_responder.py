"""One answer to one client: one head, faults in its dialect wherever the answer stands, pings in between."""

import asyncio
import json

import pytest

from headgate.core.dialects.contract import StreamFraming
from headgate.core.faults import Fault, FaultKind
from headgate.core.world import Dialect
from headgate.relay.dialects import HANDLERS
from tests.relay.people import Client, responder_for

CUT = Fault(kind=FaultKind.UPSTREAM_CUT, message="The answer broke off")
SSE = [(b"content-type", b"text/event-stream")]


async def test_a_whole_answer_has_its_length_and_both_ids() -> None:
    client = Client()
    await responder_for(client).whole(200, [(b"content-type", b"application/json")], b"{}")
    assert (client.status, client.body, client.is_complete) == (200, b"{}", True)
    assert client.headers == {
        "content-type": "application/json", "content-length": "2", "x-request-id": "req-1",
        "x-headgate-exchange-id": "x1",
    }  # fmt: skip


async def test_the_head_of_a_stream_goes_out_once() -> None:
    client = Client()
    responder = responder_for(client)
    await responder.stream_head(SSE)
    await responder.stream_head([*SSE, (b"x-other", b"1")])
    assert (client.status, "x-other" in client.headers) == (200, False)


async def test_a_streamed_head_forbids_buffering_on_the_way() -> None:
    client = Client()
    await responder_for(client).stream_head(SSE)
    assert client.headers["cache-control"] == "no-cache"
    assert client.headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_before_the_head_a_fault_is_an_envelope_with_its_own_status(dialect: Dialect) -> None:
    client = Client()
    await responder_for(client, dialect).fail(CUT)
    assert (client.status, client.headers["content-type"]) == (502, "application/json")
    assert json.loads(client.body)["error"]["message"] == "The answer broke off"
    assert client.is_complete


@pytest.mark.parametrize(
    ("dialect", "framing"),
    [(dialect, StreamFraming.SSE) for dialect in Dialect] + [(Dialect.GEMINI, StreamFraming.JSON_ARRAY)],
)
async def test_after_the_head_a_fault_is_an_event_of_the_stream(
    dialect: Dialect, framing: StreamFraming
) -> None:
    client = Client()
    responder = responder_for(client, dialect)
    responder.expect_stream(framing)
    await responder.stream_head(SSE)
    await responder.fail(CUT)
    assert client.status == 200
    assert client.body == HANDLERS[dialect].render_fault_event(CUT, request_id="req-1", framing=framing)
    assert client.is_complete


async def test_the_providers_own_error_body_passes_with_its_status_and_type() -> None:
    client = Client()
    fault = Fault(
        kind=FaultKind.UPSTREAM_REQUEST_REJECTED, message="m", upstream_status=422,
        upstream_body=b"<their words>", upstream_content_type="text/html",
    )  # fmt: skip
    await responder_for(client).fail(fault)
    assert (client.status, client.body) == (422, b"<their words>")
    assert client.headers["content-type"] == "text/html"


async def test_a_fault_tells_when_to_come_back() -> None:
    client = Client()
    await responder_for(client).fail(Fault(kind=FaultKind.QUEUE_FULL, message="m", retry_after_s=7))
    assert (client.status, client.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize("kind", [FaultKind.REQUEST_TOO_LARGE, FaultKind.REQUEST_TIMEOUT])
async def test_after_a_body_that_was_not_read_the_connection_closes(kind: FaultKind) -> None:
    client = Client()
    await responder_for(client).fail(Fault(kind=kind, message="m"))
    assert client.headers["connection"] == "close"


async def test_a_refused_upgrade_says_what_is_spoken_here() -> None:
    client = Client()
    await responder_for(client).fail(Fault(kind=FaultKind.UPGRADE_REQUIRED, message="m"))
    assert (client.status, client.headers["upgrade"]) == (426, "HTTP/1.1")


async def test_a_ping_starts_the_stream_and_later_pings_only_add_to_it() -> None:
    client = Client()
    responder = responder_for(client)
    responder.expect_stream(StreamFraming.SSE)
    await responder.ping()
    await responder.ping()
    ping = HANDLERS[Dialect.ANTHROPIC_MESSAGES].ping
    assert ping is not None
    assert (client.status, client.body) == (200, ping * 2)
    assert client.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("framing", [StreamFraming.NONE, StreamFraming.JSON_ARRAY])
async def test_an_answer_that_is_no_event_stream_is_never_pinged(framing: StreamFraming) -> None:
    client = Client()
    responder = responder_for(client)
    responder.expect_stream(framing)
    await responder.ping()
    assert client.messages == []


async def test_a_dialect_without_pings_gets_none() -> None:
    client = Client()
    responder = responder_for(client, Dialect.GEMINI)
    responder.expect_stream(StreamFraming.SSE)
    await responder.ping()
    assert client.messages == []


async def test_a_fault_after_a_ping_arrives_inside_the_stream() -> None:
    client = Client()
    responder = responder_for(client)
    responder.expect_stream(StreamFraming.SSE)
    await responder.ping()
    await responder.fail(CUT)
    assert client.status == 200
    assert b"event: error\n" in client.body


async def test_a_path_that_dialects_share_answers_in_the_callers() -> None:
    client = Client()
    responder = responder_for(client, Dialect.ANTHROPIC_MESSAGES)
    responder.speak(HANDLERS[Dialect.GEMINI])
    await responder.fail(Fault(kind=FaultKind.MODEL_NOT_FOUND, message="m"))
    assert json.loads(client.body)["error"]["code"] == 404


async def test_nothing_is_sent_to_a_client_that_left() -> None:
    client = Client(is_gone=True)
    responder = responder_for(client)
    await responder.stream_head(SSE)
    await responder.write(b"data", 1.0)
    await responder.fail(CUT)
    assert client.messages == []


async def test_a_piece_for_a_client_that_left_counts_as_sent() -> None:
    client = Client(is_gone=True)
    assert responder_for(client).write_now(b"data", 1.0) is True


async def test_a_client_that_does_not_read_is_seen_waiting() -> None:
    client = Client(stuck=asyncio.Event())
    responder = responder_for(client)
    writing = asyncio.get_running_loop().create_task(responder.write(b"data", 5.0))
    await asyncio.sleep(0)
    assert responder.writing_since == 5.0
    assert client.stuck is not None
    client.stuck.set()
    await writing
    assert responder.writing_since is None


async def test_a_ping_tells_the_place_in_line_as_a_comment_that_every_client_skips() -> None:
    client = Client()
    responder = responder_for(client)
    responder.expect_stream(StreamFraming.SSE)
    places = iter((3, 1, 0))
    responder.place_in_line = lambda: next(places)
    for _ in range(3):
        await responder.ping()
    ping = HANDLERS[Dialect.ANTHROPIC_MESSAGES].ping or b""
    assert client.body == b": place in line 3\n\n" + ping + b": place in line 1\n\n" + ping * 2
