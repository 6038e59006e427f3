"""Refusals that users meet have a sentence in every language of the web app (issue 6)."""

import re
from pathlib import Path

import pytest

from headgate.core.dialects.auth_codes import CODES
from headgate.kit import json

ROOT = Path(__file__).resolve().parents[1]
CONTROL = ROOT / "src/headgate/control"
REASON = r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"|reason="([A-Z0-9]+)"'
"""However it is raised: as a default, a constant, an argument."""
PLACES = (CONTROL, *(ROOT / "src/headgate" / name for name in ("setup", "errors.py", "upstream/mail.py")))
NOT_SHOWN = frozenset((
    # the page acts on it
    "OAUTH_INVITATION_REQUIRED", "REFRESH_TOKEN_ROTATED", "SETUP_REQUIRED",
    # what the web app does not send
    "EMPTY_TOKEN", "INVALID_ADMIN_KEY", "INVALID_AUTH_HEADER", "TOKEN_TOO_LARGE", "UNKNOWN_FIELD",
    # why a job or a letter ended, which is no answer to a request
    "JOB_KIND_UNKNOWN", "JOB_TIMEOUT", "JOB_UNREADABLE", "MAIL_TOO_LATE", "MAIL_UNREADABLE",
    # names of constants
    "MAX_DEPTH", "MAX_ID",
))  # fmt: skip


def _messages(language: str, name: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(
        (ROOT / f"web/src/i18n/{language}/{name}.json").read_bytes()
    )
    return found


def _reasons(pattern: str, *places: Path) -> set[str]:
    files = [path for place in places for path in (place.rglob("*.py") if place.is_dir() else [place])]
    return {match[match.lastindex or 0] for path in files for match in re.finditer(pattern, path.read_text())}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_refusals_of_the_data_plane_have_a_sentence(language: str) -> None:
    admission = _reasons(r'"([A-Z]+(?:_[A-Z]+)+)"', ROOT / "src/headgate/core/limits/admission.py")
    wanted = set(CODES.values()) | admission | {"rate_limit_exceeded"}
    assert len(wanted) > 15
    assert wanted - set(_messages(language, "refusals")["gateway"]) == set()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_refusals_of_the_management_plane_have_a_sentence(language: str) -> None:
    wanted = _reasons(REASON, *PLACES)
    assert wanted > NOT_SHOWN, "an exception is no longer needed"
    assert len(wanted) > 150
    has = set(_messages(language, "refusals")["management"]) | set(_messages(language, "auth")["reason"])
    assert wanted - NOT_SHOWN - has == set()


def test_a_sentence_in_chinese_is_chinese() -> None:
    said = _messages("zh", "refusals")["management"]
    assert [reason for reason, sentence in said.items() if not re.search("[\u4e00-\u9fff]", sentence)] == []
