"""Taking an account: the selection on live facts, with a real slot, and the reasons on record."""

import asyncio

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.ids import AccountId, GroupId, SessionKey
from headgate.core.limits.budget import NO_BUDGET, Need
from headgate.core.pricing.cost import Quote
from headgate.core.routing.failover import FailoverPlan
from headgate.core.routing.stickiness import Home
from headgate.core.usage import TokenUsage
from headgate.kit.clock import FakeClock
from headgate.kit.tasks import TaskOwner
from headgate.relay.account_gate import AccountGate
from headgate.relay.account_quotas import AccountQuotas
from headgate.relay.candidate_pool import slot_of
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange
from headgate.relay.picker import Picked, Picker
from headgate.relay.probes import LOOK_AGAIN_S, NO_TRIAL, TRIAL_S, Probes
from headgate.relay.quota_watch import QuotaWatch
from headgate.relay.reserver import Reserver
from headgate.relay.slot_queue import SlotQueue
from headgate.relay.track_records import TrackRecords
from headgate.settings import GatewaySettings, LimitsSettings
from headgate.state.protocols import Cooldown, SharedState
from headgate.storage.models import AccountRow, GroupRow
from headgate.storage.read_model import ReadModel
from tests.relay.conftest import Change
from tests.relay.people import MODEL, Client, exchange_for

SESSION = SessionKey("conversation")
CUT = Fault(kind=FaultKind.UPSTREAM_ERROR, message="boom")


@pytest.fixture
def watch(state: SharedState, clock: FakeClock) -> QuotaWatch:
    return QuotaWatch(state.quota_windows, clock)


@pytest.fixture
def picker(
    directory: Directory, state: SharedState, read_model: ReadModel, clock: FakeClock, tasks: TaskOwner,
    gate: AccountGate, watch: QuotaWatch,
) -> Picker:  # fmt: skip
    limits = GatewaySettings(account_wait_timeout_s=5, sticky_wait_timeout_s=5)
    reserver = Reserver(state.reservations, read_model, clock, LimitsSettings())
    quotas = AccountQuotas(reserver, state.reservations, clock)
    records = TrackRecords(clock)
    probes, queue = Probes(state.locks, clock), SlotQueue(state.slots, tasks)
    return Picker(directory, state, queue, clock, quotas, gate, records, probes, watch, limits)


def plan() -> FailoverPlan:
    return FailoverPlan(max_switches=3, max_same_account_retries=1)


def asking(name: str = "x1", client: Client | None = None) -> Exchange:
    return exchange_for(client, name=name)


async def cool(state: SharedState, clock: FakeClock, account: int, seconds: int = 60) -> None:
    until = clock.now_ms() + seconds * 1000
    await state.cooldowns.set(
        Cooldown(account_id=AccountId(account), model="", until_ms=until, reason="rate_limited", evidence="h")
    )


async def only_one_slot(change: Change, directory: Directory) -> None:
    """Account 1 alone, with one slot."""
    await change(update(AccountRow).where(AccountRow.id == 2).values(schedulable=False))
    await change(update(AccountRow).where(AccountRow.id == 1).values(concurrency=1))
    await directory.refresh()


async def test_the_picked_account_has_its_slot_taken(picker: Picker, state: SharedState) -> None:
    picked = await picker.pick(asking(), plan())
    name = slot_of(picked.account.id)
    assert picked.lease is not None
    assert [owner for owner, _ in await state.slots.holders(name)] == ["x1"]


async def test_load_is_spread_over_the_accounts(picker: Picker) -> None:
    picked = [await picker.pick(asking(f"x{number}"), plan()) for number in range(4)]
    assert sorted(one.account.id for one in picked) == [1, 1, 2, 2]


async def test_a_conversation_returns_to_its_account(picker: Picker, state: SharedState) -> None:
    for account in (1, 2):
        await state.affinity.bind(SESSION, Home(AccountId(account)), ttl_s=60)
        exchange = asking()
        exchange.session = SESSION
        assert (await picker.pick(exchange, plan())).account.id == account


async def test_a_conversation_stays_where_it_was_answered(picker: Picker, state: SharedState) -> None:
    exchange = asking()
    exchange.session = SESSION
    await picker.stick(exchange, AccountId(2))
    assert await state.affinity.get(SESSION) == Home(AccountId(2))


async def living_at_a_full_account(
    picker: Picker, state: SharedState, directory: Directory, clock: FakeClock, *, tokens: int
) -> Exchange:
    """A conversation with a cache at account 1, all of whose slots are taken."""
    home = Home(AccountId(1), tokens, clock.now_ms() + 60_000, MODEL)
    await state.affinity.bind(SESSION, home, ttl_s=60)
    account = directory.account(AccountId(1))
    assert account is not None
    for number in range(account.concurrency):
        await state.slots.try_acquire(slot_of(account.id), limit=account.concurrency, owner=f"other{number}")
    exchange = asking()
    exchange.session = SESSION
    quote = directory.prices.quote(MODEL, at_ms=clock.now_ms())
    assert isinstance(quote, Quote)
    exchange.quote = quote
    return exchange


async def test_a_small_cache_is_not_queued_for(
    picker: Picker, state: SharedState, directory: Directory, clock: FakeClock
) -> None:
    exchange = await living_at_a_full_account(picker, state, directory, clock, tokens=100)
    assert (await picker.pick(exchange, plan())).account.id == 2
    (choice,) = (line for line in exchange.trace.facts["selections"][0] if line["account_id"] == 2)
    assert (choice["stickiness"]["cause"], choice["stickiness"]["compared_with"]) == ("queueing", 2)


async def test_a_quota_window_that_runs_short_is_spared_when_the_cache_is_worth_less(
    picker: Picker, state: SharedState, directory: Directory, clock: FakeClock, watch: QuotaWatch
) -> None:
    need = Need(
        budget=NO_BUDGET, fixed_nano=10**9, output_nano_per_mtok=0, wanted_tokens=0, plenty_tokens=0,
        floor_tokens=0,
    )  # fmt: skip
    resets = clock.now_ms() // 1000 + 3 * 3600  # two hours have used 90 %
    headers = {
        "anthropic-ratelimit-unified-5h-utilization": "0.9",
        "anthropic-ratelimit-unified-5h-reset": str(resets),
        "anthropic-ratelimit-unified-5h-status": "allowed",
    }
    account = directory.account(AccountId(1))
    assert account is not None
    for tokens, served_by in ((1_000_000, 1), (100, 2)):
        await state.affinity.bind(
            SESSION, Home(AccountId(1), tokens, clock.now_ms() + 60_000, MODEL), ttl_s=60
        )
        assert watch.look(account, headers) or served_by == 2
        exchange = asking(f"x{tokens}")
        exchange.session, exchange.need = SESSION, need
        quote = directory.prices.quote(MODEL, at_ms=clock.now_ms())
        assert isinstance(quote, Quote)
        exchange.quote = quote
        assert (await picker.pick(exchange, plan())).account.id == served_by
    choice = exchange.trace.facts["selections"][0][0]
    assert (choice["account_id"], choice["stickiness"]["cause"]) == (2, "scarcity")


async def test_a_large_cache_is_queued_for(
    picker: Picker, state: SharedState, directory: Directory, clock: FakeClock
) -> None:
    exchange = await living_at_a_full_account(picker, state, directory, clock, tokens=200_000)
    waiting = asyncio.ensure_future(picker.pick(exchange, plan()))
    while not (await state.slots.load([slot_of(AccountId(1))]))[slot_of(AccountId(1))].waiting:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_an_answer_tells_how_much_is_cached_at_the_account(
    picker: Picker, state: SharedState, clock: FakeClock
) -> None:
    exchange = asking()
    exchange.session = SESSION
    exchange.used, exchange.used_model = TokenUsage(input=5, cache_read=7_000, cache_write_5m=300), MODEL
    await picker.stick(exchange, AccountId(2))
    assert await state.affinity.get(SESSION) == Home(AccountId(2), 7_300, clock.now_ms() + 300_000, MODEL)


async def test_a_response_is_continued_where_it_was_made_wherever_the_conversation_went(
    picker: Picker, state: SharedState
) -> None:
    for made_by, moved_to in ((1, 2), (2, 1)):
        exchange = asking(f"x{made_by}")
        exchange.session = SESSION
        exchange.response_id = "resp_1"
        await picker.stick(exchange, AccountId(made_by))
        await state.affinity.bind(SESSION, Home(AccountId(moved_to)), ttl_s=60)
        exchange.peek = replace(exchange.peek, previous_response_id="resp_1")
        assert (await picker.pick(exchange, plan())).account.id == made_by
        assert exchange.trace.facts["session_rule"] == "previous_response_id"


async def carrying(picker: Picker, name: str, *, minted_at: int) -> Exchange:
    """A request of a new conversation with thinking that an account has signed before."""
    before = asking(f"{name}-before")
    before.minted = ("older", "state")
    await picker.stick(before, AccountId(minted_at))
    exchange = asking(name)
    exchange.session = SESSION
    exchange.peek = replace(exchange.peek, opaque_state="state")
    return exchange


async def test_signed_thinking_goes_to_the_account_that_signed_it(picker: Picker) -> None:
    for account in (1, 2, 1):
        exchange = await carrying(picker, f"x{account}", minted_at=account)
        assert (await picker.pick(exchange, plan())).account.id == account
        assert "degraded" not in exchange.trace.facts


async def test_signed_thinking_that_goes_elsewhere_is_a_visible_state_that_ends_by_itself(
    picker: Picker, state: SharedState, clock: FakeClock
) -> None:
    await cool(state, clock, 1)
    exchange = await carrying(picker, "x", minted_at=1)
    assert (await picker.pick(exchange, plan())).account.id == 2
    assert exchange.trace.facts["degraded"] == {
        "what": "opaque_state", "minted_by": 1, "served_by": 2, "because": "cooling_down",
    }  # fmt: skip
    assert (b"x-headgate-degraded", b"opaque_state") in exchange.announced
    await picker.stick(exchange, AccountId(2))
    assert (picker.degraded.now(), dict(picker.degraded.counts())) == (1, {"opaque_state": 1})
    whole = await carrying(picker, "y", minted_at=2)
    await picker.pick(whole, plan())
    await picker.stick(whole, AccountId(2))
    assert picker.degraded.now() == 0
    await picker.stick(exchange, AccountId(2))
    clock.advance(601)
    assert picker.degraded.now() == 0


@pytest.mark.parametrize(("moved_from", "cause"), [(None, "gone"), (GroupId(9), "group_fallback")])
async def test_a_home_outside_the_group_is_told_from_one_that_another_group_left(
    picker: Picker, state: SharedState, moved_from: GroupId | None, cause: str
) -> None:
    await state.affinity.bind(SESSION, Home(AccountId(77)), ttl_s=60)
    exchange = asking()
    exchange.session, exchange.moved_from = SESSION, moved_from
    await picker.pick(exchange, plan())
    assert exchange.moved_because == cause


async def test_thinking_of_unknown_origin_follows_its_conversation(
    picker: Picker, state: SharedState
) -> None:
    await state.affinity.bind(SESSION, Home(AccountId(2)), ttl_s=60)
    exchange = asking()
    exchange.session = SESSION
    exchange.peek = replace(exchange.peek, opaque_state="never seen")
    assert (await picker.pick(exchange, plan())).account.id == 2
    assert exchange.minted_by is None


async def test_a_response_that_nobody_remembers_follows_its_conversation(
    picker: Picker, state: SharedState
) -> None:
    await state.affinity.bind(SESSION, Home(AccountId(2)), ttl_s=60)
    exchange = asking()
    exchange.session = SESSION
    exchange.peek = replace(exchange.peek, previous_response_id="resp_unknown")
    assert (await picker.pick(exchange, plan())).account.id == 2


async def test_an_account_that_failed_is_not_offered_again(picker: Picker) -> None:
    failed = plan()
    failed.after(AccountId(1), CUT, response_started=False)
    assert (await picker.pick(asking(), failed)).account.id == 2


async def test_a_cooling_account_is_left_alone(picker: Picker, state: SharedState, clock: FakeClock) -> None:
    await cool(state, clock, 1)
    assert {(await picker.pick(asking(f"x{n}"), plan())).account.id for n in range(3)} == {2}


async def test_when_everybody_cools_the_client_hears_why_and_when(
    picker: Picker, state: SharedState, clock: FakeClock
) -> None:
    await cool(state, clock, 1, 60)
    await cool(state, clock, 2, 30)
    with pytest.raises(RelayError) as caught:
        await picker.pick(asking(), plan())
    assert (caught.value.fault.kind, caught.value.fault.retry_after_s) == (FaultKind.NO_ACCOUNT, 30)


async def test_when_everybody_failed_the_client_hears_the_last_failure(picker: Picker) -> None:
    failed = plan()
    for account in (1, 2):
        failed.after(AccountId(account), CUT, response_started=False)
    with pytest.raises(RelayError) as caught:
        await picker.pick(asking(), failed)
    assert caught.value.fault is CUT


async def test_a_model_that_no_account_serves_is_not_found(
    picker: Picker, change: Change, directory: Directory
) -> None:
    await change(update(AccountRow).values(credentials_open={"model_mapping": {"other": "other"}}))
    await directory.refresh()
    with pytest.raises(RelayError) as caught:
        await picker.pick(asking(), plan())
    assert caught.value.fault.kind is FaultKind.MODEL_NOT_FOUND


async def route_models(change: Change, directory: Directory, routes: dict[str, list[int]]) -> None:
    await change(update(GroupRow).values(model_routing=routes, model_routing_enabled=True))
    await directory.refresh()


def asking_by(directory: Directory, name: str = "x1") -> Exchange:
    """With the group as the directory has it now."""
    exchange = asking(name)
    group = directory.group(exchange.caller.group.id)
    assert group is not None
    exchange.caller = replace(exchange.caller, group=group)
    return exchange


async def test_the_groups_model_routing_decides(picker: Picker, change: Change, directory: Directory) -> None:
    await route_models(change, directory, {"claude-*": [2], "claude-opus-*": [1]})
    for name in ("x1", "x2"):
        exchange = asking_by(directory, name)
        assert (await picker.pick(exchange, plan())).account.id == 2
        assert exchange.trace.facts["model_route"] == "claude-*"
        reasons = [line.get("reason") for line in exchange.trace.facts["selections"][0]]
        assert reasons == [None, "not_routed"]


async def test_a_route_to_nobody_is_ignored_and_a_model_that_nobody_serves_stays_unknown(
    picker: Picker, change: Change, directory: Directory
) -> None:
    await route_models(change, directory, {"*": [99]})
    exchange = asking_by(directory)
    await picker.pick(exchange, plan())
    assert {"account_id": 99, "outcome": "rejected", "reason": "gone"} in exchange.trace.facts["selections"][
        0
    ]
    await change(update(AccountRow).values(credentials_open={"model_mapping": {"other": "other"}}))
    await directory.refresh()
    with pytest.raises(RelayError) as caught:
        await picker.pick(asking_by(directory, "x2"), plan())
    assert caught.value.fault.kind is FaultKind.MODEL_NOT_FOUND


async def scored(change: Change, directory: Directory) -> None:
    await change(update(GroupRow).values(scheduling_policy="scored"))
    await directory.refresh()


async def test_a_scored_group_shows_every_term_of_every_account(
    picker: Picker, change: Change, directory: Directory
) -> None:
    await scored(change, directory)
    exchange = asking_by(directory)
    await picker.pick(exchange, plan())
    lines = exchange.trace.facts["selections"][0]
    assert [line["score"]["total"] for line in lines] == [3.75, 3.75]
    assert lines[1]["reason"] == "not_drawn"


async def test_the_draw_of_a_scored_group_repeats_within_a_conversation(
    picker: Picker, change: Change, directory: Directory
) -> None:
    await scored(change, directory)
    picked = []
    for number in range(12):
        exchange = asking_by(directory, f"x{number}")
        exchange.session = SessionKey(f"conversation {number // 2}")
        picked.append((await picker.pick_without_slot(exchange, plan())).account.id)
    assert picked[::2] == picked[1::2]
    assert set(picked) == {1, 2}


async def test_the_upstream_model_comes_from_the_accounts_mapping(
    picker: Picker, change: Change, directory: Directory
) -> None:
    await change(update(AccountRow).values(credentials_open={"model_mapping": {"mine": "theirs"}}))
    await directory.refresh()
    exchange = asking()
    exchange.peek = replace(exchange.peek, model="mine")
    assert (await picker.pick(exchange, plan())).upstream_model == "theirs"


async def test_when_all_slots_are_taken_the_next_waits_for_one(
    picker: Picker, state: SharedState, change: Change, directory: Directory, tasks: TaskOwner
) -> None:
    await only_one_slot(change, directory)
    first = await picker.pick(asking("first"), plan())
    second = tasks.spawn(picker.pick(asking("second"), plan()), name="second")
    await asyncio.sleep(0.02)
    assert not second.done()
    assert first.lease is not None
    await state.slots.release(first.lease)
    assert (await second).lease is not None


async def test_a_client_that_leaves_while_it_waits_for_an_account_is_gone(
    picker: Picker, change: Change, directory: Directory, tasks: TaskOwner
) -> None:
    await only_one_slot(change, directory)
    await picker.pick(asking("first"), plan())
    client = Client()
    waiting = tasks.spawn(picker.pick(asking("second", client), plan()), name="second")
    await asyncio.sleep(0.02)
    client.leave()
    with pytest.raises(RelayError) as caught:
        await waiting
    assert caught.value.fault.kind is FaultKind.CLIENT_GONE


async def test_what_costs_nothing_takes_no_slot_and_waits_for_none(
    picker: Picker, change: Change, directory: Directory
) -> None:
    await only_one_slot(change, directory)
    await picker.pick(asking("first"), plan())
    assert (await picker.pick_without_slot(asking("second"), plan())).lease is None


async def test_the_same_account_is_taken_again_only_with_a_free_slot(
    picker: Picker, state: SharedState, change: Change, directory: Directory
) -> None:
    await only_one_slot(change, directory)
    first: Picked = await picker.pick(asking(), plan())
    assert await picker.take(asking(), first) is None
    assert first.lease is not None
    await state.slots.release(first.lease)
    again = await picker.take(asking(), first)
    assert again is not None
    assert again.account.id == first.account.id


async def test_a_retry_at_the_account_that_minted_the_state_is_at_home_there(
    picker: Picker, state: SharedState, change: Change, directory: Directory
) -> None:
    extra = {"base_rpm": 1, "rpm_strategy": "sticky_exempt"}
    await change(update(AccountRow).where(AccountRow.id == 1).values(extra=extra))
    await directory.refresh()
    await state.affinity.bind(SESSION, Home(AccountId(2)), ttl_s=60)
    exchange = await carrying(picker, "x", minted_at=1)
    first = await picker.pick(exchange, plan())
    assert first.account.id == 1
    again = await picker.take(exchange, first)
    assert again is not None, "whoever is at home has no limit there"
    assert again.account.id == 1


async def test_the_trace_says_who_was_chosen(picker: Picker) -> None:
    exchange = asking()
    picked = await picker.pick(exchange, plan())
    (noted,) = exchange.trace.facts["selections"]
    assert str(picked.account.id) in str(noted)


async def cooled_and_over(change: Change, directory: Directory, state: SharedState, clock: FakeClock) -> None:
    """Account 1 alone, half-open."""
    await change(update(AccountRow).where(AccountRow.id == 2).values(schedulable=False))
    await directory.refresh()
    await cool(state, clock, 1)
    clock.advance(61)


async def test_after_a_cooldown_one_request_tries_the_account_and_others_go_elsewhere(
    picker: Picker, state: SharedState, clock: FakeClock
) -> None:
    await cool(state, clock, 1)
    clock.advance(61)
    picked = [await picker.pick(asking(f"x{n}"), plan()) for n in range(3)]
    trying = [p for p in picked if p.trial is not NO_TRIAL]
    assert [p.account.id for p in trying] == [1], "three free slots, one trial"


async def test_where_nobody_else_is_left_the_others_wait_for_the_verdict(
    picker: Picker, change: Change, directory: Directory, state: SharedState, clock: FakeClock
) -> None:
    await cooled_and_over(change, directory, state, clock)
    first = await picker.pick(asking("x1"), plan())
    second = asyncio.create_task(picker.pick(asking("x2"), plan()))
    await asyncio.sleep(0.01)
    assert not second.done()
    await state.cooldowns.clear(AccountId(1))  # the first one was answered
    clock.advance(LOOK_AGAIN_S + 0.01)
    assert (await second).trial is NO_TRIAL
    assert first.trial.lock is not None


async def test_a_trial_that_hangs_shuts_nobody_out(
    picker: Picker, change: Change, directory: Directory, state: SharedState, clock: FakeClock
) -> None:
    await cooled_and_over(change, directory, state, clock)
    await picker.pick(asking("x1"), plan())
    second = asyncio.create_task(picker.pick(asking("x2"), plan()))
    await asyncio.sleep(0.01)
    clock.advance(TRIAL_S + 1)
    assert (await second).account.id == 1


async def test_a_group_whose_accounts_are_all_at_a_limit_says_429_and_when(
    picker: Picker, change: Change, directory: Directory
) -> None:
    await change(update(AccountRow).values(extra={"base_rpm": 1}))
    await directory.refresh()
    first, second = [await picker.pick(exchange_for(), plan()) for _ in range(2)]
    assert {first.account.id, second.account.id} == {1, 2}, "the other account when one is at its limit"
    with pytest.raises(RelayError) as refused:
        await picker.pick(exchange_for(), plan())
    fault = refused.value.fault
    assert (fault.kind, fault.code) == (FaultKind.RATE_LIMITED, "account_limits_reached")
    assert fault.retry_after_s is not None
    assert 1 <= fault.retry_after_s <= 60
