"""`headgate simulate` and `headgate traffic` as an operator types them."""

import json
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.core.usage import TokenUsage
from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal_opening import open_journal_at
from tests.cli.conftest import KEY, Run
from tests.storage.books import account_row, group_row, intent, key_row, settlement, store, user_row

PROPOSED = """
version: 1
groups: {pool: {platform: anthropic}}
accounts:
  one: {platform: anthropic, secret: stored, groups: [pool], concurrency: 1}
"""


@pytest.fixture
def target(sqlite_target: DatabaseTarget) -> DatabaseTarget:
    return sqlite_target


@pytest.fixture
def files(tmp_path: Path, engine: AsyncEngine) -> dict[str, str]:
    two = PROPOSED + "  two: {platform: anthropic, secret: stored, groups: [pool], concurrency: 1}\n"
    profile = "{group: pool, users: 4, sessions_per_user: 2, turns: 2, minutes: 1}"
    texts = {
        "one": PROPOSED,
        "two": two,
        "profile": profile,
        "providers": "{default: {requests_per_minute: 10}}",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in texts}


async def test_two_documents_are_compared(headgate: Run, files: dict[str, str]) -> None:
    words = ("simulate", files["one"], "--against", files["two"], "--generate", files["profile"])
    done = await headgate(*words, "--providers", files["providers"])
    assert (done.code, done.problems) == (0, "")
    rows = {line[:26].strip(): line[26:].split() for line in done.out.splitlines()}
    assert rows["requests"] == ["16", "16", "0"]
    assert float(rows["had to wait"][1]) > float(rows["had to wait"][0])
    assert rows["had to wait"][2].startswith("+")
    first, second = [await headgate(*words, "--json", "--seed", "5") for _ in range(2)]
    assert first.out == second.out
    assert json.loads(first.out)["proposed"]["requests"] == 16


DEAR = {
    "claude-sonnet-5-5": {
        "litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 0.0006,
        "output_cost_per_token": 0.003,
    }
}  # fmt: skip


async def test_another_price_file_and_empty_purses_show_in_the_difference(
    headgate: Run, files: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "prices").write_text(json.dumps(DEAR))
    (tmp_path / "people").write_text("{users: {user-1: {balance_usd: 0}}}")
    words = ("simulate", files["one"], "--against", files["one"], "--generate", files["profile"], "--json")
    done = await headgate(*words, "--price-file", str(tmp_path / "prices"))
    present, proposed = (json.loads(done.out)[name] for name in ("present", "proposed"))
    assert present["answered"] == proposed["answered"] > 0
    assert proposed["list_cost_usd"] > 50 * present["list_cost_usd"] > 0
    done = await headgate(*words, "--people", str(tmp_path / "people"))
    assert json.loads(done.out)["proposed"]["refused_money"] == 4
    (tmp_path / "prices").write_text("no prices")
    done = await headgate(*words, "--price-file", str(tmp_path / "prices"))
    assert (done.code, "name a usable file" in done.problems) == (1, True)


async def test_recorded_traffic_is_replayed_against_what_the_database_has(
    headgate: Run, files: dict[str, str], keyed_sessions: async_sessionmaker[AsyncSession],
    target: DatabaseTarget, clock: FakeClock, tmp_path: Path,
) -> None:  # fmt: skip
    await store(keyed_sessions, user_row(1), key_row(1), account_row(1), group_row(1))
    journal = await open_journal_at(target, clock, "p", ledger_key=KEY)
    for number in range(3):
        await journal.settle(settlement(intent(f"x{number}"), usage=TokenUsage(input=100, output=20)))
    await journal.close()
    recorded = await headgate("traffic", "--from", "2000-01-01", "--to", "2100-01-01")
    lines = [json.loads(line) for line in recorded.out.splitlines()]
    assert len(lines) == 3
    group = lines[0]["group"]
    (tmp_path / "traffic").write_text(recorded.out)
    (tmp_path / "one").write_text(PROPOSED.replace("pool", group))
    done = await headgate("simulate", files["one"], "--traffic", str(tmp_path / "traffic"))
    assert (done.code, "requests" in done.out) == (0, True)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "Pass either --traffic FILE or --generate FILE"),
        (("--traffic", "/nowhere"), "--traffic /nowhere: No such file or directory"),
        (("--generate", "one"), "unknown field `version`"),
        (("--generate", "profile", "--providers", "profile"), "unknown field"),
        (("--generate", "profile", "--against", "profile"), "version must be 1"),
    ],
)
async def test_what_cannot_be_simulated_is_said_in_one_line(
    headgate: Run, files: dict[str, str], words: tuple[str, ...], problem: str
) -> None:
    done = await headgate("simulate", files["one"], *(files.get(word, word) for word in words))
    assert (done.code, done.out) == (1, "")
    assert problem in done.problems
    assert done.problems.count("\n") == 1
