"""The snapshot: fresh when the world moved, and the database left alone when it did not."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from sqlalchemy import event, update
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from headgate.core.ids import AccountId, GroupId
from headgate.core.world import Provider
from headgate.kit.clock import FakeClock
from headgate.prices import price_book_builder
from headgate.relay.directory import Directory
from headgate.settings import PricingSettings
from headgate.storage.engine import DatabaseTarget, create_engine
from headgate.storage.journal import StorageUnavailable
from headgate.storage.models import AccountRow, ApiKeyRow, GroupRow, SettingRow
from headgate.storage.read_model import ReadModel
from tests.relay.conftest import Change
from tests.relay.people import member
from tests.storage.books import NOW, VAULT, account_row, group_row, key_row


@dataclass
class Queries:
    """Every statement that reaches the database."""

    seen: list[str] = field(default_factory=list)

    def of_keys(self) -> int:
        return sum("FROM api_keys" in statement for statement in self.seen)


@pytest.fixture
def queries(engine: AsyncEngine) -> Iterator[Queries]:
    noted = Queries()

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        noted.seen.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield noted
    event.remove(engine.sync_engine, "before_cursor_execute", note)


async def test_a_key_is_found_with_its_owner(directory: Directory) -> None:
    found = await directory.find_key("sk-1")
    assert found is not None
    assert (found[0].id, found[1].id) == (1, 1)


async def test_a_known_key_is_read_from_the_database_once(directory: Directory, queries: Queries) -> None:
    for _ in range(3):
        await directory.find_key("sk-1")
    assert queries.of_keys() == 1


async def test_an_unknown_key_is_read_from_the_database_once(directory: Directory, queries: Queries) -> None:
    for _ in range(3):
        assert await directory.find_key("sk-nobody") is None
    assert queries.of_keys() == 1


@pytest.mark.parametrize("secret", ["sk-1", "sk-nobody"])
async def test_many_callers_with_one_new_key_share_one_read(
    directory: Directory, queries: Queries, secret: str
) -> None:
    found = await asyncio.gather(*(directory.find_key(secret) for _ in range(20)))
    assert queries.of_keys() == 1
    assert len({answer is None for answer in found}) == 1


async def test_a_caller_that_is_cancelled_does_not_take_the_others_along(directory: Directory) -> None:
    loop = asyncio.get_running_loop()
    first, second = (loop.create_task(directory.find_key("sk-1")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    _, found = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(found, tuple)


async def test_a_disabled_key_is_seen_after_the_next_refresh(directory: Directory, change: Change) -> None:
    await directory.find_key("sk-1")
    await change(update(ApiKeyRow).values(status="inactive"))
    await directory.refresh()
    found = await directory.find_key("sk-1")
    assert found is not None
    assert found[0].status == "inactive"


async def test_a_key_that_was_unknown_is_found_once_it_was_made(directory: Directory, change: Change) -> None:
    assert await directory.find_key("sk-2") is None
    await change(key_row(2, group_id=1))
    await directory.refresh()
    assert await directory.find_key("sk-2") is not None


async def test_a_key_of_a_group_that_another_process_just_made_works_at_once(
    directory: Directory, change: Change
) -> None:
    await change(group_row(7), key_row(3, group_id=7))
    assert await directory.find_key("sk-3") is not None
    assert directory.group(GroupId(7)) is not None


async def test_the_snapshot_is_not_read_again_when_nothing_changed(
    directory: Directory, queries: Queries
) -> None:
    await directory.refresh()
    assert len(queries.seen) == 1


async def test_refreshes_at_the_same_time_read_the_snapshot_once(
    directory: Directory, change: Change, queries: Queries
) -> None:
    await change(account_row(3))
    await asyncio.gather(*(directory.refresh() for _ in range(5)))
    assert sum("FROM accounts" in statement for statement in queries.seen) == 1


async def test_accounts_are_listed_by_group_and_provider_in_a_stable_order(
    directory: Directory, change: Change
) -> None:
    await change(
        account_row(9), account_row(5, platform="openai"),
        member(9), member(5),
    )  # fmt: skip
    await directory.refresh()
    listed = directory.accounts_of(GroupId(1), Provider.ANTHROPIC)
    assert [account.id for account in listed] == [1, 2, 9]
    assert [a.id for a in directory.accounts_of(GroupId(1), Provider.OPENAI)] == [5]


async def test_a_group_without_accounts_has_none(directory: Directory) -> None:
    assert directory.accounts_of(GroupId(99), Provider.ANTHROPIC) == ()


async def test_a_deleted_account_is_gone(directory: Directory, change: Change) -> None:
    await change(update(AccountRow).where(AccountRow.id == 1).values(deleted_at=NOW))
    await directory.refresh()
    assert directory.account(AccountId(1)) is None
    assert [account.id for account in directory.accounts()] == [2]


async def test_a_setting_of_the_operator_arrives(directory: Directory, change: Change) -> None:
    await change(SettingRow(key="site_name", value="Ours", updated_at=NOW))
    await directory.refresh()
    assert directory.settings["site_name"] == "Ours"


async def test_who_depends_on_the_snapshot_hears_of_a_new_one_only(
    directory: Directory, change: Change
) -> None:
    heard: list[int] = []

    async def hear() -> None:
        heard.append(directory.version)

    directory.on_refreshed.append(hear)
    await directory.refresh()
    await change(update(GroupRow).values(name="new name"))
    await directory.refresh()
    assert heard == [directory.version]


async def test_models_are_priced_by_every_name_that_they_may_have(
    directory: Directory, change: Change
) -> None:
    await change(
        update(AccountRow)
        .where(AccountRow.id == 2)
        .values(credentials_open={"model_mapping": {"mine": "theirs"}})
    )
    await directory.refresh()
    assert directory.names_of(GroupId(1), Provider.ANTHROPIC, "mine") == ("mine", "theirs")


async def test_changes_of_other_processes_are_noticed_by_watching(
    directory: Directory, change: Change
) -> None:
    watching = asyncio.get_running_loop().create_task(directory.watch())
    await change(group_row(4))
    async with asyncio.timeout(3):
        while directory.group(GroupId(4)) is None:
            await asyncio.sleep(0.02)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_key_cannot_be_looked_up_without_a_database_and_can_afterwards(
    directory: Directory, engine: AsyncEngine, sqlite_target: DatabaseTarget
) -> None:
    assert sqlite_target.path is not None
    away = sqlite_target.path.with_suffix(".away")
    await engine.dispose()
    sqlite_target.path.rename(away)
    with pytest.raises(StorageUnavailable):
        await directory.find_key("sk-1")
    await engine.dispose()
    sqlite_target.path.unlink(missing_ok=True)
    away.rename(sqlite_target.path)
    assert await directory.find_key("sk-1") is not None


async def test_before_the_first_refresh_nobody_is_known(sqlite_target: DatabaseTarget) -> None:
    engine = create_engine(sqlite_target)
    clock = FakeClock()
    fresh = Directory(ReadModel(engine, VAULT, clock), VAULT, clock, price_book_builder(PricingSettings()))
    assert (fresh.version, fresh.accounts()) == (-1, ())
    await engine.dispose()


async def test_a_route_to_an_account_outside_the_group_is_said_once(
    directory: Directory, change: Change
) -> None:
    routes = {"claude-*": [1, 99]}
    with capture_logs() as logs:
        for description in ("a", "b"):
            await change(
                update(GroupRow).values(
                    model_routing=routes, model_routing_enabled=True, description=description
                )
            )
            await directory.refresh()
    said = [line for line in logs if line["event"] == "model_route_lost"]
    assert [(line["group_id"], line["pattern"], line["account_id"]) for line in said] == [(1, "claude-*", 99)]
