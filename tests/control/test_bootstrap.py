"""The first start: an admin once, demo data that follows the simulator (issue 2)."""

import pytest
from sqlalchemy import select

from headgate.control.bootstrap import ensure_admin, ensure_demo_data
from headgate.errors import StartupError
from headgate.kit.crypto import Vault
from headgate.kit.secret import Secret
from headgate.settings import Settings
from headgate.storage.ledger import verify
from headgate.storage.models import UserRow
from headgate.storage.read_model import ReadModel
from headgate.storage.unit_of_work import UnitOfWork


@pytest.fixture
def uow(sessions):
    return lambda: UnitOfWork(sessions)


async def users(uow):
    async with uow() as work:
        return list(await work.session.scalars(select(UserRow)))


async def test_the_first_start_makes_an_admin_with_a_generated_password(uow, clock):
    first = await ensure_admin(uow, Settings(), clock)
    assert first is not None
    assert first.email == "admin@headgate.local"
    assert len(first.shown_password) >= 20
    assert first.shown_password not in repr(first)
    (row,) = await users(uow)
    assert (row.role, row.status, row.password_hash.startswith("$argon2id$")) == ("admin", "active", True)


async def test_a_configured_password_is_used_and_not_shown(uow, clock):
    settings = Settings(admin_email="Root@Example.com", admin_password=Secret("configured password"))
    first = await ensure_admin(uow, settings, clock)
    assert first is not None
    assert first.email == "root@example.com"
    assert "configured password" not in first.shown_password


async def test_a_later_start_resets_nothing(uow, clock):
    await ensure_admin(uow, Settings(), clock)
    (before,) = await users(uow)
    assert await ensure_admin(uow, Settings(admin_password=Secret("another password")), clock) is None
    (after,) = await users(uow)
    assert after.password_hash == before.password_hash


@pytest.mark.parametrize(
    "settings",
    [Settings(admin_password=Secret("short")), Settings(admin_email="nobody")],
    ids=["password", "email"],
)
async def test_an_unusable_configuration_stops_the_start_with_the_remedy(uow, clock, settings):
    with pytest.raises(StartupError, match="HEADGATE_ADMIN_"):
        await ensure_admin(uow, settings, clock)
    assert await users(uow) == []


async def test_the_demo_has_a_group_an_account_and_a_key_per_platform(uow, clock, engine):
    vault = Vault(bytes(32))
    keys = await ensure_demo_data(uow, vault, clock, Settings(), simulator_url="http://127.0.0.1:9090")
    assert list(keys) == ["anthropic-demo", "openai-demo", "gemini-demo"]
    model = ReadModel(engine, vault)
    directory = await model.load_directory()
    assert {account.base_url for account in directory.accounts} == {"http://127.0.0.1:9090"}
    assert {account.secret.reveal() for account in directory.accounts} == {
        "sim-demo-anthropic", "sim-demo-openai", "sim-demo-gemini",
    }  # fmt: skip
    for key in keys.values():
        assert await model.load_key(vault.key_hash(key)) is not None
    assert (await verify(engine)).is_sound
    (demo,) = await users(uow)
    assert demo.balance_nano == 100 * 10**9


async def test_a_second_demo_start_shows_no_keys_and_follows_the_simulator(uow, clock, engine):
    vault = Vault(bytes(32))
    await ensure_demo_data(uow, vault, clock, Settings(), simulator_url="http://127.0.0.1:1")
    assert await ensure_demo_data(uow, vault, clock, Settings(), simulator_url="http://127.0.0.1:2") == {}
    directory = await ReadModel(engine, vault).load_directory()
    assert [account.base_url for account in directory.accounts] == ["http://127.0.0.1:2"] * 3
    assert (await verify(engine)).entries == 1
