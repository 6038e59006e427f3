"""The migration files as they lie in the folder: of two that were written at once only one can be next."""

import re
from pathlib import Path

import headgate.storage.migrations.versions as versions

FILES = sorted(Path(versions.__path__[0]).glob("[0-9]*.py"))


def said(path: Path, name: str) -> str:
    found = re.search(rf'^{name} = "?(\w+)"?$', path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, path.name
    return found[1]


def test_revisions_are_one_line_in_the_order_of_their_files():
    revisions = [said(path, "revision") for path in FILES]
    assert revisions == [path.name[:4] for path in FILES]
    assert len(set(revisions)) == len(revisions)
    assert [said(path, "down_revision") for path in FILES] == ["None", *revisions[:-1]]
