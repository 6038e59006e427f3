"""Users of a group share its slots: who floods the group waits behind who asks little, and it is seen who
holds what."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

from tests.e2e.conftest import Provision
from tests.e2e.speakers import MESSAGES
from tests.support.gateway import Gateway, Provisioned
from tests.support.load import Outcome, Shot, volley
from tests.support.simulator import RunningSimulator

SLOTS, MANY, FEW = 4, 40, 4


def shots(caller: Provisioned, count: int) -> list[Shot]:
    bodies = [json.dumps(MESSAGES.body(MESSAGES.model, f"n {at}")).encode() for at in range(count)]
    headers = MESSAGES.headers(caller.key)
    return [Shot(path=MESSAGES.path, body=body, headers=headers) for body in bodies]


async def _timed(gateway: Gateway, caller: Provisioned, count: int) -> tuple[Sequence[Outcome], float]:
    outcomes = await volley(gateway.url, shots(caller, count), at_once=count)
    return outcomes, time.monotonic()


async def _busy(gateway: Gateway, group_id: int, waiting: int) -> dict[str, Any]:
    """The group's slots, as soon as so many wait and a holder has a name (one just come has none yet)."""
    deadline = time.monotonic() + 5
    while True:
        seen: dict[str, Any] = await asyncio.to_thread(
            gateway.api, "GET", f"/admin/slots?resource=group:{group_id}"
        )
        is_named = any(holder["user_id"] for holder in seen["holders"])
        if (seen["waiting"] >= waiting and is_named) or time.monotonic() > deadline:
            return seen
        await asyncio.sleep(0.02)


async def test_who_asks_little_is_served_in_the_middle_of_somebody_elses_flood(
    gateway: Gateway, provision: Provision, simulator: RunningSimulator, upstream_key: str
) -> None:
    sharing = {"slots": SLOTS, "guaranteed": 1}
    flooding = provision("anthropic", upstream_keys=(upstream_key,), group={"fair_sharing": sharing})
    asking = provision("anthropic")
    moved = {"group_id": flooding.group_id}
    gateway.api("PUT", f"/keys/{asking.key_id}", moved, token=asking.user_token)
    simulator.script(upstream_key, "delay=0.15")
    async with asyncio.TaskGroup() as tasks:
        flood = tasks.create_task(_timed(gateway, flooding, MANY))
        seen = await _busy(gateway, flooding.group_id, MANY - SLOTS - 8)
        few = tasks.create_task(_timed(gateway, asking, FEW))
    assert (seen["limit"], seen["in_use"]) == (SLOTS, SLOTS)
    assert {holder["user_id"] for holder in seen["holders"]} - {None} == {flooding.user_id}
    (of_flood, flood_ended), (of_few, few_ended) = flood.result(), few.result()
    assert [outcome.status for outcome in (*of_flood, *of_few)] == [200] * (MANY + FEW)
    assert few_ended < flood_ended - 0.3, "it did not wait for the end of the flood"
    free = gateway.api("GET", f"/admin/slots?resource=group:{flooding.group_id}")
    assert (free["in_use"], free["waiting"]) == (0, 0)


async def test_the_story_of_a_request_says_for_which_slots_it_waited_and_from_which_place(
    gateway: Gateway, provision: Provision, simulator: RunningSimulator, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=(upstream_key,), group={"fair_sharing": {"slots": 1}})
    simulator.script(upstream_key, "delay=0.2")
    outcomes = await volley(gateway.url, shots(caller, 3), at_once=3)
    stories = [
        gateway.api("GET", f"/admin/requests/{outcome.header('x-headgate-exchange-id')}/explain")
        for outcome in outcomes
    ]
    waits = [wait for story in stories for wait in story["waits"]]
    assert sorted(wait["waited_for"] for wait in waits) == [f"group:{caller.group_id}"] * 2
    assert sorted(wait["first_position"] for wait in waits) == [1, 2]
