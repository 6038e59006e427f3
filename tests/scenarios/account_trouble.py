"""Accounts that fail: whose fault it is, what it means for the account, and how it comes back."""

import urllib.request
from typing import Any

from tests.e2e.speakers import MESSAGES_SSE
from tests.scenarios.registry import scenario
from tests.scenarios.world import Scene, World, tally

TEN = [f"conversation {number}" for number in range(10)]


def first_tried_first(scene: Scene) -> Scene:
    """The first account is preferred, so that every new conversation tries it."""
    change(scene, priority=1)
    return scene


def change(scene: Scene, number: int = 0, **fields: Any) -> None:
    path = f"/admin/accounts/{scene.accounts[number]}"
    gateway = scene.world.gateway
    if "credentials" in fields:
        fields["credentials"] = {**gateway.api("GET", path)["credentials"], **fields["credentials"]}
    gateway.api("PUT", path, fields)


@scenario(
    "dead OAuth account",
    expected="10x200; calls to the dead one: 1; states: down, healthy",
)
def dead_oauth_account(world: World) -> str:
    """A token that was revoked is tried once, also by requests that come within the same second."""
    scene = world.scene(0)
    scene.add_account(type="bearer", priority=1)
    scene.add_account()
    scene.suffer(0, "status=401")
    seen = scene.statuses(TEN)
    return f"{seen}; calls to the dead one: {scene.calls[0]}; states: {scene.states}"


@scenario(
    "account that fails its test", expected="403: down, not called any more; a test that works: healthy, 200"
)
def fails_its_test(world: World) -> str:
    """An operator tries the account out: what the provider says to that is believed."""
    scene = world.scene()
    path = f"{world.gateway.url}/api/v1/admin/accounts/{scene.accounts[0]}/test"
    headers = {"authorization": f"Bearer {world.gateway.admin_token}", "content-type": "application/json"}

    def tested() -> str:
        request = urllib.request.Request(path, b"{}", headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
        return scene.states

    scene.suffer(0, "status=403", times=1)
    refused, status = tested(), scene.ask("one").status
    called = "not called any more" if (status, scene.calls) == (503, [1]) else f"{status}, {scene.calls}"
    return f"403: {refused}, {called}; a test that works: {tested()}, {scene.ask('two').status}"


@scenario("dead account comes back", expected="before: 503 down; after one click: 200 healthy")
def dead_account_comes_back(world: World) -> str:
    scene = world.scene()
    scene.suffer(0, "status=401", times=1)
    scene.ask("it fails")
    before = f"{scene.ask('refused').status} {scene.states}"
    world.gateway.api("POST", f"/admin/accounts/{scene.accounts[0]}/recover-state")
    return f"before: {before}; after one click: {scene.ask('again').status} {scene.states}"


@scenario(
    "401, 402, 403 and a disabled organisation",
    expected="401: 200 down; 402: 200 down; 403: 200 down; 400: 200 down; 403 by both: 502 healthy, healthy",
)
def refusals_by_class(world: World) -> str:
    """Each marks the account that gave it, when another account answers the same request."""
    said = []
    faults: list[dict[str, Any]] = [{"status": status} for status in (401, 402, 403)]
    faults.append({"status": 400, "message": "This organization has been disabled."})
    for fault in faults:
        scene = first_tried_first(world.scene(2))
        scene.suffer(0, fault)
        said.append(f"{fault['status']}: {scene.ask('hi').status} {scene.health(0)['state']}")
    everybody = world.scene(2)
    for number in (0, 1):
        everybody.suffer(number, "status=403")
    said.append(f"403 by both: {everybody.ask('hi').status} {everybody.states}")
    return "; ".join(said)


@scenario(
    "flapping 529",
    expected="20x200; error marks: 0; at the end: healthy, healthy",
)
def flapping_529(world: World) -> str:
    """Overloaded every other time: avoided, never shut out, and well again with an answer."""
    scene = first_tried_first(world.scene(2))
    seen = []
    for number in range(20):
        if number % 2 == 0:
            scene.suffer(0, "status=529 retry_after=-1", times=1)
        seen.append(scene.ask(f"conversation {number}").status)
        world.let_pass(601)  # the overload is over: the account is tried again
    scene.heal()
    scene.ask("and now")
    marks = sum(scene.health(number)["state"] == "down" for number in (0, 1))
    return f"{tally(seen)}; error marks: {marks}; at the end: {scene.states}"


@scenario("overloaded and alone", expected="first 503, second 200; degraded, then healthy")
def overloaded_and_alone(world: World) -> str:
    """A group of one account does not go without service for ten minutes."""
    scene = world.scene()
    scene.suffer(0, "status=529 retry_after=-1", times=1)
    first, state = scene.ask("one").status, scene.states
    second = scene.ask("two").status
    return f"first {first}, second {second}; {state}, then {scene.states}"


@scenario(
    "503 of everybody for a moment",
    expected="200 after 3 calls, started over: 1; for longer: 502 after 4 calls; healthy, healthy",
)
def unavailable_for_a_moment(world: World) -> str:
    """When all have been tried and the last one said 503, all are tried once more after a pause."""
    scene, before = world.scene(2), world.metric('headgate_failovers_total{event="started_over"}')
    for number in (0, 1):
        scene.suffer(number, "status=503", times=1)
    status, calls = scene.ask("one").status, sum(scene.calls)
    counted = world.metric('headgate_failovers_total{event="started_over"}') - before
    for number in (0, 1):
        scene.suffer(number, "status=503")
    longer = f"{scene.ask('two').status} after {sum(scene.calls) - calls} calls"
    return f"{status} after {calls} calls, started over: {counted:.0f}; for longer: {longer}; {scene.states}"


@scenario(
    "slow but OK account",
    expected="60x200; the slow one answers less than half its share and is healthy",
)
def slow_but_ok(world: World) -> str:
    """Its slots are taken longer, so it is chosen less often; slowness alone is no illness."""
    scene = world.scene(3, account={"concurrency": 4})
    scene.suffer(0, "delay=0.3")
    texts = [f"c {number}" for number in range(60)]
    seen = tally(outcome.status for outcome in scene.storm(texts, speaker=MESSAGES_SSE, at_once=6))
    share = "less than half its share" if scene.calls[0] < 10 else f"{scene.calls[0]} of 60"
    return f"{seen}; the slow one answers {share} and is {scene.health(0)['state']}"


@scenario(
    "provider outage",
    expected="during: 6x502, error marks 0; after: 5x200, healthy, healthy, healthy",
)
def provider_outage(world: World) -> str:
    """Everything fails for a while; when it works again nobody has to click."""
    scene = world.scene(3)
    for number in range(3):
        scene.suffer(number, "status=500")
    during = scene.statuses([f"during {number}" for number in range(6)])
    marks = sum(scene.health(number)["state"] == "down" for number in range(3))
    scene.heal()
    world.let_pass(61)
    after = scene.statuses([f"after {number}" for number in range(5)])
    for number in range(3):  # an answer of each ends what is left
        scene.statuses([f"more {number} {again}" for again in range(3)])
    return f"during: {during}, error marks {marks}; after: {after}, {scene.states}"


@scenario(
    "provider unreachable",
    expected="5x200; cooling by unreachable for 10 s; when it listens again: healthy",
)
def unreachable(world: World) -> str:
    scene = first_tried_first(world.scene(2))
    key = {"api_key": scene.upstream_keys[0]}
    change(scene, credentials={**key, "base_url": "http://127.0.0.1:9"})
    seen = scene.statuses(TEN[:5])
    health = f"{scene.health(0)['state']} by {scene.causes()} for {scene.left_s()} s"
    change(scene, credentials={**key, "base_url": world.simulator.url})
    world.let_pass(11)
    scene.ask("again")
    return f"{seen}; {health}; when it listens again: {scene.health(0)['state']}"


@scenario(
    "answers that break off",
    expected="3 of 3 broken; then 5x200; states: degraded, healthy; cause: failing",
)
def broken_answers(world: World) -> str:
    """Streams that are cut after their first bytes count against their account."""
    scene = first_tried_first(world.scene(2))
    scene.suffer(0, "cut_after=3 events=8")
    broken = sum(
        b"message_stop" not in outcome.body
        for text in TEN[:3]
        for outcome in scene.storm([text], speaker=MESSAGES_SSE)
    )
    seen = scene.statuses([f"later {number}" for number in range(5)])
    return f"{broken} of 3 broken; then {seen}; states: {scene.states}; cause: {scene.causes()}"


@scenario(
    "overload inside a running answer",
    expected="the client is told in the stream; degraded by overloaded; the next one: 200 by the other",
)
def overload_in_stream(world: World) -> str:
    scene = first_tried_first(world.scene(2))
    scene.suffer(0, "error_after=3 events=8", times=1)
    (outcome,) = scene.storm(["one"], speaker=MESSAGES_SSE)
    told = "in the stream" if outcome.status == 200 and b"event: error" in outcome.body else "otherwise"
    health = f"{scene.health(0)['state']} by {scene.causes()}"
    status = scene.ask("two").status
    by = "the other" if scene.calls == [1, 1] else str(scene.calls)
    return f"the client is told {told}; {health}; the next one: {status} by {by}"


@scenario(
    "half-open account",
    expected="20x200; calls to the account under trial: 1; after its answer: healthy, healthy",
)
def half_open(world: World) -> str:
    """After a cooldown one request tries the account, all others go elsewhere."""
    scene = first_tried_first(world.scene(2))
    scene.suffer(0, "status=429 retry_after=60", times=1)
    scene.ask("it is limited")
    world.let_pass(61)
    before = scene.calls[0]
    scene.suffer(0, "delay=0.5", times=1)
    seen = tally(outcome.status for outcome in scene.storm([f"c {number}" for number in range(20)]))
    return (
        f"{seen}; calls to the account under trial: {scene.calls[0] - before};"
        f" after its answer: {scene.states}"
    )


@scenario(
    "stream-timeout policy",
    expected="silent streams: 2; cooling by temp_unschedulable for 300 s; others: 3x200",
)
def stream_timeout(world: World) -> str:
    """An account whose streams fall silent too often is taken out for a while."""
    path = "/admin/settings/stream-timeout"
    before = world.gateway.api("GET", path)
    policy = {"enabled": True, "threshold_count": 2, "temp_unsched_minutes": 5}
    world.gateway.api("PUT", path, {**before, **policy})
    try:
        scene = first_tried_first(world.scene(2))
        scene.suffer(0, "stall_after=2 events=8", times=2)
        silent = sum(b"message_stop" not in o.body for o in scene.storm(TEN[:2], speaker=MESSAGES_SSE))
        health = f"{scene.health(0)['state']} by {scene.causes()} for {scene.left_s()} s"
        return f"silent streams: {silent}; {health}; others: {scene.statuses(TEN[2:5])}"
    finally:
        world.gateway.api("PUT", path, before)


@scenario(
    "what is degraded is seen, and ends",
    expected="API: account_cooling at_its_time, account_error by_operator, group_without_account at_its_time;"
    " metrics: 1, 1, 1; after time and click: nothing",
)
def degradations_are_seen(world: World) -> str:
    """In the management API and in the metrics that alerts are made of."""
    scene = world.scene(2)
    for number, fault in enumerate(("status=429 retry_after=600", "status=401")):
        scene.suffer(number, fault, times=1)
    before = _degraded(world)
    scene.ask("both refuse")
    found = [row for row in world.gateway.api("GET", "/admin/degradations") if _concerns(row, scene)]
    said = sorted(f"{row['kind']} {row['ends']}" for row in found)
    grown = ", ".join(f"{now - then:.0f}" for now, then in zip(_degraded(world), before, strict=True))
    world.let_pass(601)
    world.gateway.api("POST", f"/admin/accounts/{scene.accounts[1]}/recover-state")
    scene.statuses(TEN[:4])
    left = [row["kind"] for row in world.gateway.api("GET", "/admin/degradations") if _concerns(row, scene)]
    return f"API: {', '.join(said)}; metrics: {grown}; after time and click: {', '.join(left) or 'nothing'}"


def _concerns(row: dict[str, Any], scene: Scene) -> bool:
    return row["account_id"] in scene.accounts or row["group_id"] == scene.group_id


def _degraded(world: World) -> list[float]:
    kinds = ("account_cooling", "account_error", "group_without_account")
    return [world.metric(f'headgate_degradations{{kind="{kind}"}}') for kind in kinds]
