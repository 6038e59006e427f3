import pytest

from tools.lint_rules import append_only, commit_once, narrow_except, no_rows_in_relay, secret_in_log
from tools.lint_rules.source import Rule, Source


def lines(rule: Rule, text: str, path: str = "src/headgate/relay/pump.py") -> list[int]:
    return [finding.line for finding in rule(Source.parse(path, text))]


def test_a_commit_outside_the_unit_of_work_is_found() -> None:
    text = "async def f(session):\n    await session.commit()\n"
    assert lines(commit_once.check, text, "src/headgate/control/keys/service.py") == [2]


def test_the_storage_layer_and_the_request_dependency_may_commit() -> None:
    text = "async def f(session):\n    await session.commit()\n"
    assert lines(commit_once.check, text, "src/headgate/storage/journal_sqlite.py") == []
    assert lines(commit_once.check, text, "src/headgate/control/deps.py") == []


@pytest.mark.parametrize(
    "statement",
    [
        "log.info('sent', key=key.reveal())",
        "self._log.warning('sent', key=f'{key.reveal()}')",
        "logger.info('sent', key=key)",
        "log.info('sent', key=credential.key)",
        "raise ValueError(f'bad key {key.reveal()}')",
    ],
)
def test_a_secret_in_a_log_call_or_an_exception_is_found(statement: str) -> None:
    assert lines(secret_in_log.check, f"def f(self, key: Secret | None, credential):\n    {statement}\n") == [
        2
    ]


@pytest.mark.parametrize(
    "statement", ["log.info('sent', key_id=key_id)", "send(key.reveal())", "raise ValueError('bad key')"]
)
def test_sending_a_secret_and_logging_an_id_are_allowed(statement: str) -> None:
    assert lines(secret_in_log.check, f"def f(key: Secret, key_id: int):\n    {statement}\n") == []


@pytest.mark.parametrize(
    "statement",
    [
        "from headgate.storage.models import UserRow",
        "from headgate.storage.models.people import UserRow",
        "import headgate.storage.models",
        "from headgate.storage import models",
    ],
)
def test_every_way_to_import_a_row_into_the_data_plane_is_found(statement: str) -> None:
    assert lines(no_rows_in_relay.check, statement) == [1]
    assert lines(no_rows_in_relay.check, statement, "src/headgate/control/users/repository.py") == []


@pytest.mark.parametrize(
    "caught", ["except Exception", "except (ValueError, Exception)", "except BaseException", "except"]
)
def test_a_broad_except_that_goes_on_is_found(caught: str) -> None:
    assert lines(narrow_except.check, f"try:\n    f()\n{caught}:\n    log.exception('failed')\n") == [3]


def test_a_broad_except_that_raises_again_is_allowed() -> None:
    assert lines(narrow_except.check, "try:\n    f()\nexcept BaseException:\n    undo()\n    raise\n") == []


def test_a_named_exception_is_allowed() -> None:
    assert lines(narrow_except.check, "try:\n    f()\nexcept ValueError:\n    pass\n") == []


@pytest.mark.parametrize(
    "statement",
    [
        "session.execute(update(LedgerEntryRow).values(amount_nano=1))",
        "sa.delete(LedgerEntryRow)",
        "entry, record = LedgerEntryRow, UsageRecordRow; delete(entry)",
        "entry = LedgerEntryRow; update(entry)",
        "connection.execute('UPDATE ledger_entries SET amount_nano = 1')",
        "connection.execute(f'delete from ledger_entries WHERE id = {n}')",
        "'TRUNCATE TABLE ledger_entries'",
    ],
)
def test_changing_a_ledger_entry_is_found(statement: str) -> None:
    assert lines(append_only.check, statement, "src/headgate/storage/ledger.py") == [1]


@pytest.mark.parametrize(
    "statement",
    [
        "insert(LedgerEntryRow)",
        "update(UserRow)",
        "'INSERT INTO ledger_entries (id) VALUES (1)'",
        "'DELETE FROM ledger_entries_of_somebody_else'",
        "entry = UsageRecordRow; update(entry)",
    ],
)
def test_adding_ledger_entries_is_allowed(statement: str) -> None:
    assert lines(append_only.check, statement, "src/headgate/storage/ledger.py") == []
