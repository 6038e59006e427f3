"""The stream of an open page: what it says, when it ends, and how many there may be."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from headgate.control.events import stream
from headgate.control.jobs.runner import JobRunner
from headgate.kit import json
from headgate.storage.models import UserRow


class Page:
    """An open stream: `await next("me")` is the data of the next such event."""

    def __init__(self):
        self.status, self.headers = 0, {}
        self.events: asyncio.Queue = asyncio.Queue()
        self.is_over, self.close = asyncio.Event(), asyncio.Event()
        self.body = b""

    async def receive(self):
        await self.close.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.body += message.get("body", b"")
        *whole, self.body = self.body.split(b"\n\n")
        for text in whole:
            lines = dict(line.split(": ", 1) for line in text.decode().split("\n"))
            self.events.put_nowait((lines["event"], json.loads(lines["data"]), lines.get("id", "")))

    async def next(self, name):
        async with asyncio.timeout(5):
            while (found := await self.events.get())[0] != name:
                pass
        return found[1]


@asynccontextmanager
async def opened(control, caller, **headers):
    page = Page()
    sent = {**caller.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http", "method": "GET", "path": "/api/v1/events", "raw_path": b"", "root_path": "/api",
        "query_string": b"", "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2), "headers": [(k.encode(), v.encode()) for k, v in sent.items()],
    }  # fmt: skip
    first = {"type": "http.request", "body": b"", "more_body": False}
    asked = [first]

    async def receive():
        return asked.pop() if asked else await page.receive()

    task = asyncio.ensure_future(control.app(scope, receive, page.send))
    task.add_done_callback(lambda _: page.is_over.set())
    try:
        yield page
    finally:
        page.close.set()
        async with asyncio.timeout(5):
            await task


@pytest.fixture
async def control(make_control):
    made = await make_control(events={"interval_s": 0.02, "max_per_user": 2})
    yield made
    await made.app.state.events.close()


async def test_a_page_hears_of_its_balance_and_its_requests_in_flight(control):
    async with opened(control, control.anna) as page:
        assert (await page.next("hello"))["is_resumed"] is False
        assert (await page.next("me"))["in_use"] == 0
        await control.deps.state.slots.try_acquire(f"user:{control.anna.user_id}", limit=5, owner="x")
        assert (await page.next("me"))["in_use"] == 1
        await control.admin(
            "POST", f"/admin/users/{control.anna.user_id}/balance", {"balance": 2.5, "operation": "add"}
        )
        assert (await page.next("me"))["balance"] == 2.5
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/event-stream")
    assert page.headers["cache-control"] == "no-store"
    assert "content-length" not in page.headers


async def test_administrators_hear_of_accounts_and_the_queue(control):
    account = await control.add_account(concurrency=1)
    slots = control.deps.state.slots
    async with opened(control, control.admin) as page:
        assert (await page.next("queue"))["waiting"] == 0
        assert (await page.next("accounts"))["is_whole"]
        await slots.try_acquire(f"account:{account}", limit=1, owner="x")
        assert [(one["id"], one["in_use"]) for one in (await page.next("accounts"))["changed"]] == [
            (account, 1)
        ]
        waiting = asyncio.ensure_future(
            slots.acquire(f"account:{account}", limit=1, owner="y", max_waiting=5, timeout_s=60)
        )
        assert await page.next("queue") == {
            "waiting": 1, "places": [{"resource": f"account:{account}", "waiting": 1}],
        }  # fmt: skip
        waiting.cancel()
        await control.admin("POST", f"/admin/accounts/{account}/schedulable", {"schedulable": False})
        while (await page.next("accounts"))["changed"][0]["schedulable"]:
            pass


async def test_a_change_of_the_configuration_is_told_to_everybody(control):
    async with opened(control, control.anna) as page:
        before = (await page.next("directory"))["version"]
        async with control.deps.uow() as uow:
            from headgate.storage.unit_of_work import bump_directory

            await bump_directory(uow.session)
        assert (await page.next("directory"))["version"] == before + 1


async def test_strangers_hear_nothing(control):
    assert (await control.nobody("GET", "/events")).status == 401


async def test_a_session_that_is_over_ends_its_page(control, monkeypatch):
    monkeypatch.setattr(stream, "BEAT_S", 0.02)
    async with opened(control, control.anna) as page:
        await page.next("me")
        async with control.deps.uow() as uow:
            (await uow.session.get(UserRow, control.anna.user_id)).token_version += 1
        control.clock.advance(stream.CHECK_S)
        assert await page.next("bye") == {"reason": "session"}
        await asyncio.wait_for(page.is_over.wait(), 5)


async def test_silence_is_broken_by_beats_with_the_time(control, monkeypatch):
    monkeypatch.setattr(stream, "BEAT_S", 0.02)
    async with opened(control, control.anna) as page:
        assert (await page.next("beat"))["server_time_ms"] == control.clock.now_ms()


async def test_too_many_pages_of_one_user_are_refused_and_one_that_closes_makes_room(control):
    async with opened(control, control.anna) as first:
        await first.next("me")
        async with opened(control, control.anna) as second:
            await second.next("me")
            refused = await control.anna("GET", "/events")
            assert (refused.status, refused.json["reason"]) == (429, "EVENT_STREAMS_FULL")
            async with opened(control, control.ben) as other:
                await other.next("me")
        async with opened(control, control.anna) as third:
            await third.next("me")


async def test_nothing_is_read_while_nobody_listens(control):
    hub = control.app.state.events
    async with opened(control, control.anna) as page:
        await page.next("me")
    async with asyncio.timeout(5):
        while "is_looking=True" in repr(hub):
            await asyncio.sleep(0.01)
    assert repr(hub) == "EventHub(listeners=0, is_looking=False)"


async def test_a_process_that_stops_says_so(control):
    async with opened(control, control.anna) as page:
        await page.next("me")
        control.app.state.events.end()
        assert await page.next("bye") == {"reason": "stopping"}
        await asyncio.wait_for(page.is_over.wait(), 5)
    assert (await control.anna("GET", "/events")).status == 503


async def test_a_page_that_takes_nothing_is_given_up_and_holds_nothing(control, monkeypatch):
    monkeypatch.setattr(stream, "SEND_S", 0.05)
    stuck = asyncio.Event()

    async with opened(control, control.anna) as page:
        await page.next("me")

        async def never(_):
            await stuck.wait()

        page.send = never
        for _ in range(3):
            await control.deps.state.slots.try_acquire(f"user:{control.anna.user_id}", limit=9, owner="x")
    assert "listeners=0" in repr(control.app.state.events)


async def test_long_work_is_told_while_it_runs_and_when_it_ends(control):
    account = await control.add_account()
    async with opened(control, control.admin) as page:
        assert await page.next("jobs") == {"jobs": []}
        body = {"account_ids": [account], "action": "disable"}
        await control.admin("POST", "/admin/jobs/account-action", body)
        (waiting,) = (await page.next("jobs"))["jobs"]
        assert (waiting["kind"], waiting["status"], waiting["total"]) == ("account_action", "pending", 1)
        await JobRunner(control.deps).work()
        (ended,) = (await page.next("jobs"))["jobs"]
        assert (ended["status"], ended["done"], ended["failed"]) == ("succeeded", 1, 0)
