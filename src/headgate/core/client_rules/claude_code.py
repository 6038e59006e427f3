"""Recognising the Claude Code client by what it says about itself, and the versions that may come in (spec
2.4).

Knows: its user agent, the headers and metadata that it always sends, its start-up probe. Refuses to know:
what a group does about it. Invariants: recognition reads and never writes, so nothing here can make one
client look like another; it is a rule of order, no proof of identity (anybody can send these headers).
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from headgate.core.dialects.contract import Operation, Peek, Target
from headgate.core.faults import Fault, FaultKind
from headgate.core.routing.affinity import claude_session_id
from headgate.core.world import Dialect

MIN_VERSION_SETTING, MAX_VERSION_SETTING = "min_claude_code_version", "max_claude_code_version"
_AGENT = re.compile(r"claude-cli/(\d{1,6})\.(\d{1,6})\.(\d{1,6})", re.ASCII | re.IGNORECASE)
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})", re.ASCII)
_ALWAYS_SENT = ("x-app", "anthropic-beta", "anthropic-version")


class Version(NamedTuple):
    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


class VersionBounds(NamedTuple):
    """Versions that may come in, both ends included; None: no bound."""

    lowest: Version | None = None
    highest: Version | None = None


def parse_version(text: str) -> Version | None:
    """`1.2.3` and nothing else."""
    found = _VERSION.fullmatch(text.strip())
    return None if found is None else _version(found)


def bounds_from(settings: Mapping[str, str]) -> VersionBounds:
    """As an operator set them; what cannot be read is no bound."""
    lowest, highest = settings.get(MIN_VERSION_SETTING, ""), settings.get(MAX_VERSION_SETTING, "")
    return VersionBounds(parse_version(lowest), parse_version(highest))


def claude_code_version(headers: Mapping[str, str], target: Target, peek: Peek) -> Version | None:
    """The version of the Claude Code that sent this; None: it is another client.

    Counting tokens carries no metadata, so its headers alone speak; so do those of other dialects."""
    agent = _AGENT.match(headers.get("user-agent", ""))
    if agent is None:
        return None
    is_message = target.dialect is Dialect.ANTHROPIC_MESSAGES and target.operation is Operation.GENERATE
    if is_message and not (is_probe(peek) or _says_who_it_is(headers, peek)):
        return None
    return _version(agent)


def is_probe(peek: Peek) -> bool:
    """The smallest possible question, with which it looks whether anybody is there."""
    return peek.max_output_tokens == 1 and "haiku" in peek.model and not peek.is_stream


def version_fault(version: Version, bounds: VersionBounds, target: Target) -> Fault | None:
    """Why this version may not come in; None: it may. Counting tokens is never refused."""
    if target.operation is Operation.COUNT:
        return None
    lowest, highest = bounds
    if lowest is not None and version < lowest:
        hint = f"is older than {lowest}, the oldest that may be used here; upgrade it"
    elif highest is not None and version > highest:
        hint = f"is newer than {highest}, the newest that may be used here; install that version"
    else:
        return None
    return Fault(kind=FaultKind.REQUEST_INVALID, message=f"Claude Code {version} {hint}")


def _says_who_it_is(headers: Mapping[str, str], peek: Peek) -> bool:
    return all(headers.get(name, "").strip() for name in _ALWAYS_SENT) and bool(
        claude_session_id(peek.metadata_user_id)
    )


def _version(found: re.Match[str]) -> Version:
    return Version(int(found[1]), int(found[2]), int(found[3]))
