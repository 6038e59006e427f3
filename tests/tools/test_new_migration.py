import shutil
from pathlib import Path

import pytest

from tools.new_migration import SCRIPTS, draft


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    shutil.copytree(SCRIPTS, tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "migrations"


def test_the_draft_gets_the_next_number_and_follows_the_newest(scripts: Path) -> None:
    newest = sorted((scripts / "versions").glob("0*.py"))[-1].name[:4]
    written = draft(scripts, "add plans")
    assert written.name == f"{int(newest) + 1:04}_add_plans.py"
    assert f'down_revision = "{newest}"' in written.read_text(encoding="utf-8").replace("'", '"')


def test_models_and_migrations_agree_so_a_draft_is_empty(scripts: Path) -> None:
    text = draft(scripts, "nothing").read_text(encoding="utf-8")
    assert text.count("op.") == 0, "the models changed: write a migration"
