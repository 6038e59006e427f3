from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.core.ids import GroupId, KeyId, SubscriptionId
from headgate.core.usage import TokenUsage
from headgate.core.world import CredentialKind, DisconnectPolicy, Provider
from headgate.kit.clock import FakeClock
from headgate.kit.crypto import Vault
from headgate.storage.engine import DatabaseTarget, create_engine
from headgate.storage.journal import StorageUnavailable
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.models import (
    AccountGroupRow,
    PriceOverrideRow,
    ProxyRow,
    SettingRow,
    SubscriptionRow,
    UserGroupMultiplierRow,
)
from headgate.storage.read_model import UNBOUNDED, ReadModel
from tests.storage.books import (
    NOW,
    NOW_MS,
    VAULT,
    account_row,
    group_row,
    intent,
    key_row,
    settlement,
    store,
    user_row,
)
from tests.support.databases import target_for

Sessions = async_sessionmaker[AsyncSession]
HOUR = timedelta(hours=1)


@pytest.fixture
def read_model(engine: AsyncEngine, clock: FakeClock) -> ReadModel:
    return ReadModel(engine, VAULT, clock)


def _proxy(**fields: object) -> ProxyRow:
    given = {
        "id": 1, "name": "out", "protocol": "socks5", "host": "proxy.example", "port": 1080,
        "username": "me@x",
        "password_sealed": VAULT.seal(b"p:w", context="proxy.password"), "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return ProxyRow(**{**given, **fields})


async def test_the_directory_holds_groups_accounts_prices_and_settings(
    read_model: ReadModel, sessions: Sessions
) -> None:
    await store(
        sessions,
        group_row(1, platform="openai", charge_multiplier=15_000, is_exclusive=True,
        disconnect_policy="cancel"),
        account_row(
            1, platform="openai", priority=3, concurrency=7, cost_multiplier=5_000,
            credentials_open={"base_url": "https://relay.example/", "model_mapping": {"gpt-*": "gpt-5"}},
        ),
        AccountGroupRow(account_id=1, group_id=1, created_at=NOW),
        PriceOverrideRow(
            model="my-*", input_nano=10, output_nano=20, cache_read_nano=1, cache_write_5m_nano=None,
            cache_write_1h_nano=None, image_nano=None, created_at=NOW, updated_at=NOW,
        ),
        SettingRow(key="site_name", value="mine", updated_at=NOW),
    )  # fmt: skip
    data = await read_model.load_directory()

    (group,) = data.groups
    assert (group.provider, group.charge_multiplier, group.is_exclusive) == (Provider.OPENAI, 15_000, True)
    assert group.disconnect_policy is DisconnectPolicy.CANCEL
    (account,) = data.accounts
    assert account.credential_kind is CredentialKind.API_KEY
    assert account.secret.reveal() == "sk-up"
    assert account.base_url == "https://relay.example"
    assert account.model_mapping == {"gpt-*": "gpt-5"}
    assert account.group_ids == frozenset({GroupId(1)})
    assert (account.priority, account.concurrency, account.cost_multiplier) == (3, 7, 5_000)
    (dated,) = data.price_overrides["my-*"]
    rates = dated.price.standard.rates
    assert (dated.from_ms, rates.cache_read, rates.cache_write_5m) == (0, 1, 10)
    assert data.settings == {"site_name": "mine"}


@pytest.mark.parametrize(
    ("platform", "base_url"),
    [
        ("anthropic", "https://api.anthropic.com"),
        ("openai", "https://api.openai.com"),
        ("gemini", "https://generativelanguage.googleapis.com"),
    ],
)
async def test_an_account_without_a_base_url_goes_to_the_provider(
    read_model: ReadModel, sessions: Sessions, platform: str, base_url: str
) -> None:
    await store(sessions, account_row(1, platform=platform))
    assert (await read_model.load_directory()).accounts[0].base_url == base_url


async def test_a_bearer_account_is_known_by_its_access_token(
    read_model: ReadModel, sessions: Sessions
) -> None:
    await store(sessions, account_row(1, type="bearer", secret=b'{"access_token":"tok"}'))
    account = (await read_model.load_directory()).accounts[0]
    assert (account.credential_kind, account.secret.reveal()) == (CredentialKind.BEARER, "tok")


@pytest.mark.parametrize("change", [{"status": "error"}, {"status": "inactive"}, {"schedulable": False}])
async def test_a_switched_off_account_is_not_schedulable(
    read_model: ReadModel, sessions: Sessions, change: dict[str, Any]
) -> None:
    await store(sessions, account_row(1, **change))
    assert not (await read_model.load_directory()).accounts[0].is_schedulable


async def test_deleted_and_unserved_accounts_are_left_out(read_model: ReadModel, sessions: Sessions) -> None:
    await store(
        sessions, account_row(1, deleted_at=NOW), account_row(2, type="oauth"), account_row(3,
        platform="sora"),
        account_row(4), group_row(1, deleted_at=NOW),
    )  # fmt: skip
    data = await read_model.load_directory()
    assert [account.id for account in data.accounts] == [4]
    assert data.groups == ()


async def test_the_latest_cooldown_and_the_expiry_are_carried(
    read_model: ReadModel, sessions: Sessions
) -> None:
    await store(
        sessions,
        account_row(1, rate_limit_reset_at=NOW + HOUR, overload_until=NOW + 2 * HOUR, expires_at=NOW),
        account_row(2, expires_at=NOW, auto_pause_on_expired=False),
    )
    first, second = (await read_model.load_directory()).accounts
    assert first.cooldown_until_ms == NOW_MS + 3_600_000
    assert first.overloaded_until_ms == NOW_MS + 2 * 3_600_000
    assert (first.expires_at_ms, second.expires_at_ms) == (NOW_MS, None)


async def test_a_proxy_url_is_quoted_and_resolves_names_at_the_proxy(
    read_model: ReadModel, sessions: Sessions
) -> None:
    await store(sessions, _proxy(), account_row(1, proxy_id=1))
    proxy = (await read_model.load_directory()).accounts[0].proxy
    assert proxy is not None
    assert proxy.url.reveal() == "socks5h://me%40x:p%3Aw@proxy.example:1080"
    assert proxy.is_active


async def test_a_deleted_proxy_stays_on_its_account_as_inactive(
    read_model: ReadModel, sessions: Sessions
) -> None:
    """Otherwise the account would go out directly, which the operator never wanted."""
    await store(sessions, _proxy(deleted_at=NOW), account_row(1, proxy_id=1))
    proxy = (await read_model.load_directory()).accounts[0].proxy
    assert proxy is not None
    assert not proxy.is_active


async def test_credentials_sealed_with_another_key_stop_one_account_only(
    read_model: ReadModel, sessions: Sessions
) -> None:
    foreign = Vault(b"f" * 32).seal(b'{"api_key":"x"}', context="account.credentials")
    await store(sessions, account_row(1, credentials_sealed=foreign), account_row(2))
    accounts = (await read_model.load_directory()).accounts
    assert [account.is_schedulable for account in accounts] == [False, True]


async def test_a_key_is_found_by_its_hash_with_its_owner(read_model: ReadModel, sessions: Sessions) -> None:
    await store(
        sessions, user_row(1, concurrency=9), group_row(1), group_row(2),
        key_row(1, group_id=1, quota_nano=5, limit_1d_nano=7, ip_whitelist=["10.0.0.0/8"], expires_at=NOW),
        UserGroupMultiplierRow(user_id=1, group_id=2, charge_multiplier=20_000),
    )  # fmt: skip
    found = await read_model.load_key(VAULT.key_hash("sk-1"))
    assert found is not None
    key, user = found
    assert (key.id, key.group_id, key.quota_nano, key.expires_at_ms) == (1, 1, 5, NOW_MS)
    assert [(window.name, window.limit_nano) for window in key.windows] == [("1d", 7)]
    assert key.ip_allow == ("10.0.0.0/8",)
    assert (user.concurrency, user.group_multipliers) == (9, {2: 20_000})


async def test_unknown_and_deleted_keys_are_not_found(read_model: ReadModel, sessions: Sessions) -> None:
    await store(
        sessions, user_row(1), user_row(2, deleted_at=NOW), key_row(1, deleted_at=NOW), key_row(2, user_id=2)
    )
    for secret in ("sk-1", "sk-2", "sk-3"):
        assert await read_model.load_key(VAULT.key_hash(secret)) is None


async def test_bounds_say_what_is_left_to_spend(read_model: ReadModel, sessions: Sessions) -> None:
    await store(
        sessions, user_row(1, balance_nano=-3),
        key_row(
            1, quota_nano=100, quota_used_nano=30, limit_5h_nano=50, used_5h_nano=60,
            window_5h_start=NOW - 4 * HOUR, limit_1d_nano=70, used_1d_nano=70,
            window_1d_start=NOW - 24 * HOUR,
        ),
    )  # fmt: skip
    names = [
        "user:1:balance",
        "key:1:quota",
        "key:1:5h",
        "key:1:1d",
        "key:1:7d",
        "user:8:balance",
        "key:8:5h",
    ]
    left = await read_model.load_bounds(names)
    assert list(left.values()) == [-3, 70, -10, 70, UNBOUNDED, 0, 0]


async def test_a_bound_that_nobody_knows_is_a_mistake(read_model: ReadModel) -> None:
    with pytest.raises(ValueError, match="group:1:balance"):
        await read_model.load_bounds(["group:1:balance"])


async def test_usage_of_a_key_is_summed_by_day_model_and_minute(
    read_model: ReadModel, sessions: Sessions, target: DatabaseTarget, clock: FakeClock
) -> None:
    limits = {"quota_nano": 10**9, "limit_5h_nano": 10**9}
    await store(sessions, user_row(1, balance_nano=5_000), key_row(1, **limits), key_row(2))
    journal = await open_journal_at(target, clock, "p")
    yesterday = NOW_MS - 24 * 3_600_000

    async def book(**fields: object) -> None:
        given = dict(fields)
        of = intent(client_model=str(given.pop("model", "a")), key_id=given.pop("key", 1), counts_key=True)
        await journal.settle(settlement(of, **given))  # type: ignore[arg-type]

    await book(finished_at_ms=yesterday, model="b", duration_ms=1000, charge=100)
    await book(finished_at_ms=NOW_MS - 3_600_000, duration_ms=2000, charge=200)
    await book(
        finished_at_ms=NOW_MS,
        duration_ms=3000,
        charge=300,
        usage=TokenUsage(input=4, audio_input=3, cache_write_1h=3),
    )
    await book(finished_at_ms=NOW_MS, outcome="failed", charge=0)
    await book(finished_at_ms=NOW_MS, key=2)
    await journal.close()

    usage = await read_model.key_usage(KeyId(1), since_ms=NOW_MS - 7_200_000, until_ms=NOW_MS + 1)
    assert (usage.total.requests, usage.total.charge_nano) == (3, 600)
    assert (usage.today.requests, usage.today.charge_nano) == (2, 500)
    assert (usage.requests_last_minute, usage.tokens_last_minute) == (1, 10)
    assert usage.average_duration_ms == 2000
    assert [(model, totals.requests) for model, totals in usage.models] == [("a", 2)]
    assert usage.quota_used_nano == 600
    assert usage.windows == ((600, NOW_MS),)
    assert usage.balance_nano == 5_000 - 600 - 800


async def test_usage_of_a_subscription_counts_its_running_windows_only(
    read_model: ReadModel, sessions: Sessions
) -> None:
    yesterday = NOW - 25 * HOUR
    subscription = SubscriptionRow(
        id=1, user_id=1, group_id=1, starts_at=NOW, expires_at=NOW + 24 * HOUR, assigned_at=NOW,
        created_at=NOW, updated_at=NOW, daily_window_start=yesterday, daily_used_nano=1,
        weekly_window_start=yesterday, weekly_used_nano=2, monthly_window_start=NOW, monthly_used_nano=3,
    )  # fmt: skip
    await store(sessions, user_row(1), group_row(1), key_row(1), subscription)

    async def used(number: int | None) -> tuple[int, int, int] | None:
        usage = await read_model.key_usage(
            KeyId(1),
            since_ms=0,
            until_ms=1,
            subscription_id=None if number is None else SubscriptionId(number),
        )
        return usage.subscription_used_nano

    assert await used(1) == (0, 2, 3)
    assert await used(None) is None
    assert await used(2) is None


async def test_a_database_that_is_away_is_said_so() -> None:
    engine = create_engine(target_for("postgresql://u@127.0.0.1:1/name"))
    with pytest.raises(StorageUnavailable):
        await ReadModel(engine, VAULT).directory_version()
    await engine.dispose()


@pytest.mark.parametrize("bound", ["user:1:balance", "key:1:quota", "account:1:quota"])
async def test_what_never_begins_anew_is_known_without_the_database(
    tmp_path: Path, clock: FakeClock, bound: str
) -> None:
    gone = create_engine(target_for(f"sqlite:///{tmp_path}/nowhere/gone.db"))
    assert await ReadModel(gone, VAULT, clock).bound_resets_at(bound) is None
