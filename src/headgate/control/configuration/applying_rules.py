"""Making rules and identity providers as a plan says, in the caller's transaction."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from headgate.control.configuration.differences import Action, Change
from headgate.control.configuration.document import ERROR_RULES, PROVIDERS, RULES, invalid
from headgate.control.configuration.planning import Planned
from headgate.control.error_rules.schemas import RuleCreate
from headgate.control.error_rules.service import ErrorRuleService
from headgate.control.oauth.providers import ProviderBody, put_provider
from headgate.control.settings.health_rules import (
    OverloadCooldown,
    StreamTimeout,
    change_overload_cooldown,
    change_stream_timeout,
)
from headgate.control.settings.request_rules import (
    BetaPolicyBody,
    RectifierBody,
    change_beta_policy,
    change_rectifier,
)
from headgate.control.work import Work

SecretOf = Callable[[str | None], str | None]
"""The value behind a reference; None: the database's own stays."""


async def apply_rules(
    work: Work, planned: Planned, ids: MutableMapping[tuple[str, str], int], secret_of: SecretOf
) -> None:
    """Raises what the services raise, and CONFIG_INVALID for a provider that is not whole."""
    for change in planned.changes:
        if change.action in (Action.DELETE, Action.LEFT):
            continue
        match change.section:
            case str(section) if section == ERROR_RULES:
                await _error_rule(work, change, planned, ids)
            case str(section) if section == RULES:
                await _rule(work, change, planned)
            case str(section) if section == PROVIDERS:
                await _provider(work, change, planned, secret_of)


def given(change: Change) -> dict[str, Any]:
    return {field.name: field.after for field in change.fields}


def _whole(change: Change, planned: Planned) -> dict[str, Any]:
    """All that it is and shall be."""
    before = planned.current.document.items(change.section).get(change.name, {})
    return {**before, **given(change)}


async def _error_rule(
    work: Work, change: Change, planned: Planned, ids: MutableMapping[tuple[str, str], int]
) -> None:
    body = RuleCreate(name=change.name, **_whole(change, planned))
    service = ErrorRuleService(work)
    if change.action is Action.ADD:
        ids[ERROR_RULES, change.name] = (await service.create(body)).id
    else:
        await service.replace(ids[ERROR_RULES, change.name], body)


async def _rule(work: Work, change: Change, planned: Planned) -> None:
    fields = _whole(change, planned)
    match change.name:
        case "overload_cooldown":
            await change_overload_cooldown(OverloadCooldown(**fields), work)
        case "stream_timeout":
            await change_stream_timeout(StreamTimeout(**fields), work)
        case "rectifier":
            await change_rectifier(RectifierBody(**fields), work)
        case _:
            await change_beta_policy(BetaPolicyBody(**fields), work)


async def _provider(work: Work, change: Change, planned: Planned, secret_of: SecretOf) -> None:
    """The client secret goes along whenever it is at hand: a provider that moves needs it again."""
    fields = _whole(change, planned)
    for name in ("name", "client_id"):
        if name not in fields:
            raise invalid(f"{PROVIDERS}.{change.name}", f"is new and needs a `{name}`")
    reference = _reference(planned.wanted.items(PROVIDERS)[change.name])
    fields["client_secret"] = secret_of(reference) or ""
    await put_provider(work, change.name, ProviderBody(**fields))


def _reference(fields: Mapping[str, Any]) -> str | None:
    found: str | None = fields.get("client_secret")
    return found
