"""Other clients go where a group for Claude Code alone sends them (spec 3.1)."""

from typing import Any

import pytest

from headgate.core.client_rules.group_chain import group_for_others
from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import GroupId
from headgate.core.world import Group, Provider


def group(number: int, fallback: int | None = None, **more: Any) -> Group:
    facts = {"is_claude_code_only": True, "provider": Provider.ANTHROPIC, **more}
    following = None if fallback is None else GroupId(fallback)
    return Group(id=GroupId(number), name=str(number), fallback=following, **facts)


def served_by(*groups: Group) -> int | str:
    known = {each.id: each for each in groups}
    found = group_for_others(groups[0], known.get)
    if isinstance(found, Fault):
        assert found.kind is FaultKind.CLIENT_NOT_ALLOWED
        assert found.kind.http_status == 503
        return found.message.removeprefix("This group only allows Claude Code clients").lstrip(", ")
    return found.id


def test_a_group_for_everybody_serves_itself() -> None:
    assert served_by(group(1, 2, is_claude_code_only=False), group(2)) == 1


def test_the_chain_is_followed_to_the_first_group_for_everybody() -> None:
    assert served_by(group(1, 2), group(2, 3), group(3, is_claude_code_only=False)) == 3


@pytest.mark.parametrize(
    ("groups", "why"),
    [
        ((group(1),), ""),
        ((group(1, 2), group(2)), ""),
        ((group(1, 1),), "and its fallbacks form a circle"),
        ((group(1, 2), group(2, 1)), "and its fallbacks form a circle"),
        ((group(1, 9),), "and its fallback is not available"),
        ((group(1, 2), group(2, is_active=False)), "and its fallback is not available"),
        ((group(1, 2), group(2, provider=Provider.OPENAI)), "and its fallback is not available"),
    ],
)
def test_without_an_end_of_the_chain_it_is_refused_and_told_why(groups: tuple[Group, ...], why: str) -> None:
    assert served_by(*groups) == why
