"""Refusals that users meet have a sentence in every language of the web app (issue 6)."""

import re
from pathlib import Path

import pytest

from headgate.core.dialects.auth_codes import CODES
from headgate.kit import json

ROOT = Path(__file__).resolve().parents[1]
CONTROL = ROOT / "src/headgate/control"
ACTED_ON = frozenset(("OAUTH_INVITATION_REQUIRED", "REFRESH_TOKEN_ROTATED", "UNKNOWN_FIELD"))
"""Never shown as a sentence: the page acts on it, or does not send what is refused so."""


def _messages(language: str, name: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(
        (ROOT / f"web/src/i18n/{language}/{name}.json").read_bytes()
    )
    return found


def _reasons(pattern: str, *places: Path) -> set[str]:
    files = [path for place in places for path in (place.rglob("*.py") if place.is_dir() else [place])]
    return {code for path in files for code in re.findall(pattern, path.read_text())}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_refusals_of_the_data_plane_have_a_sentence(language: str) -> None:
    admission = _reasons(r'"([A-Z]+(?:_[A-Z]+)+)"', ROOT / "src/headgate/core/limits/admission.py")
    wanted = set(CODES.values()) | admission | {"rate_limit_exceeded"}
    assert len(wanted) > 15
    assert wanted - set(_messages(language, "refusals")["gateway"]) == set()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_refusals_of_the_management_plane_have_a_sentence(language: str) -> None:
    wanted = _reasons(r'reason="([A-Z0-9_]+)"', CONTROL)
    assert wanted > ACTED_ON, "an exception is no longer needed"
    assert len(wanted) > 120
    has = set(_messages(language, "refusals")["management"]) | set(_messages(language, "auth")["reason"])
    assert wanted - ACTED_ON - has == set()


def test_a_sentence_in_chinese_is_chinese() -> None:
    said = _messages("zh", "refusals")["management"]
    assert [reason for reason, sentence in said.items() if not re.search("[\u4e00-\u9fff]", sentence)] == []
