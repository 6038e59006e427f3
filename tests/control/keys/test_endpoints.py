"""A user's own keys (spec 1.5, 7.12)."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from headgate.core.limits.rate_limit import RateLimit
from headgate.storage.models import ApiKeyRow, LedgerEntryRow
from headgate.storage.read_model import ReadModel


async def create(caller, *, headers=None, **fields):
    return await caller("POST", "/keys", {"name": "k"} | fields, headers=headers or {})


async def change_row(control, key_id, **columns):
    async with control.deps.uow() as uow:
        row = await uow.session.get(ApiKeyRow, key_id)
        for name, value in columns.items():
            setattr(row, name, value)


async def test_the_key_is_shown_once_and_opens_the_data_plane(control, engine):
    answer = await create(control.anna)
    key = answer.data["key"]
    assert answer.status == 201
    assert key.startswith("sk-")
    assert len(key) == 3 + 64
    shown = (await control.anna("GET", f"/keys/{answer.data['id']}")).data["key"]
    assert shown == f"{key[:6]}…{key[-4:]}"
    found = await ReadModel(engine, control.deps.vault).load_key(control.deps.vault.key_hash(key))
    assert found is not None
    assert found[0].id == answer.data["id"]


async def test_only_a_hash_is_stored(control):
    key = (await create(control.anna)).data["key"]
    async with control.deps.uow() as uow:
        row = (await uow.session.scalars(select(ApiKeyRow))).one()
        assert key not in repr([getattr(row, column.key) for column in ApiKeyRow.__table__.columns])


async def test_a_key_has_the_contract_s_fields(control):
    data = (
        await create(control.anna, quota=5, expires_in_days=2, rate_limit_5h=1.5, ip_whitelist=["10.0.0.0/8"])
    ).data
    assert (data["quota"], data["quota_used"], data["rate_limit_5h"], data["usage_5h"]) == (5, 0, 1.5, 0)
    assert data["ip_whitelist"] == ["10.0.0.0/8"]
    expires = datetime.fromisoformat(data["expires_at"])
    assert expires == datetime.fromtimestamp(control.clock.now_ms() / 1000, tz=UTC) + timedelta(days=2)
    assert {"window_5h_start", "reset_7d_at", "usage_1d", "last_used_at", "group"} <= set(data)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_somebody_else_s_key_is_forbidden(control, method):
    key = (await create(control.anna)).data["id"]
    answer = await control.ben(method, f"/keys/{key}", {})
    assert (answer.status, answer.json["reason"]) == (403, "INSUFFICIENT_PERMISSIONS")
    assert (await control.anna("GET", f"/keys/{key}")).status == 200


async def test_the_list_holds_only_one_s_own(control):
    await create(control.anna)
    assert (await control.ben("GET", "/keys")).data["items"] == []


async def test_a_group_must_be_available_to_the_user(control):
    exclusive = await control.add_group("vip", is_exclusive=True)
    subscription = await control.add_group("sub", subscription_type="subscription")
    for group in (exclusive, subscription, 4711):
        answer = await create(control.anna, group_id=group)
        assert (answer.status, answer.json["reason"]) == (403, "GROUP_NOT_ALLOWED")
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"allowed_groups": [exclusive]})
    assert (await create(control.anna, group_id=exclusive)).status == 201


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("short", "API_KEY_TOO_SHORT"),
        ("with space in the middle", "API_KEY_INVALID_CHARS"),
        ("ключ" * 8, "API_KEY_INVALID_CHARS"),
    ],
)
async def test_a_custom_key_has_rules(control, key, reason):
    assert (await create(control.anna, custom_key=key)).json["reason"] == reason


async def test_a_custom_key_exists_once_even_after_deletion(control):
    custom = "my-own-key-0123456789"
    first = (await create(control.anna, custom_key=custom)).data
    assert first["key"] == custom
    await control.anna("DELETE", f"/keys/{first['id']}")
    answer = await create(control.ben, custom_key=custom)
    assert (answer.status, answer.json["reason"]) == (409, "API_KEY_EXISTS")


async def test_guessing_keys_by_creating_them_is_stopped(control):
    custom = "my-own-key-0123456789"
    await create(control.anna, custom_key=custom)
    for _ in range(20):
        await create(control.ben, custom_key=custom)
    answer = await create(control.ben, custom_key="another-key-0123456789")
    assert (answer.status, answer.json["reason"]) == (429, "API_KEY_RATE_LIMITED")


@pytest.mark.parametrize("pattern", ["10.0.0.0/33", "example.com", "1.2.3", "::/200"])
async def test_a_bad_ip_pattern_is_named(control, pattern):
    answer = await create(control.anna, ip_blacklist=[pattern])
    assert (answer.status, answer.json["reason"]) == (400, "INVALID_IP_PATTERN")
    assert pattern in answer.json["message"]


async def test_ip_lists_are_overwritten_and_other_fields_stay(control):
    key = (await create(control.anna, quota=5, ip_whitelist=["10.0.0.1"])).data["id"]
    data = (await control.anna("PUT", f"/keys/{key}", {"name": "renamed"})).data
    assert (data["name"], data["quota"], data["ip_whitelist"]) == ("renamed", 5, [])


async def test_more_quota_revives_an_exhausted_key(control):
    key = (await create(control.anna, quota=1)).data["id"]
    await change_row(control, key, status="quota_exhausted", quota_used_nano=10**9)
    assert (await control.anna("PUT", f"/keys/{key}", {"quota": 1})).data["status"] == "quota_exhausted"
    assert (await control.anna("PUT", f"/keys/{key}", {"quota": 2})).data["status"] == "active"


async def test_resetting_the_quota_revives_an_exhausted_key(control):
    key = (await create(control.anna, quota=1)).data["id"]
    await change_row(control, key, status="quota_exhausted", quota_used_nano=10**9)
    data = (await control.anna("PUT", f"/keys/{key}", {"reset_quota": True})).data
    assert (data["status"], data["quota_used"]) == ("active", 0)
    async with control.deps.uow() as uow:
        entry = await uow.session.scalar(select(LedgerEntryRow).where(LedgerEntryRow.debit_book == "equity"))
    assert (entry.debit_book, entry.credit_book, entry.amount_nano) == ("equity", f"key:{key}", 10**9)


async def test_an_owner_cannot_switch_a_spent_key_on(control):
    key = (await create(control.anna, quota=1)).data["id"]
    await change_row(control, key, status="quota_exhausted", quota_used_nano=10**9)
    assert (await control.anna("PUT", f"/keys/{key}", {"status": "active"})).data[
        "status"
    ] == "quota_exhausted"


@pytest.mark.parametrize("expires_at", ["", "2099-01-01T00:00:00Z"])
async def test_a_later_or_no_expiry_revives_an_expired_key(control, expires_at):
    key = (await create(control.anna, expires_in_days=1)).data["id"]
    await change_row(control, key, status="expired")
    assert (await control.anna("PUT", f"/keys/{key}", {"expires_at": expires_at})).data["status"] == "active"


async def test_resetting_windows_forgets_what_was_used(control):
    key = (await create(control.anna, rate_limit_5h=1)).data["id"]
    now = datetime.fromtimestamp(control.clock.now_ms() / 1000, tz=UTC)
    await change_row(control, key, used_5h_nano=10**9, window_5h_start=now)
    assert (await control.anna("GET", f"/keys/{key}")).data["usage_5h"] == 1
    control.bounds.clear()
    data = (await control.anna("PUT", f"/keys/{key}", {"reset_rate_limit_usage": True})).data
    assert (data["usage_5h"], data["window_5h_start"]) == (0, None)
    assert f"key:{key}:5h" in control.bounds


async def test_a_window_that_is_over_shows_nothing_used(control):
    key = (await create(control.anna, rate_limit_5h=1)).data["id"]
    begun = datetime.fromtimestamp(control.clock.now_ms() / 1000, tz=UTC) - timedelta(hours=6)
    await change_row(control, key, used_5h_nano=10**9, window_5h_start=begun)
    assert (await control.anna("GET", f"/keys/{key}")).data["usage_5h"] == 0


async def test_a_repeated_call_with_an_idempotency_key_gives_the_same_key(control):
    headers = {"Idempotency-Key": "once"}
    first, second = await create(control.anna, headers=headers), await create(control.anna, headers=headers)
    assert first.data["key"] == second.data["key"]
    assert second.headers["x-idempotency-replayed"] == "true"
    assert (await control.anna("GET", "/keys")).data["total"] == 1
    assert (await create(control.ben, headers=headers)).data["key"] != first.data["key"]
    answer = await create(control.anna, headers=headers, name="other")
    assert (answer.status, answer.json["reason"]) == (409, "IDEMPOTENCY_KEY_CONFLICT")
    control.clock.advance(24 * 3600)
    control.anna.headers |= (await control.add_user("x@example.com")).headers
    assert (await create(control.anna, headers=headers)).status == 201


async def test_filters(control):
    group = await control.add_group()
    grouped = (await create(control.anna, name="one", group_id=group)).data["id"]
    await create(control.anna, name="two")
    await control.anna("PUT", f"/keys/{grouped}", {"status": "inactive"})
    for query, names in (
        ({"search": "TWO"}, ["two"]),
        ({"status": "inactive"}, ["one"]),
        ({"group_id": group}, ["one"]),
        ({"group_id": 0}, ["two"]),
    ):
        items = (await control.anna("GET", "/keys", query=query)).data["items"]
        assert [item["name"] for item in items] == names


async def test_an_owner_limits_the_rate_of_a_key(control, engine):
    made = await create(control.anna, rpm_limit=60, tpm_limit=10**9)
    assert (made.data["rpm_limit"], made.data["tpm_limit"]) == (60, 10**9)
    changed = await control.anna("PUT", f"/keys/{made.data['id']}", {"rpm_limit": 0})
    assert (changed.data["rpm_limit"], changed.data["tpm_limit"]) == (0, 10**9)
    digest = control.deps.vault.key_hash(made.data["key"])
    found = await ReadModel(engine, control.deps.vault).load_key(digest)
    assert found is not None
    assert found[0].rate == RateLimit(requests=0, tokens=10**9)


async def test_a_key_has_no_rate_limit_unless_one_is_set(control):
    made = await create(control.anna)
    assert (made.data["rpm_limit"], made.data["tpm_limit"]) == (0, 0)


@pytest.mark.parametrize("name", ["rpm_limit", "tpm_limit"])
@pytest.mark.parametrize("limit", [-1, 10**9 + 1, 1.5, "many", float("1e300")])
async def test_a_rate_limit_out_of_bounds_is_refused(control, name, limit):
    answer = await create(control.anna, **{name: limit})
    assert answer.status == 400
    key = (await create(control.anna)).data["id"]
    assert (await control.anna("PUT", f"/keys/{key}", {name: limit})).status == 400
