"""What two processes know of each other: slots, conversations, health, limits, shares, trials."""

import http.client
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from tests.e2e.speakers import MESSAGES
from tests.e2e.wire import Answer
from tests.scenarios.account_trouble import first_tried_first
from tests.scenarios.pair import Pair
from tests.scenarios.registry import Scenario
from tests.scenarios.world import Scene, tally
from tests.support.gateway import Gateway

SHARED: list[Scenario] = []


def shared(name: str, *, expected: str) -> Callable[[Callable[[Pair], str]], Callable[[Pair], str]]:
    def enter(run: Callable[[Pair], str]) -> Callable[[Pair], str]:
        SHARED.append(Scenario(name=name, expected=expected, run=run))  # type: ignore[arg-type]
        return run

    return enter


@shared(
    "process that dies with slots in its hands",
    expected="both slots held by the dead one; the living one: 200 within 20 s; slots held afterwards: 0",
)
def slots_of_the_dead(pair: Pair) -> str:
    scene = pair.scene(account={"concurrency": 2})
    scene.suffer(0, "delay=60", times=2)
    with ThreadPoolExecutor(2) as pool:
        for number in range(2):
            pool.submit(_heedless, partial(pair.ask_other, scene, f"doomed {number}"))
        _wait_until(lambda: _slots(scene)["in_use"] == 2 and scene.calls == [2])
        held = "both slots" if _slots(scene)["in_use"] == 2 else str(_slots(scene))
        pair.other.kill()
    try:
        began = time.monotonic()
        answer = scene.ask("alive")
        took_s = time.monotonic() - began
    finally:
        pair.other.restart()
    within = "within 20 s" if took_s < 20 else f"after {took_s:.0f} s"
    _wait_until(lambda: _slots(scene)["in_use"] == 0)
    return (
        f"{held} held by the dead one; the living one: {answer.status} {within};"
        f" slots held afterwards: {_slots(scene)['in_use']}"
    )


@shared(
    "conversation that changes its process every turn",
    expected="8x200; accounts: 1; input read from the cache after the first turn: more than 90 %",
)
def conversation_across_processes(pair: Pair) -> str:
    scene = pair.scene(4)
    beginning = {"type": "text", "text": "Know this. " * 1500, "cache_control": {"type": "ephemeral"}}
    named: dict[str, Any] = {"headers": {"x-session-id": scene.name}, "system": [beginning], "max_tokens": 20}
    asks = (scene.ask, lambda text, **more: pair.ask_other(scene, text, **more))
    seen = [asks[turn % 2](f"turn {turn}", **named).status for turn in range(8)]
    accounts = sum(calls > 0 for calls in scene.calls)
    usages = [line["usage"] for line in sorted(scene.lines, key=lambda line: line["started_ms"])[1:]]
    read = sum(usage["cache_read"] for usage in usages)
    share = 100 * read / max(1, read + sum(usage["input"] + usage["cache_write_5m"] for usage in usages))
    told = "more than 90 %" if share > 90 else f"{share:.0f} %"
    return f"{tally(seen)}; accounts: {accounts}; input read from the cache after the first turn: {told}"


@shared(
    "limited account, seen by one process",
    expected="the one: 200 by the other account; the other process: 3x200 without asking it, cooling;"
    " recovered at the one: 200 by it at the other",
)
def health_is_shared(pair: Pair) -> str:
    scene = first_tried_first(pair.scene(2))
    _wait_until(lambda: _priority_known(pair, scene))
    before = scene.calls[0]
    scene.suffer(0, "status=429 retry_after=600", times=1)
    first = scene.ask("limited").status
    after = [pair.ask_other(scene, f"c {number}").status for number in range(3)]
    asked = "without asking it" if scene.calls[0] == before + 1 else f"asking it: {scene.calls}"
    state = pair.other.api("GET", f"/admin/accounts/{scene.accounts[0]}/health")["state"]
    pair.gateway.api("POST", f"/admin/accounts/{scene.accounts[0]}/recover-state")

    def served_again() -> bool:
        return (
            pair.ask_other(scene, f"again {time.monotonic()}").status == 200 and scene.calls[0] > before + 1
        )

    again = "200 by it" if _wait_until(served_again) else f"not asked: {scene.calls}"
    return (
        f"the one: {first} by the other account; the other process: {tally(after)} {asked}, {state};"
        f" recovered at the one: {again} at the other"
    )


def _priority_known(pair: Pair, scene: Scene) -> bool:
    """Both have read the newest snapshot: the first account is asked first by each."""
    before = scene.calls[0]
    answers = [scene.ask(f"warm {time.monotonic()}"), pair.ask_other(scene, f"warm {time.monotonic()}")]
    return all(answer.status == 200 for answer in answers) and scene.calls[0] == before + 2


@shared(
    "limit of a key over two processes",
    expected="3 a minute, 4 requests at each: 5x429, 3x200; the message names the limit: yes",
)
def limits_are_shared(pair: Pair) -> str:
    scene = pair.scene()
    scene.key = pair.new_key(scene.group_id, rpm_limit=3)["key"]
    answers = _at_both(pair, scene, 4)
    refused = [answer for answer in answers if answer.status == 429]
    named = all(b"3 requests a minute" in answer.body for answer in refused)
    statuses = tally(answer.status for answer in answers)
    return (
        f"3 a minute, 4 requests at each: {statuses}; the message names the limit: {'yes' if named else 'no'}"
    )


@shared(
    "conversations at a time over two processes",
    expected="two conversations at one: 2x200; a third at the other: 429 max_sessions;"
    " the first one there: 200",
)
def sessions_are_shared(pair: Pair) -> str:
    scene = pair.scene(account={"extra": {"max_sessions": 2}})
    named: list[dict[str, Any]] = [
        {"headers": {"x-session-id": f"{scene.name}-{number}"}} for number in range(3)
    ]
    first = [scene.ask("hi", **named[number]).status for number in range(2)]
    third = pair.ask_other(scene, "hi", **named[2])
    why = "max_sessions" if b"max_sessions" in third.body else third.body[:80].decode()
    known = pair.ask_other(scene, "again", **named[0]).status
    return (
        f"two conversations at one: {tally(first)}; a third at the other: {third.status} {why};"
        f" the first one there: {known}"
    )


@shared(
    "five-hour cost over two processes",
    expected="room for one and a half: the other 200, the one 200, the other at once: 429 window_cost_limit",
)
def window_cost_is_shared(pair: Pair) -> str:
    """The other process has read what was spent a moment ago, and hears of what the one books since."""
    probe = pair.scene()
    probe.ask("how much is it", max_tokens=200)
    (row,) = pair.gateway.usage(api_key_id=probe.key_id)
    limit = {"window_cost_limit": 1.5 * row["total_cost"]}
    scene = pair.scene(account={"extra": limit})
    first = pair.ask_other(scene, "how much is it", max_tokens=200).status
    second = scene.ask("how much is that", max_tokens=200).status
    third = pair.ask_other(scene, "how much is all", max_tokens=200)
    why = "window_cost_limit" if b"window_cost_limit" in third.body else ""
    last = f"the other at once: {third.status} {why}"
    return f"room for one and a half: the other {first}, the one {second}, {last}"


@shared(
    "flood at one process, a few requests at the other",
    expected="24x200 and 2x200; the few were served in the middle of the flood",
)
def shares_are_shared(pair: Pair) -> str:
    scene = pair.scene(group={"fair_sharing": {"slots": 2, "guaranteed": 1}})
    scene.suffer(0, "delay=0.2")
    stranger = _new_person(pair, scene.group_id)
    ended: dict[str, float] = {}
    seen: dict[str, list[int]] = {}

    def flood() -> None:
        seen["flood"] = [outcome.status for outcome in scene.storm([f"c {n}" for n in range(24)])]
        ended["flood"] = time.monotonic()

    running = threading.Thread(target=flood)
    running.start()
    _wait_until(lambda: _slots(scene, "group", scene.group_id)["waiting"] >= 16)
    seen["few"] = [MESSAGES.ask(pair.other, stranger, f"f {n}").status for n in range(2)]
    ended["few"] = time.monotonic()
    running.join()
    middle = "in the middle of" if ended["few"] < ended["flood"] - 0.2 else "after"
    return f"{tally(seen['flood'])} and {tally(seen['few'])}; the few were served {middle} the flood"


@shared(
    "account on trial after a cooldown",
    expected="limited for a second; then 4 requests at each: 8x200; the first one alone at the provider: yes",
)
def one_trial_for_all(pair: Pair) -> str:
    """Of all processes one request tries; the others wait for what it learns."""
    scene = pair.scene()
    scene.suffer(0, "status=429 retry_after=1", times=1)
    scene.ask("limited")
    scene.suffer(0, "delay=0.8")
    time.sleep(1.1)
    statuses = tally(answer.status for answer in _at_both(pair, scene, 4))
    starts = sorted(line["started_ms"] for line in scene.lines)[-8:]
    alone = "yes" if starts[1] - starts[0] > 500 else f"no: {[start - starts[0] for start in starts]}"
    return (
        f"limited for a second; then 4 requests at each: {statuses};"
        f" the first one alone at the provider: {alone}"
    )


def _at_both(pair: Pair, scene: Scene, count: int) -> list[Answer]:
    """So many at each process, all at once."""

    def ask(gateway: Gateway, number: int) -> Answer:
        return MESSAGES.ask(gateway, scene.key, f"both {number} {gateway.port}")

    with ThreadPoolExecutor(2 * count) as pool:
        gateways = (pair.gateway, pair.other)
        waiting = [pool.submit(ask, gateway, n) for n in range(count) for gateway in gateways]
        return [answer.result() for answer in waiting]


def _new_person(pair: Pair, group_id: int) -> str:
    """The key of another user in the group."""
    api, email = pair.gateway.api, f"stranger-{group_id}@headgate.test"
    wish = {"email": email, "password": "user-password", "concurrency": 100}
    user_id = api("POST", "/admin/users", wish)["id"]
    api("POST", f"/admin/users/{user_id}/balance", {"balance": 1000, "operation": "add"})
    token = pair.gateway.login(email, "user-password")
    key: str = api("POST", "/keys", {"name": "stranger", "group_id": group_id}, token=token)["key"]
    return key


def _slots(scene: Scene, kind: str = "account", number: int | None = None) -> dict[str, Any]:
    resource = f"{kind}:{scene.accounts[0] if number is None else number}"
    return dict(scene.world.gateway.api("GET", f"/admin/slots?resource={resource}"))


def _heedless(ask: Callable[[], object]) -> None:
    """A client whose gateway dies."""
    try:
        ask()
    except (OSError, http.client.HTTPException):
        return


def _wait_until(holds: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held
