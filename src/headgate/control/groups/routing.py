"""Model routing of a group as it may be set (spec 8.3): patterns that can match, accounts that there are."""

from collections.abc import Mapping, Sequence

from headgate.control.groups.repository import GroupRepository
from headgate.core.routing.model_routing import pattern_fault
from headgate.errors import BadRequest


async def check_model_routing(
    groups: GroupRepository, platform: str, rules: Mapping[str, Sequence[int]]
) -> None:
    """Raises INVALID_INPUT with the pattern or account that is wrong. Accounts need not be in the group yet;
    until they are, the data plane ignores them."""
    for pattern in rules:
        if (fault := pattern_fault(pattern)) is not None:
            raise BadRequest(f"model_routing: pattern {pattern!r} {fault}")
    wanted = {account_id for accounts in rules.values() for account_id in accounts}
    platforms = await groups.platforms_of_accounts(wanted)
    for account_id in sorted(wanted):
        if account_id not in platforms:
            raise BadRequest(f"model_routing: account {account_id} does not exist")
        if platforms[account_id] != platform:
            raise BadRequest(
                f"model_routing: account {account_id} is of platform {platforms[account_id]}, not {platform}"
            )
