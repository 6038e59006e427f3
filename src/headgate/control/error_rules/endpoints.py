"""HTTP of error passthrough rules."""

from collections.abc import Sequence

from headgate.control.error_rules.schemas import RuleCreate, RuleUpdate, RuleView
from headgate.control.error_rules.service import ErrorRuleService
from headgate.control.web.envelope import MessageView
from headgate.control.web.fields import IdPath
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("/admin/error-passthrough-rules", tag="error passthrough rules")


@routes.route("GET", "", Permission.READ)
async def list_rules(work: CurrentWork) -> Sequence[RuleView]:
    """What clients are shown of certain refusals, in the order in which the rules are asked."""
    return [RuleView.model_validate(row) for row in await ErrorRuleService(work).all()]


@routes.route("POST", "", Permission.OPERATE, status=201)
async def create_rule(body: RuleCreate, work: CurrentWork) -> RuleView:
    """Add a rule."""
    return RuleView.model_validate(await ErrorRuleService(work).create(body))


@routes.route("GET", "/{rule_id}", Permission.READ)
async def get_rule(rule_id: IdPath, work: CurrentWork) -> RuleView:
    """One rule."""
    return RuleView.model_validate(await ErrorRuleService(work).get(rule_id))


@routes.route("PUT", "/{rule_id}", Permission.OPERATE)
async def update_rule(rule_id: IdPath, body: RuleUpdate, work: CurrentWork) -> RuleView:
    """Change a rule; absent fields stay."""
    return RuleView.model_validate(await ErrorRuleService(work).update(rule_id, body))


@routes.route("DELETE", "/{rule_id}", Permission.OPERATE)
async def delete_rule(rule_id: IdPath, work: CurrentWork) -> MessageView:
    """Delete a rule."""
    await ErrorRuleService(work).delete(rule_id)
    return MessageView(message="error passthrough rule deleted")
