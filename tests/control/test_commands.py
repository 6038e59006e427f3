"""The use cases behind the command line: the same services, straight on the database."""

import pytest

from headgate.control.commands import AccountCommands, GroupCommands, KeyCommands, UserCommands, command_deps
from headgate.core.limits.rate_limit import RateLimit
from headgate.errors import ApiError
from headgate.kit.crypto import Vault
from headgate.kit.secret import Secret
from headgate.settings import Settings
from headgate.storage.ledger import verify
from headgate.storage.read_model import ReadModel
from headgate.storage.unit_of_work import UnitOfWork
from tests.control.conftest import refuse_metadata_service


@pytest.fixture
def deps(sessions, clock):
    return command_deps(
        Settings(),
        lambda: UnitOfWork(sessions),
        Vault(bytes(32)),
        clock,
        check_base_url=refuse_metadata_service,
    )


async def test_from_nothing_to_a_key_that_works(deps, engine):
    await UserCommands(deps).create(email="anna@example.com", password=Secret("long enough"), balance_usd=5)
    await GroupCommands(deps).create(name="claude", platform="anthropic", multiplier=1.5)
    account = await AccountCommands(deps).create(
        name="main", platform="anthropic", secret=Secret("sk-ant-secret"), groups=["claude"], priority=1
    )
    made = await KeyCommands(deps).create(user="anna@example.com", group="claude")
    assert account.groups == ("claude",)
    assert "sk-" not in repr(made.secret)
    model = ReadModel(engine, deps.vault)
    found = await model.load_key(deps.vault.key_hash(made.secret.reveal()))
    assert found is not None
    key, user = found
    assert (key.id, key.user_id) == (made.info.id, user.id)
    assert (await verify(engine)).is_sound


async def test_lists_say_what_there_is_without_secrets(deps):
    await UserCommands(deps).create(email="anna@example.com", password=Secret("long enough"))
    await GroupCommands(deps).create(name="claude", platform="anthropic")
    await AccountCommands(deps).create(
        name="main", platform="anthropic", secret=Secret("sk-ant-canary-0123456789")
    )
    made = await KeyCommands(deps).create(user="1", group="1", name="laptop")
    assert [user.email for user in await UserCommands(deps).list()] == ["anna@example.com"]
    assert [group.name for group in await GroupCommands(deps).list()] == ["claude"]
    assert "canary" not in repr(await AccountCommands(deps).list())
    (key,) = await KeyCommands(deps).list("anna@example.com")
    assert (key.name, key.group, key.mask) == ("laptop", "claude", made.info.mask)


async def test_balances_move_through_the_ledger_and_reach_a_running_gateway(deps, engine):
    await UserCommands(deps).create(email="anna@example.com", password=Secret("long enough"))
    before = await ReadModel(engine, deps.vault).directory_version()
    user = await UserCommands(deps).change_balance("anna@example.com", operation="add", amount_usd=2.5)
    assert user.balance_usd == 2.5
    assert await ReadModel(engine, deps.vault).directory_version() > before
    assert (await UserCommands(deps).change_balance("1", operation="set", amount_usd=0)).balance_usd == 0
    assert (await verify(engine)).is_sound


async def test_things_are_switched_off_and_on(deps):
    await UserCommands(deps).create(email="anna@example.com", password=Secret("long enough"))
    await GroupCommands(deps).create(name="claude", platform="anthropic")
    await AccountCommands(deps).create(name="main", platform="anthropic", secret=Secret("k"))
    key = await KeyCommands(deps).create(user="1", group="claude")
    assert (await UserCommands(deps).set_enabled("anna@example.com", enabled=False)).status == "disabled"
    assert (await GroupCommands(deps).set_enabled("claude", enabled=False)).status == "inactive"
    assert (await AccountCommands(deps).set_enabled("main", enabled=False)).status == "inactive"
    assert (await KeyCommands(deps).set_enabled(key.info.id, enabled=False)).status == "inactive"
    assert (await KeyCommands(deps).set_enabled(key.info.id, enabled=True)).status == "active"


async def test_a_replaced_secret_keeps_the_rest_of_the_account(deps, engine):
    await AccountCommands(deps).create(
        name="main", platform="openai", secret=Secret("old"), base_url="https://api.example.com"
    )
    info = await AccountCommands(deps).set_secret("main", Secret("new"))
    (account,) = (await ReadModel(engine, deps.vault).load_directory()).accounts
    assert (account.secret.reveal(), info.base_url) == ("new", "https://api.example.com")


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda deps: KeyCommands(deps).create(user="nobody@example.com", group="g"), "USER_NOT_FOUND"),
        (lambda deps: GroupCommands(deps).set_enabled("g", enabled=True), "GROUP_NOT_FOUND"),
        (lambda deps: AccountCommands(deps).recover("a"), "ACCOUNT_NOT_FOUND"),
        (lambda deps: UserCommands(deps).create(email="a@b.c", password=Secret("x")), "INVALID_INPUT"),
        (lambda deps: GroupCommands(deps).create(name="g", platform="sora"), "INVALID_INPUT"),
        (
            lambda deps: GroupCommands(deps).create(name="g", platform="openai", overdraft_usd=-1),
            "INVALID_INPUT",
        ),
        (
            lambda deps: GroupCommands(deps).create(name="g", platform="openai", quota_basis="x"),
            "INVALID_INPUT",
        ),
    ],
)
async def test_a_mistake_is_an_api_error_with_a_reason(deps, act, reason):
    with pytest.raises(ApiError) as caught:
        await act(deps)
    assert caught.value.reason == reason


async def test_rate_limits_are_set_on_the_way(deps, engine):
    await UserCommands(deps).create(email="anna@example.com", password=Secret("long enough"), rpm=100)
    await GroupCommands(deps).create(name="claude", platform="anthropic", tpm=9_000)
    made = await KeyCommands(deps).create(user="1", group="claude", rpm=60, tpm=1_000)
    model = ReadModel(engine, deps.vault)
    found = await model.load_key(deps.vault.key_hash(made.secret.reveal()))
    assert found is not None
    key, user = found
    assert key.rate == RateLimit(requests=60, tokens=1_000)
    assert user.rate == RateLimit(requests=100)
    with pytest.raises(ApiError, match="rpm_limit"):
        await KeyCommands(deps).create(user="1", group="claude", rpm=10**9 + 1)
