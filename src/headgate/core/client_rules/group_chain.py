"""Which group serves a client that the key's own group does not (spec 3.1).

Knows: groups for Claude Code alone, and their fallbacks. Refuses to know: how a client is recognised, where
groups are stored. Invariant: ends for every configuration, also for circles.
"""

from collections.abc import Callable

from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import GroupId
from headgate.core.world import Group

Finder = Callable[[GroupId], Group | None]


def group_for_others(group: Group, find: Finder) -> Group | Fault:
    """The group that serves clients other than Claude Code: the first along the fallbacks that is for
    everybody; itself, when it is."""
    seen = {group.id}
    here = group
    while here.is_claude_code_only:
        if here.fallback is None:
            return _refused("This group only allows Claude Code clients")
        if here.fallback in seen:
            return _refused("This group only allows Claude Code clients, and its fallbacks form a circle")
        seen.add(here.fallback)
        following = find(here.fallback)
        if following is None or not following.is_active or following.provider is not group.provider:
            return _refused("This group only allows Claude Code clients, and its fallback is not available")
        here = following
    return here


def _refused(message: str) -> Fault:
    return Fault(kind=FaultKind.CLIENT_NOT_ALLOWED, message=message)
