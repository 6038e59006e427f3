"""Live events of a real gateway with two workers: every worker tells the same, counts the same streams, and
ends them when it stops."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.databases import *  # noqa: F403 - fixtures
from tests.support.gateway import Gateway, two_workers
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.pg, pytest.mark.redis]


class Stream:
    """One open page."""

    def __init__(self, gateway: Gateway, token: str, last_id: str = "") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        headers = {"authorization": f"Bearer {token}", "last-event-id": last_id}
        self.connection.request("GET", "/api/v1/events", headers=headers)
        self.answer = self.connection.getresponse()
        self.last_id = ""

    def close(self) -> None:
        self.answer.close()
        self.connection.close()

    def next(self, name: str) -> dict[str, object]:
        """The data of the next event of this name."""
        event = ""
        while line := self.answer.readline().decode().strip("\n"):
            while line:
                field, _, value = line.partition(": ")
                if field == "event":
                    event = value
                elif field == "id":
                    self.last_id = value
                elif field == "data":
                    data: dict[str, object] = json.loads(value)
                line = self.answer.readline().decode().strip("\n")
            if event == name:
                return data
        raise AssertionError(f"the stream ended without {name}")


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> str:
    return await postgres_server.create_database(f"events_{time.monotonic_ns()}")


@pytest.fixture
def pair(tmp_path: Path, database_url: str) -> Iterator[Gateway]:
    with two_workers(tmp_path, database_url, HEADGATE_EVENTS__MAX_PER_USER="4") as running:
        yield running


def test_all_workers_tell_the_same_count_together_and_end_their_streams(pair: Gateway) -> None:
    user = pair.api("POST", "/admin/users", {"email": "live@headgate.test", "password": "user-password"})[
        "id"
    ]
    token = pair.login("live@headgate.test", "user-password")
    with ExitStack() as stack:
        streams = [Stream(pair, token) for _ in range(4)]
        for stream in streams:
            stack.callback(stream.close)
            assert stream.answer.status == 200
            assert stream.next("me")["balance"] == 0
        refused = Stream(pair, token)
        stack.callback(refused.close)
        assert (refused.answer.status, json.load(refused.answer)["reason"]) == (429, "EVENT_STREAMS_FULL")
        pair.api("POST", f"/admin/users/{user}/balance", {"balance": 3, "operation": "add"})
        assert [stream.next("me")["balance"] for stream in streams] == [3] * 4
        last_id = streams.pop().last_id
    with ExitStack() as stack:
        deadline = time.monotonic() + 20
        while (back := Stream(pair, token, last_id)).answer.status == 429:
            back.close()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        stack.callback(back.close)
        assert back.next("hello")["is_resumed"] is True
        pair.api("POST", f"/admin/users/{user}/balance", {"balance": 1, "operation": "add"})
        assert back.next("me")["balance"] == 4  # that it was 3 is known, and told by no worker again
        began = time.monotonic()
        pair.process.terminate()
        assert back.next("bye") == {"reason": "stopping"}
        assert pair.stop() == 0
        assert time.monotonic() - began < 20  # not the whole grace that answers get
