"""The promises of docs/decisions/0008: exact, hashed, without addresses."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
PINNED = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: Path) -> dict[str, str]:
    return dict(PINNED.findall(lock.read_text(encoding="utf-8")))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_no_registry(lock: Path) -> None:
    assert not re.search(r"://|--(extra-)?index-url|--find-links", lock.read_text(encoding="utf-8"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_requirement_is_exact_and_hashed(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) == len(PINNED.findall(text)) > 0
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_development_lock_holds_the_runtime_lock_version_for_version() -> None:
    development = pins(ROOT / "requirements/dev.lock")
    runtime = pins(ROOT / "requirements/runtime.lock")
    assert {name: development.get(name) for name in runtime} == runtime


def test_every_dependency_that_we_declare_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = {
        normal(re.split(r"[^A-Za-z0-9._-]", entry, maxsplit=1)[0])
        for entry in project["project"]["dependencies"]
    }
    assert names <= pins(ROOT / "requirements/runtime.lock").keys()
