"""A judge who finds nothing proves nothing: each way in which books can be wrong is found."""

import asyncio
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.crash.judge import Judge
from tests.crash.lane import SETTINGS
from tests.crash.overdrafts import COLD, DIED, UNSEEN, Excess, Lowest, allowed, beyond
from tests.crash.plan import MOST_HITS, plan
from tests.crash.traffic import Traffic, Writes
from tests.crash.world import World, settle_down
from tests.e2e.money_books import Books
from tests.support.gateway import running_gateway
from tests.support.load import Outcome, volley
from tests.support.simulator import running_simulator

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A round of traffic without any death, and everything that is known about it."""

    database: Path
    world: World
    bill: dict[str, Any]
    outcomes: list[Outcome]
    writes: Writes

    def judged(self, database: Path) -> list[str]:
        judge = Judge(books=Books(f"sqlite:///{database}"), world=self.world)
        judge.chapter(self.bill, self.outcomes, self.writes)
        judge.whole()
        return judge.findings


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("judge")
    with running_simulator(seed=3) as provider, running_gateway(folder, **SETTINGS) as gateway:
        world = settle_down(gateway, provider)
        traffic = Traffic(world=world, dice=random.Random(3))
        outcomes = asyncio.run(volley(gateway.url, traffic.round(gateway.admin_token)))
        traffic.hear(outcomes)
        bill = provider.settled_bill(timeout_s=15)
        database = folder / "data" / "headgate.db"
        while Books(f"sqlite:///{database}").open_intents():
            time.sleep(0.05)
        assert gateway.stop() == 0
        yield Day(
            database=database, world=world, bill=bill, outcomes=outcomes, writes=traffic.writes
        )  # fmt: skip


def test_right_books_are_found_right(day: Day) -> None:
    assert "\n".join(day.judged(day.database)) == ""


_SOME = (
    "(SELECT MAX(id) FROM usage_records WHERE outcome = 'completed' AND usage_source = 'reported'"
    " AND NOT is_stream)"  # streams may have been left: no client holds them
)
_COUNTER = "its counter says"
_OF_SOME = f"exchange_id = (SELECT exchange_id FROM usage_records WHERE id = {_SOME})"


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        (f"DELETE FROM usage_records WHERE id = {_SOME}", "billed and not recorded"),
        (f"DELETE FROM usage_records WHERE id = {_SOME}", "served by the provider and not recorded"),
        (f"DELETE FROM usage_records WHERE id = {_SOME}", "a client has the whole answer"),
        (
            f"UPDATE usage_records SET upstream_request_id = (SELECT upstream_request_id FROM usage_records"
            f" WHERE id = {_SOME}) WHERE id = {_SOME} - 1",
            "an upstream call is recorded twice",
        ),
        (f"UPDATE usage_records SET upstream_model = 'gpt-5~message=9' WHERE id = {_SOME}", "never seen"),
        (
            f"UPDATE usage_records SET output_tokens = output_tokens + 1 WHERE id = {_SOME}",
            "not what the provider billed",
        ),
        (f"UPDATE usage_records SET charge_nano = charge_nano + 1 WHERE id = {_SOME}", "wrong money"),
        (
            f"UPDATE usage_records SET account_cost_nano = account_cost_nano - 1 WHERE id = {_SOME}",
            "account costs in records and in the ledger",
        ),
        (
            f"UPDATE usage_records SET outcome = 'interrupted' WHERE id = {_SOME}",
            "a client has the whole answer",
        ),
        (f"DELETE FROM ledger_entries WHERE kind = 'charge' AND {_OF_SOME}", "the ledger does not verify"),
        ("UPDATE users SET balance_nano = balance_nano + 1 WHERE id = 3", "the ledger does not verify"),
        ("DELETE FROM ledger_entries WHERE note LIKE 'crash-%'", "acknowledged and not booked"),
        (
            "UPDATE ledger_entries SET amount_nano = amount_nano + 1 WHERE note LIKE 'crash-%'",
            "a balance change that nobody asked for",
        ),
        ("UPDATE ledger_entries SET note = 'crash-0' WHERE kind = 'adjustment'", "booked twice"),
        (
            "INSERT INTO ledger_entries (exchange_id, attempt, kind, debit_book, credit_book, amount_nano,"
            " price_version, tariff, note, created_at_ms) SELECT 'x', 0, 'adjustment', 'user:3', 'equity',"
            " 900000000000, '', '', '', created_at_ms FROM ledger_entries LIMIT 1",
            "a balance was below the stated bound",
        ),
        ("UPDATE user_subscriptions SET total_used_nano = total_used_nano - 1", _COUNTER),
        ("UPDATE accounts SET quota_used_nano = quota_used_nano + 1 WHERE id = 2", _COUNTER),
        ("UPDATE api_keys SET quota_used_nano = quota_used_nano + 1 WHERE quota_nano > 0", _COUNTER),
    ],
)  # fmt: skip
def test_a_wrong_book_is_found(day: Day, tmp_path: Path, sql: str, finding: str) -> None:
    copy = tmp_path / "copy.db"
    shutil.copyfile(day.database, copy)
    with closing(sqlite3.connect(copy)) as connection:
        changed = connection.execute(sql).rowcount
        connection.commit()
    assert changed > 0
    assert any(finding in found for found in day.judged(copy))


def test_the_plan_is_the_same_for_the_same_seed_and_visits_every_place() -> None:
    first = plan(60, seed=4)
    assert first == plan(60, seed=4) != plan(60, seed=5)
    assert {kill.place for kill in first} == {None, *MOST_HITS}
    assert all(1 <= kill.hits <= MOST_HITS[kill.place] for kill in first if kill.place)


def test_cold_caches_are_allowed_to_overdraw_like_one_of_them() -> None:
    def excess(cause: str, nano: int) -> Excess:
        return Excess(cause=cause, nano=nano, at_ms=0, exchange_id="x")

    many = [excess(COLD, 5), excess(COLD, 7), excess(UNSEEN, 100), excess(DIED, 1000)]
    assert allowed(many) == 1107
    assert beyond(Lowest(user_id=1, nano=-12, bound_nano=-allowed(many[:2])))
    assert not beyond(Lowest(user_id=1, nano=-7, bound_nano=-allowed(many[:2])))
