"""Who holds my slots: exchanges, since when, and how many wait."""

import asyncio

import pytest

from headgate.storage.models import UsageIntentRow


async def hold(control, resource, owner, limit=5):
    return await control.deps.state.slots.try_acquire(resource, limit=limit, owner=owner)


async def open_call(control, exchange_id, *, user_id, attempt=0, account_id=3, model="claude-sonnet-4-5"):
    row = UsageIntentRow(
        exchange_id=exchange_id, attempt=attempt, process="p", user_id=user_id, key_id=7, group_id=1,
        account_id=account_id, dialect="anthropic_messages", endpoint="/v1/messages", client_model=model,
        upstream_model="u", is_stream=True, charge_multiplier=10_000, cost_multiplier=10_000,
        input_estimate=1, started_at_ms=1,
    )  # fmt: skip
    async with control.deps.uow() as uow:
        uow.session.add(row)


async def test_an_admin_sees_who_holds_an_accounts_slots(control):
    account = await control.add_account(concurrency=4)
    await hold(control, f"account:{account}", "x1")
    control.clock.advance(9)
    await hold(control, f"account:{account}", "x2")
    for attempt, tried in enumerate((1, account)):
        await open_call(control, "x1", user_id=5, attempt=attempt, account_id=tried)
    data = (await control.admin("GET", "/admin/slots", query={"resource": f"account:{account}"})).data
    assert (data["limit"], data["in_use"], data["waiting"]) == (4, 2, 0)
    first, second = data["holders"]
    assert (first["exchange_id"], first["held_s"], first["user_id"]) == ("x1", 9, 5)
    assert (first["account_id"], first["model"], first["key_id"]) == (account, "claude-sonnet-4-5", 7)
    assert (second["exchange_id"], second["held_s"], second["model"]) == ("x2", 0, None)


async def test_whoever_waits_is_counted(control):
    user = control.anna.user_id
    first = await hold(control, f"user:{user}", "x1", limit=1)
    slots = control.deps.state.slots
    second = asyncio.ensure_future(
        slots.acquire(f"user:{user}", limit=1, owner="x2", max_waiting=5, timeout_s=60)
    )
    await asyncio.sleep(0)
    data = (await control.admin("GET", "/admin/slots", query={"resource": f"user:{user}"})).data
    assert (data["in_use"], data["waiting"]) == (1, 1)
    await slots.release(first)
    await second


async def test_users_see_their_own_slots_and_no_accounts(control):
    await hold(control, f"user:{control.anna.user_id}", "of anna")
    await hold(control, f"user:{control.ben.user_id}", "of ben")
    await open_call(control, "of anna", user_id=control.anna.user_id)
    data = (await control.anna("GET", "/slots")).data
    (holder,) = data["holders"]
    assert (holder["exchange_id"], holder["key_id"]) == ("of anna", 7)
    assert not {"account_id", "user_id"} & set(holder)
    assert data["resource"] == f"user:{control.anna.user_id}"


@pytest.mark.parametrize(
    "resource", ["", "user", "user:0", "user:x", "balance:1", "user:1 ", "user:" + "9" * 20]
)
async def test_a_resource_that_is_none_is_refused(control, resource):
    assert (await control.admin("GET", "/admin/slots", query={"resource": resource})).status == 400


@pytest.mark.parametrize("resource", ["user:4711", "account:4711", "key:4711"])
async def test_slots_of_nobody_are_not_found(control, resource):
    assert (await control.admin("GET", "/admin/slots", query={"resource": resource})).status == 404


async def test_the_view_of_all_is_for_administration(control):
    assert (await control.anna("GET", "/admin/slots", query={"resource": "user:1"})).status == 403
    assert (await control.nobody("GET", "/slots")).status == 401


async def test_a_keys_slots_have_the_limit_of_the_key(control):
    await control.add_group()
    made = (await control.anna("POST", "/keys", {"name": "k", "concurrency": 2})).data
    await hold(control, f"key:{made['id']}", "x1", limit=2)
    data = (await control.admin("GET", "/admin/slots", query={"resource": f"key:{made['id']}"})).data
    assert (data["limit"], data["in_use"]) == (2, 1)


async def test_the_busiest_places_are_those_that_are_waited_for(control):
    account, idle = await control.add_account(concurrency=4), await control.add_account(concurrency=4)
    user = control.anna.user_id
    for owner in ("x1", "x2"):
        await hold(control, f"account:{account}", owner)
    first = await hold(control, f"user:{user}", "x1", limit=1)
    await open_call(control, "x1", user_id=user, account_id=account)
    slots = control.deps.state.slots
    second = asyncio.ensure_future(
        slots.acquire(f"user:{user}", limit=1, owner="x3", max_waiting=5, timeout_s=60)
    )
    await asyncio.sleep(0)
    seen = (await control.admin("GET", "/admin/slots/busy")).data
    assert [(each["resource"], each["in_use"], each["waiting"]) for each in seen] == [
        (f"user:{user}", 1, 1),
        (f"account:{account}", 2, 0),
    ]
    assert seen[1]["limit"] == 4
    assert f"account:{idle}" not in str(seen)
    assert len((await control.admin("GET", "/admin/slots/busy", query={"limit": "1"})).data) == 1
    await slots.release(first)
    await second


async def test_where_it_is_busy_is_for_administration(control):
    assert (await control.anna("GET", "/admin/slots/busy")).status == 403
