"""Writes the next migration as a draft: what the models have and the newest migration does not.

`make migration m="add plans"`. The comparison runs against an empty SQLite database in memory. The draft must
be read and finished by hand: types spelled out, data moved, `downgrade` right, both databases tried
(`tests/storage`).
"""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "src/headgate/storage/migrations"


def draft(scripts: Path, message: str) -> Path:
    """Write `versions/NNNN_<message>.py` into the folder of migrations and return its path."""
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")
    engine.dispose()
    return next((scripts / "versions").glob(f"{number:04}_*.py"))


def main() -> int:
    message = " ".join(sys.argv[1:]).strip()
    if not message:
        print('say what changes: make migration m="add plans"')
        return 2
    print(f"wrote {draft(SCRIPTS, message).relative_to(ROOT)}; read it, finish it, try it on both databases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
