"""Many at once: queues, bursts, accounts that die in the middle of it, and caches that must stay warm."""

import threading
import time
from typing import Any

from tests.e2e.speakers import MESSAGES, MESSAGES_SSE
from tests.e2e.wire import Answer
from tests.scenarios.account_trouble import change, first_tried_first
from tests.scenarios.registry import scenario
from tests.scenarios.world import Scene, World, tally


@scenario(
    "burst on one account",
    expected="40x200; most at once: 4; slots held afterwards: 0",
)
def burst_on_one(world: World) -> str:
    scene = world.scene(account={"concurrency": 4})
    scene.suffer(0, "event_delay=0.005 events=4")
    storm = scene.storm([f"c {number}" for number in range(40)], speaker=MESSAGES_SSE)
    seen = tally(outcome.status for outcome in storm if outcome.ending == "complete")
    return f"{seen}; most at once: {scene.most_at_once}; slots held afterwards: {held(scene)}"


@scenario(
    "clients that hang up in a burst",
    expected="20 left; slots held afterwards: 0; the next one: 200",
)
def clients_hang_up(world: World) -> str:
    scene = world.scene(account={"concurrency": 2}, group={"disconnect_policy": "cancel"})
    scene.suffer(0, "event_delay=0.02 events=50", times=20)
    storm = scene.storm([f"c {number}" for number in range(20)], speaker=MESSAGES_SSE, leave_after=200)
    left = sum(outcome.ending == "left" for outcome in storm)
    deadline = time.monotonic() + 10
    while (slots := held(scene)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return f"{left} left; slots held afterwards: {slots}; the next one: {scene.ask('next').status}"


def held(scene: Scene) -> int:
    rows = [scene.world.gateway.api("GET", f"/admin/accounts/{account}") for account in scene.accounts]
    return sum(row["current_concurrency"] for row in rows)


@scenario(
    "five accounts die at once",
    expected="80x200; every dead one is down after at most 20 calls",
)
def five_die_at_once(world: World) -> str:
    """Before a byte is with the client, no request is lost."""
    scene = world.scene(10)
    for number, fault in enumerate(("status=401", "status=402", "status=401", "status=401", "status=402")):
        scene.suffer(number, fault)
    seen = tally(outcome.status for outcome in scene.storm([f"c {number}" for number in range(80)]))
    states = [scene.health(number)["state"] for number in range(5)]
    most = max(scene.calls[:5])
    down = "is down" if set(states) == {"down"} else f"is not down: {states}"
    return f"{seen}; every dead one {down} after at most {20 if most <= 20 else most} calls"


@scenario(
    "connections cut before the first byte",
    expected="200 by the same account at the second try; failed over: no",
)
def cut_before_first_byte(world: World) -> str:
    """Its prompt cache is worth one more try."""
    scene = first_tried_first(world.scene(2))
    scene.suffer(0, "cut_after=0", times=1)
    answer = scene.ask("hi", speaker=MESSAGES_SSE)
    by = "the same account at the second try" if scene.calls == [2, 0] else str(scene.calls)
    over = "no" if "x-headgate-failovers" not in answer.headers else "yes"
    return f"{answer.status} by {by}; failed over: {over}"


@scenario(
    "cache-heavy sessions",
    expected="160x200; tokens read from a warm cache where they could be: at least 95 %",
)
def cache_heavy(world: World) -> str:
    """20 conversations of 8 turns on 5 accounts, with a long cached beginning each."""
    scene = world.scene(5)
    seen = [_turn(scene, number, turn).status for turn in range(8) for number in range(20)]
    lines = sorted(scene.lines, key=lambda line: line["started_ms"])[20:]
    read = sum(line["usage"]["cache_read"] for line in lines)
    long_texts = sum(line["usage"]["cache_write_5m"] for line in lines)
    share = 100 * read / max(read + long_texts, 1)
    return (
        f"{tally(seen)}; tokens read from a warm cache where they could be:"
        f" {'at least 95 %' if share >= 95 else f'{share:.0f} %'}"
    )


def _turn(scene: Scene, number: int, turn: int) -> Answer:
    beginning = {"type": "text", "text": f"You are helper {number}. " + "Know this. " * 1500}
    system = [{**beginning, "cache_control": {"type": "ephemeral"}}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"question 0 of {number}"}]
    for past in range(turn):
        messages += [
            {"role": "assistant", "content": f"answer {past}"},
            {"role": "user", "content": f"question {past + 1} of {number}"},
        ]
    return scene.ask("", speaker=MESSAGES, system=system, messages=messages, max_tokens=50)


@scenario(
    "account switched off while it answers",
    expected="the running answer: whole; the next one: 200 by the other; then deleted: 200 by the other",
)
def switched_off_while_answering(world: World) -> str:
    scene = first_tried_first(world.scene(2))
    scene.suffer(0, "event_delay=0.05 events=12", times=1)
    outcomes: list[bytes] = []
    running = threading.Thread(
        target=lambda: outcomes.extend(o.body for o in scene.storm(["long"], speaker=MESSAGES_SSE))
    )
    running.start()
    deadline = time.monotonic() + 5
    while not held(scene) and time.monotonic() < deadline:
        time.sleep(0.02)
    change(scene, status="inactive")
    during = f"{scene.ask('next').status} by {_other(scene)}"
    running.join()
    whole = "whole" if outcomes and b"message_stop" in outcomes[0] else "broken"
    world.gateway.api("DELETE", f"/admin/accounts/{scene.accounts[0]}")
    after = f"{scene.ask('later').status} by {_other(scene)}"
    return f"the running answer: {whole}; the next one: {during}; then deleted: {after}"


def _other(scene: Scene) -> str:
    return "the other" if scene.calls[0] == 1 else "the same"


@scenario(
    "conversation whose account dies",
    expected="at home: 3x200; then 200 elsewhere; from then on: 3x200 at the new home",
)
def conversation_moves(world: World) -> str:
    """A sticky conversation moves once and stays."""
    scene = world.scene(3)
    named: dict[str, Any] = {"headers": {"x-session-id": "conversation-7"}}
    before = tally(scene.ask(f"turn {turn}", **named).status for turn in range(3))
    home = max(range(3), key=lambda number: scene.calls[number])
    at_home = "at home" if scene.calls[home] == 3 else f"scattered {scene.calls}"
    scene.suffer(home, "status=402")
    moved = scene.ask("turn 3", **named).status
    here = scene.calls
    after = tally(scene.ask(f"turn {turn}", **named).status for turn in range(4, 7))
    grown = sorted(now - then for now, then in zip(scene.calls, here, strict=True))
    where = "at the new home" if grown == [0, 0, 3] else f"scattered {grown}"
    return f"{at_home}: {before}; then {moved} elsewhere; from then on: {after} {where}"
