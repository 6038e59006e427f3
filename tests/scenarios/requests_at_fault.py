"""Requests, options and identifiers that are at fault themselves: nobody else suffers for them."""

from tests.e2e.speakers import MESSAGES
from tests.scenarios.account_trouble import TEN, first_tried_first
from tests.scenarios.registry import scenario
from tests.scenarios.world import World, tally


@scenario(
    "poison request",
    expected="5x502; tried everywhere once, then in one place: 8 calls; nobody cooled; others: 200",
)
def poison_request(world: World) -> str:
    """One request that makes every account fail cools none of them."""
    scene = world.scene(4)
    for number in range(4):
        scene.suffer(number, "status=500")
    seen = [scene.ask("poison").status for _ in range(5)]
    calls, states = sum(scene.calls), set(scene.states.split(", "))
    scene.heal()
    cooled = "nobody cooled" if states == {"healthy"} else f"cooled: {states}"
    other = scene.ask("another").status
    return (
        f"{tally(seen)}; tried everywhere once, then in one place: {calls} calls; {cooled}; others: {other}"
    )


@scenario(
    "prompt too long, with a fallback group",
    expected="200 by the group for it, said in the answer; charged there; a short one: 200 by its own",
)
def prompt_too_long(world: World) -> str:
    small, large = world.scene(), world.scene()
    named = {"fallback_group_id_on_invalid_request": large.group_id}
    world.gateway.api("PUT", f"/admin/groups/{small.group_id}", named)
    said = "prompt is too long: 213000 tokens > 200000 maximum"
    small.suffer(0, {"status": 400, "message": said}, times=1)
    answer = small.ask("a long story")
    by = "the group for it" if large.calls == [1] else "?"
    is_said = answer.headers.get("x-headgate-group-fallback") == "prompt_too_long"
    paid = [row["group_id"] for row in world.gateway.usage(api_key_id=small.key_id) if row["actual_cost"] > 0]
    charged = "there" if paid == [large.group_id] else str(paid)
    short = small.ask("a short one").status
    own = "its own" if small.calls == [2] else str(small.calls)
    return (
        f"{answer.status} by {by}, {'said' if is_said else 'not said'} in the answer; charged {charged};"
        f" a short one: {short} by {own}"
    )


@scenario(
    "model that one account lacks",
    expected="10x200; calls to it: 1; its other models: 200 by it",
)
def model_missing(world: World) -> str:
    scene = first_tried_first(world.scene(2))
    scene.suffer(0, {"status": 404, "message": "model: claude-sonnet-4-6"}, times=1)
    seen = scene.statuses(TEN)
    calls = scene.calls[0]
    status = scene.ask("another model", model="claude-haiku-4-5").status
    by = "it" if scene.calls[0] == calls + 1 else "another"
    return f"{seen}; calls to it: {calls}; its other models: {status} by {by}"


@scenario(
    "temp-unschedulable rules",
    expected="200; cooling by temp_unschedulable for 1800 s; without the word: healthy; 401 again: down",
)
def temporary_rules(world: World) -> str:
    rules = [
        {"error_code": 503, "keywords": ["MAINTENANCE"], "duration_minutes": 30},
        {"error_code": 401, "keywords": ["credentials"], "duration_minutes": 10},
    ]
    options = {"temp_unschedulable_enabled": True, "temp_unschedulable_rules": rules}
    scene = world.scene(2, account={"credentials": options})
    scene = first_tried_first(scene)
    scene.suffer(0, {"status": 503, "message": "down for maintenance"}, times=1)
    status = scene.ask("one").status
    health = f"{scene.health(0)['state']} by {scene.causes()} for {scene.left_s()} s"
    other = first_tried_first(world.scene(2, account={"credentials": options}))
    other.suffer(0, {"status": 503, "message": "no idea"}, times=1)
    other.ask("one")
    without = other.health(0)["state"]
    other.suffer(0, "status=401")
    other.ask("two")
    world.let_pass(601)
    other.ask("three")
    return f"{status}; {health}; without the word: {without}; 401 again: {other.health(0)['state']}"


@scenario(
    "custom error codes",
    expected="429, not listed: 200 healthy; 418, listed: 200 down, Custom error code 418...teapot...",
)
def custom_error_codes(world: World) -> str:
    options = {"custom_error_codes_enabled": True, "custom_error_codes": [418]}
    scene = first_tried_first(world.scene(2, account={"credentials": options}))
    scene.suffer(0, "status=429 retry_after=600", times=1)
    unlisted = f"{scene.ask('one').status} {scene.health(0)['state']}"
    scene.suffer(0, {"status": 418, "message": "teapot"}, times=1)
    listed = f"{scene.ask('two').status} {scene.health(0)['state']}"
    said = scene.health(0)["error_message"]
    short = said if "teapot" not in said else f"{said[:21]}...teapot..."
    return f"429, not listed: {unlisted}; 418, listed: {listed}, {short}"


@scenario(
    "pool mode",
    expected="200 after 2 more tries; healthy, nothing on the timeline; always refused: 502 after 4 tries",
)
def pool_mode(world: World) -> str:
    """An account that is a pool of its own is tried again, half a second apart, and bears nothing."""
    scene = world.scene(account={"credentials": {"pool_mode": True, "pool_mode_retry_count": 3}})
    scene.suffer(0, "status=401", times=2)
    status = scene.ask("one").status
    tries = scene.calls[0] - 1
    nothing = "nothing" if scene.health()["timeline"] == [] else "something"
    scene.suffer(0, "status=403")
    refused = scene.ask("two").status
    more = scene.calls[0] - tries - 1
    return (
        f"{status} after {tries} more tries; {scene.states}, {nothing} on the timeline;"
        f" always refused: {refused} after {more} tries"
    )


@scenario(
    "malformed session ids",
    expected="6x200; none of them in the log; again with one key: sticky, with another key of the group: not",
)
def malformed_sessions(world: World) -> str:
    """Long, binary, empty, hostile, shared between users: hashed, and never taken at their word."""
    scene = world.scene(2)
    shared = "11111111-2222-3333-4444-555555555555"
    odd = ["x" * 4000, "\xff\xfe\x80\x9d", "a;b=c,d'\"<script>", "../../etc/passwd", " ", shared]
    seen = [scene.ask(f"odd {at}", headers={"x-session-id": value}).status for at, value in enumerate(odd)]
    log = world.gateway.log_file.read_text(errors="replace")
    logged = "some" if any(value in log for value in odd if value != " ") else "none"
    stuck = []
    for key in (scene.key, world.new_key(scene.group_id)["key"]):
        scene.key = key
        told = scene.trace(scene.ask("a", headers={"x-session-id": shared}))
        stuck.append("sticky" if told["session"]["sticky"] else "not")
    return (
        f"{tally(seen)}; {logged} of them in the log;"
        f" again with one key: {stuck[0]}, with another key of the group: {stuck[1]}"
    )


@scenario(
    "routing to accounts that are gone",
    expected="5x200; said in the log: 1 time",
)
def routing_to_nobody(world: World) -> str:
    """Model routing that names an account which was deleted since is ignored, and said once."""
    scene = world.scene(3)
    body = {"model_routing": {"claude-*": scene.accounts[:1]}, "model_routing_enabled": True}
    world.gateway.api("PUT", f"/admin/groups/{scene.group_id}", body)
    world.gateway.api("DELETE", f"/admin/accounts/{scene.accounts[0]}")
    seen = scene.statuses(TEN[:5])
    said = [line for line in world.log_lines("model_route_lost") if line["group_id"] == scene.group_id]
    return f"{seen}; said in the log: {len(said)} time"


@scenario(
    "rules with bad shapes",
    expected="8 of 8 refused with INVALID_INPUT; patterns that match nothing: 200",
)
def rules_with_bad_shapes(world: World) -> str:
    """Options that cannot be understood are refused by name; patterns are no regular expressions."""
    rule = {"error_code": 503, "keywords": ["x"], "duration_minutes": 1}
    wrong: list[dict[str, object]] = [
        {"temp_unschedulable_rules": "all"},
        {"temp_unschedulable_rules": [{**rule, "error_code": "5.."}]},
        {"temp_unschedulable_rules": [{**rule, "keywords": ["("] * 51}]},
        {"temp_unschedulable_rules": [{**rule, "duration_minutes": -1}]},
        {"custom_error_codes": ["4[0-9]{2}"]},
        {"custom_error_codes": [10**9]},
        {"pool_mode_retry_count": "many"},
        {"model_mapping": {"cl*de*": "x*"}},
    ]
    scene = world.scene()
    path = f"/admin/accounts/{scene.accounts[0]}"
    own = world.gateway.api("GET", path)["credentials"]
    refused = 0
    for options in wrong:
        status, reason = world.refusal("PUT", path, {"credentials": {**own, **options}})
        refused += (status, reason) == (400, "INVALID_INPUT")
    routes = {"model_routing": {"(claude|gpt[": [scene.accounts[0]]}, "model_routing_enabled": True}
    world.refusal("PUT", f"/admin/groups/{scene.group_id}", routes)
    status = scene.ask("hi", speaker=MESSAGES).status
    return f"{refused} of 8 refused with INVALID_INPUT; patterns that match nothing: {status}"
