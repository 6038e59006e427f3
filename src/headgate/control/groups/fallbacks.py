"""Where a group's requests may go instead (spec 8.3): the target exists, differs, makes no circle."""

from headgate.control.groups.repository import GroupRepository
from headgate.errors import BadRequest, NotFound
from headgate.storage.models import GroupRow

MAX_CHAIN = 20


async def check_fallbacks(groups: GroupRepository, row: GroupRow) -> None:
    """Raises INVALID_INPUT with the rule that is broken."""
    if row.fallback_group_id is not None:
        await _check_chain(groups, row, row.fallback_group_id)
    if row.fallback_group_id_on_invalid_request is not None:
        await _check_invalid_request(groups, row, row.fallback_group_id_on_invalid_request)


async def _check_chain(groups: GroupRepository, row: GroupRow, target_id: int) -> None:
    target = await _target(groups, row, target_id)
    if target.claude_code_only:
        raise BadRequest("the fallback group must not be limited to Claude Code itself")
    seen = {row.id, target.id}
    following = target.fallback_group_id
    while following is not None:
        if following in seen or len(seen) > MAX_CHAIN:
            raise BadRequest("the fallback groups form a circle")
        seen.add(following)
        following = (await groups.get(following)).fallback_group_id


async def _check_invalid_request(groups: GroupRepository, row: GroupRow, target_id: int) -> None:
    if row.platform != "anthropic" or row.subscription_type != "standard":
        raise BadRequest("only standard groups of platform anthropic have a fallback on invalid requests")
    target = await _target(groups, row, target_id)
    if target.platform != "anthropic" or target.subscription_type != "standard":
        raise BadRequest("the fallback on invalid requests must be a standard group of platform anthropic")
    if target.fallback_group_id_on_invalid_request is not None:
        raise BadRequest("the fallback on invalid requests must not have such a fallback itself")


async def _target(groups: GroupRepository, row: GroupRow, target_id: int) -> GroupRow:
    if target_id == row.id:
        raise BadRequest("a group cannot be its own fallback")
    try:
        return await groups.get(target_id)
    except NotFound:
        raise BadRequest(f"fallback group {target_id} does not exist") from None
