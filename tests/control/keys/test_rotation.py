"""Rotating a key: the new secret and, for a while, the old one (issue 5, item 4)."""

import asyncio

import pytest

from headgate.core.limits.admission import check_caller
from headgate.storage.read_model import ReadModel


async def made(control):
    return (await control.anna("POST", "/keys", {"name": "k", "quota": 5})).data


async def rotate(control, key, caller=None, **body):
    return await (caller or control.anna)("POST", f"/keys/{key['id']}/rotate", body)


@pytest.fixture
def works(control, engine):
    async def ask(secret):
        """What the data plane says: `ok`, the refusal's code, or `unknown`."""
        found = await ReadModel(engine, control.deps.vault).load_key(control.deps.vault.key_hash(secret))
        if found is None:
            return "unknown"
        key, user = found
        fault = check_caller(key, user, None, now_ms=control.clock.now_ms(), client_ip="", skip_spending=True)
        assert fault is not None  # these keys have no group
        return "ok" if fault.code != "API_KEY_REPLACED" else fault.code

    return ask


async def test_both_secrets_work_until_the_overlap_is_over(control, works):
    key = await made(control)
    new = (await rotate(control, key, overlap_hours=0.5)).data
    assert new["id"] == key["id"]
    assert new["quota"] == 5
    assert new["key"] != key["key"]
    assert (await works(key["key"]), await works(new["key"])) == ("ok", "ok")
    shown = (await control.anna("GET", f"/keys/{key['id']}")).data
    assert shown["older_secrets_until"] is not None
    assert "…" in shown["key"]
    control.clock.advance(1800)
    assert (await works(key["key"]), await works(new["key"])) == ("API_KEY_REPLACED", "ok")
    assert (await control.anna("GET", f"/keys/{key['id']}")).data["older_secrets_until"] is None


async def test_without_overlap_every_older_secret_stops_at_once(control, works):
    key = await made(control)
    second = (await rotate(control, key, overlap_hours=24)).data["key"]
    third = (await rotate(control, key, overlap_hours=0)).data["key"]
    told = [await works(secret) for secret in (key["key"], second, third)]
    assert told == ["API_KEY_REPLACED", "API_KEY_REPLACED", "ok"]


async def test_an_overlap_can_be_ended(control, works):
    key = await made(control)
    new = (await rotate(control, key)).data["key"]
    path = f"/keys/{key['id']}/older-secrets"
    assert (await control.ben("DELETE", path)).json["reason"] == "INSUFFICIENT_PERMISSIONS"
    await control.anna("DELETE", path)
    assert (await works(key["key"]), await works(new)) == ("API_KEY_REPLACED", "ok")


async def test_a_replaced_secret_is_never_given_out_again(control):
    custom = "my-own-secret-key-1"
    key = (await control.anna("POST", "/keys", {"name": "k", "custom_key": custom})).data
    await rotate(control, key, overlap_hours=0)
    again = await control.ben("POST", "/keys", {"name": "k", "custom_key": custom})
    assert (again.status, again.json["reason"]) == (409, "API_KEY_EXISTS")


async def test_only_the_owner_rotates_and_only_a_key_that_is_on(control):
    key = await made(control)
    assert (await rotate(control, key, control.ben)).json["reason"] == "INSUFFICIENT_PERMISSIONS"
    await control.anna("PUT", f"/keys/{key['id']}", {"status": "inactive"})
    assert (await rotate(control, key)).json["reason"] == "API_KEY_INACTIVE"


async def test_a_deleted_key_has_no_secret_that_works(control, works):
    key = await made(control)
    new = (await rotate(control, key)).data["key"]
    await control.anna("DELETE", f"/keys/{key['id']}")
    assert [await works(secret) for secret in (key["key"], new)] == ["unknown", "unknown"]


@pytest.mark.parametrize("hours", [-1, 721, "soon", None])
async def test_an_unusable_overlap_is_refused(control, hours):
    assert (await rotate(control, await made(control), overlap_hours=hours)).status == 400


async def test_who_rotates_at_the_same_time_does_not_lose_a_secret(control, works):
    key = await made(control)
    answers = await asyncio.gather(*(rotate(control, key) for _ in range(3)))
    given = [answer.data["key"] for answer in answers if answer.status == 200]
    assert given
    assert [await works(secret) for secret in given] == ["ok"] * len(given)
