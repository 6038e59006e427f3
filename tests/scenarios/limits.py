"""Limits that providers name, odd and absurd ones among them, and clocks that move."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.e2e.speakers import GEMINI, MESSAGES, RESPONSES
from tests.scenarios.account_trouble import first_tried_first
from tests.scenarios.registry import scenario
from tests.scenarios.world import Scene, World

HOUR = 3600
_BUCKETS = ("requests", "tokens", "input-tokens", "output-tokens", "unified", "unified-5h", "unified-7d")
NO_RESETS = {f"anthropic-ratelimit-{bucket}-reset": "" for bucket in _BUCKETS}


def limited(**headers: str) -> dict[str, Any]:
    """A 429 that says when by these headers alone; `_` stands for `-`."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"status": 429, "retry_after": -1, "headers": {**NO_RESETS, **given}}


@scenario(
    "5h window exhausted on 3 of 5",
    expected="20x200; calls to the three: 3; cooling x3, healthy x2; after 5 hours: 15x200, all healthy",
)
def window_exhausted(world: World) -> str:
    scene = world.scene(5)
    for number in range(3):
        scene.suffer(number, f"status=429 retry_after={5 * HOUR}", times=1)
    seen = scene.statuses([f"c {number}" for number in range(20)])
    calls, states = sum(scene.calls[:3]), scene.states.split(", ")
    counted = f"cooling x{states.count('cooling')}, healthy x{states.count('healthy')}"
    world.let_pass(5 * HOUR + 1)
    after = scene.statuses([f"later {number}" for number in range(15)])
    well = "all healthy" if set(scene.states.split(", ")) == {"healthy"} else scene.states
    return f"{seen}; calls to the three: {calls}; {counted}; after 5 hours: {after}, {well}"


@scenario(
    "everybody is limited",
    expected="503, come back in 60 s; after that: 200",
)
def everybody_limited(world: World) -> str:
    scene = world.scene(3)
    for number in range(3):
        scene.suffer(number, f"status=429 retry_after={60 * (number + 1)}", times=1)
    scene.ask("they refuse in turn")
    answer = scene.ask("nobody is left")
    wait_s = int(answer.headers["retry-after"])
    told = "60 s" if 55 <= wait_s <= 60 else f"{wait_s} s"
    world.let_pass(61)
    return f"{answer.status}, come back in {told}; after that: {scene.ask('again').status}"


@scenario(
    "reset headers: absent, absurd, negative, other units",
    expected="none: 5; 1e9 s: 5; -3: 5; P1D: 5; year 5138: 5; 90000 ms: 90; RFC 3339: 120; 1m30s: 90",
)
def odd_resets(world: World) -> str:
    """Seconds that the account is out; another account has shown that the request was in order."""
    soon = datetime.now(UTC) + timedelta(seconds=world.passed_s + 120)
    variants: dict[str, dict[str, str]] = {
        "none": {},
        "1e9 s": {"retry-after": "1000000000"},
        "-3": {"retry-after": "-3"},
        "P1D": {"retry-after": "P1D"},
        "year 5138": {"anthropic-ratelimit-unified-reset": "99999999999"},
        "90000 ms": {"retry-after-ms": "90000"},
        "RFC 3339": {"anthropic-ratelimit-requests-reset": soon.isoformat()},
        "1m30s": {"anthropic-ratelimit-tokens-reset": "1m30s"},
    }
    said = []
    for name, headers in variants.items():
        scene = first_tried_first(world.scene(2))
        scene.suffer(0, limited(**headers), times=1)
        scene.ask("hi")
        left_s = scene.left_s()
        said.append(f"{name}: {120 if 115 <= left_s <= 120 else left_s}")
    return "; ".join(said)


@scenario(
    "absurd retry-after is seen",
    expected="in the trace: retry-after; in the log: once; the client is not told to wait",
)
def absurd_reset_is_seen(world: World) -> str:
    scene = world.scene()
    scene.suffer(0, limited(retry_after="1000000000"))
    answers = [scene.ask(f"c {number}") for number in range(2)]
    ignored = scene.trace(answers[0])["attempts"][0]["facts"].get("resets_ignored", [])
    logged = [
        line for line in world.log_lines("reset_header_ignored") if line["account_id"] == scene.accounts[0]
    ]
    told = answers[0].headers.get("retry-after")
    return (
        f"in the trace: {', '.join(ignored)}; in the log: {'once' if len(logged) == 1 else len(logged)};"
        f" the client is {'not told to wait' if told is None else f'told to wait {told} s'}"
    )


@scenario(
    "limit of one model alone",
    expected="200 by the other account; cooling: claude-sonnet-4-6 alone; another model: 200 by the first",
)
def limit_of_one_model(world: World) -> str:
    scene = first_tried_first(world.scene(2))
    empty = {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "60s"}
    scene.suffer(0, limited(**empty), times=1)
    status = scene.ask("one").status
    by = "the other account" if scene.calls == [1, 1] else str(scene.calls)
    models = [cooldown["model"] for cooldown in scene.health()["cooldowns"]]
    other = scene.ask("two", model="claude-haiku-4-5").status
    whom = "the first" if scene.calls == [2, 1] else str(scene.calls)
    return f"{status} by {by}; cooling: {', '.join(models)} alone; another model: {other} by {whom}"


@scenario(
    "Codex windows",
    expected="200 by the other account; 86400 s by x-codex-secondary-reset-after-seconds",
)
def codex_windows(world: World) -> str:
    """The window that is full decides, not the one that resets first."""
    headers = {
        "x-codex-primary-used-percent": "40", "x-codex-primary-reset-after-seconds": "600",
        "x-codex-primary-window-minutes": "300",
        "x-codex-secondary-used-percent": "100", "x-codex-secondary-reset-after-seconds": "86400",
        "x-codex-secondary-window-minutes": "10080",
    }  # fmt: skip
    scene = first_tried_first(world.scene(2, "openai"))
    scene.suffer(0, limited(**headers), times=1)
    status = scene.ask("hi", speaker=RESPONSES).status
    by = "the other account" if scene.calls == [1, 1] else str(scene.calls)
    (cooldown,) = scene.health()["cooldowns"]
    return f"{status} by {by}; {scene.left_s()} s by {cooldown['evidence']}"


@scenario(
    "5h window that will run out too soon",
    expected="background: 200 by the other, told to wait when both are short, 200 an hour before the reset;"
    " normal: 200; safe for an hour of background work: no; trace: quota_pacing",
)
def window_runs_short(world: World) -> str:
    """Background keys are held to the pace at which the window lasts; the others keep what is left."""
    window_s = 5 * HOUR
    now = int(time.time() + world.passed_s)
    world.let_pass(2 * window_s - now % window_s + 2.5 * HOUR)  # half of a window is over
    scene = first_tried_first(world.scene(2))
    batch = world.new_key(scene.group_id, priority="background")["key"]
    scene.suffer(0, "window_used=0.60", times=1)
    scene.ask("uses more than half of it")
    first = MESSAGES.ask(world.gateway, batch, "can wait")
    (passed,) = [
        one for one in scene.trace(first)["selections"][0]["candidates"]
        if one["account_id"] == scene.accounts[0]
    ]  # fmt: skip
    by = "the other" if scene.calls == [1, 1] else f"{scene.calls}"
    seen = world.gateway.api("GET", f"/admin/accounts/{scene.accounts[0]}/usage")["priorities"]
    scene.suffer(1, "window_used=0.72", times=1)
    MESSAGES.ask(world.gateway, batch, "the other one as well")
    both = MESSAGES.ask(world.gateway, batch, "must wait")
    wait_s = int(both.headers.get("retry-after", "0"))
    told = "told to wait" if both.status == 429 and 2_900 <= wait_s <= 3_000 else f"{both.status} {wait_s}"
    normal = scene.ask("somebody waits for it").status
    world.let_pass(1.5 * HOUR)
    later = MESSAGES.ask(world.gateway, batch, "the window has caught up").status
    return (
        f"background: {first.status} by {by}, {told} when both are short, {later} an hour before the reset;"
        f" normal: {normal}; safe for an hour of background work: {seen[1]['long_job']['safe']};"
        f" trace: {passed['evidence']['detail']}"
    )


@scenario(
    "Gemini daily quota",
    expected="200 by the other account; until 00:00 in Los Angeles",
)
def gemini_daily(world: World) -> str:
    scene = first_tried_first(world.scene(2, "gemini"))
    scene.suffer(0, {"status": 429, "message": "Quota exceeded: requests per day"}, times=1)
    status = scene.ask("hi", speaker=GEMINI).status
    by = "the other account" if scene.calls == [1, 1] else str(scene.calls)
    (cooldown,) = scene.health()["cooldowns"]
    ends = datetime.fromisoformat(cooldown["until"]).astimezone(ZoneInfo("America/Los_Angeles"))
    return f"{status} by {by}; until {ends:%H:%M} in Los Angeles"


@scenario(
    "clock set back during a cooldown",
    expected="cooling, then half_open; 200 healthy instead of two hours out; counted: 1",
)
def clock_set_back(world: World) -> str:
    world.let_pass(3 * HOUR)  # so that nobody's login lies in the future afterwards
    scene = world.scene()
    scene.suffer(0, "status=429 retry_after=60", times=1)
    scene.ask("limited")
    before, counted = scene.states, _jumps(world, "back")
    world.set_clock(-2 * HOUR)
    try:
        state = _state_within(scene, "half_open", 5)
        answer = scene.ask("again").status
        well = scene.states
    finally:
        jumps = _jumps(world, "back") - counted
        world.set_clock(2 * HOUR)
        _wait_for_jump(world)
    return f"{before}, then {state}; {answer} {well} instead of two hours out; counted: {jumps:.0f}"


@scenario(
    "clock set forward during a cooldown",
    expected="cooling, then half_open; one trial is refused: cooling again; calls: 2",
)
def clock_set_forward(world: World) -> str:
    """The cooldown seems over: one request tries, finds that it is not, and the others do not follow."""
    scene = world.scene()
    scene.suffer(0, f"status=429 retry_after={HOUR}", times=2)
    scene.ask("limited")
    before = scene.states
    world.set_clock(2 * HOUR)
    try:
        state = scene.states
        scene.ask("too early")
        again = scene.states
        scene.statuses([f"more {number}" for number in range(3)])
        calls = scene.calls[0]
    finally:
        world.set_clock(-2 * HOUR)
        _wait_for_jump(world)
    return f"{before}, then {state}; one trial is refused: {again} again; calls: {calls}"


@scenario(
    "limit that a running answer disproves",
    expected="429 for five hours; the answer under way: 200; then half_open; the next one: 200 healthy",
)
def limit_disproved(world: World) -> str:
    """A momentary refusal told the end of the window; an answer says that the window is open."""
    scene = world.scene()
    scene.suffer(0, "delay=0.7", times=1)
    scene.suffer(0, f"status=429 retry_after={5 * HOUR}", times=1)
    seen: list[int] = []
    running = threading.Thread(target=lambda: seen.append(scene.ask("under way").status))
    running.start()
    _wait_until(lambda: scene.calls == [1])
    refused = scene.ask("refused").status
    hours = "five hours" if scene.left_s() in range(5 * HOUR - 2, 5 * HOUR + 2) else f"{scene.left_s()} s"
    running.join()
    state = scene.states
    _wait_until(
        lambda: (
            scene.world.gateway.api("GET", f"/admin/accounts/{scene.accounts[0]}")["rate_limit_reset_at"]
            is None
        )
    )
    time.sleep(1.1)  # until the directory has read it
    next_one = f"{scene.ask('next').status} {scene.states}"
    return f"{refused} for {hours}; the answer under way: {seen[0]}; then {state}; the next one: {next_one}"


@scenario(
    "account that expires",
    expected="before: 3x200; after: 503, not called; with another account: 200",
)
def account_expires(world: World) -> str:
    ends = int(time.time() + world.passed_s) + HOUR
    scene = world.scene(account={"expires_at": ends, "auto_pause_on_expired": True})
    before = scene.statuses(["a", "b", "c"])
    world.let_pass(HOUR + 1)
    after = scene.ask("too late").status
    called = "not called" if scene.calls == [3] else f"called {scene.calls}"
    scene.add_account()
    return f"before: {before}; after: {after}, {called}; with another account: {scene.ask('new').status}"


def _state_within(scene: Scene, wanted: str, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while (state := scene.states) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return state


def _wait_until(holds: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)


def _jumps(world: World, direction: str) -> float:
    return world.metric(f'headgate_clock_jumps_total{{event="{direction}"}}')


def _wait_for_jump(world: World) -> None:
    """Until the gateway has seen the clock move: the next scenario shall not."""
    before, deadline = world.metric("headgate_clock_jumps_total"), time.monotonic() + 5
    while world.metric("headgate_clock_jumps_total") == before and time.monotonic() < deadline:
        time.sleep(0.1)
