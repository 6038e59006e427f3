"""Settings about requests to Anthropic: features by `anthropic-beta`, and mending of refused thinking (spec
2.4, 8.8)."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from pydantic import Field

from headgate.control.settings.values import read_texts, write_text
from headgate.control.web.fields import RequestBody
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.core.client_rules.beta_policy import (
    BETA_POLICY_SETTING,
    MAX_RULES,
    BetaAction,
    BetaPolicy,
    BetaRule,
    BetaScope,
    beta_policy_from,
)
from headgate.core.client_rules.rectifiers import (
    RECTIFIER_SETTING,
    RectifierSettings,
    rectifier_settings_from,
)
from headgate.errors import BadRequest

routes = RouteTable("/admin/settings", tag="settings")


class RectifierBody(RequestBody):
    enabled: bool
    thinking_signature_enabled: bool = True
    """Thinking that another account signed becomes text, and the request is tried again."""
    thinking_budget_enabled: bool = True
    """A thinking budget below the minimum is raised, never beyond the client's output limit."""


class BetaRuleBody(RequestBody):
    beta_token: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")]
    action: BetaAction
    scope: BetaScope = BetaScope.ALL
    """`oauth`: accounts with a bearer token of any kind."""
    error_message: Annotated[str, Field(max_length=500)] | None = None
    """Of `block`; a default without it."""


class BetaPolicyBody(RequestBody):
    rules: Annotated[Sequence[BetaRuleBody], Field(max_length=MAX_RULES)]


@routes.route("GET", "/rectifier", Permission.READ)
async def read_rectifier(work: CurrentWork) -> RectifierBody:
    """Whether requests are mended that were refused for a formality of thinking."""
    stored = (await read_texts(work.session, (RECTIFIER_SETTING,))).get(RECTIFIER_SETTING)
    return RectifierBody(**msgspec.structs.asdict(rectifier_settings_from(stored)))


@routes.route("PUT", "/rectifier", Permission.ADMIN)
async def change_rectifier(body: RectifierBody, work: CurrentWork) -> RectifierBody:
    """Change it."""
    value = RectifierSettings(**body.model_dump())
    await write_text(work, RECTIFIER_SETTING, msgspec.json.encode(value).decode())
    work.touch_directory()
    return body


@routes.route("GET", "/beta-policy", Permission.READ)
async def read_beta_policy(work: CurrentWork) -> BetaPolicyBody:
    """Which features go to the provider."""
    stored = (await read_texts(work.session, (BETA_POLICY_SETTING,))).get(BETA_POLICY_SETTING)
    rules = beta_policy_from(stored).rules
    return BetaPolicyBody(
        rules=[
            BetaRuleBody(**msgspec.structs.asdict(rule) | {"error_message": rule.error_message or None})
            for rule in rules
        ]
    )


@routes.route("PUT", "/beta-policy", Permission.ADMIN)
async def change_beta_policy(body: BetaPolicyBody, work: CurrentWork) -> BetaPolicyBody:
    """Replace the rules; of several that concern a feature the first one decides."""
    seen = set()
    for rule in body.rules:
        if (rule.beta_token, rule.scope) in seen:
            raise BadRequest(f"rules: {rule.beta_token} has two rules for scope {rule.scope.value}")
        seen.add((rule.beta_token, rule.scope))
    rules = tuple(
        BetaRule(**{**rule.model_dump(), "error_message": rule.error_message or ""}) for rule in body.rules
    )
    await write_text(work, BETA_POLICY_SETTING, msgspec.json.encode(BetaPolicy(rules=rules)).decode())
    work.touch_directory()
    return body
