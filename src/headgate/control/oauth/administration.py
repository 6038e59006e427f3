"""HTTP of setting identity providers up (spec 7.8, 8.8)."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import Path

from headgate.control.oauth.conversation import Conversation, ProviderFailed
from headgate.control.oauth.endpoints import callback_url
from headgate.control.oauth.providers import (
    PRESETS,
    Provider,
    ProviderBody,
    ProviderView,
    addresses_of,
    all_providers,
    checked_provider,
    delete_provider,
    find_provider,
    has_client_secret,
    put_provider,
)
from headgate.control.oauth.schemas import CheckView
from headgate.control.registration.policy import link_base, registration_policy
from headgate.control.web.envelope import MessageView
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work
from headgate.errors import BadRequest

routes = RouteTable("/admin/settings/oauth-providers", tag="settings")
Slug = Annotated[str, Path(max_length=32)]


@routes.route("GET", "", Permission.READ)
async def list_providers(work: CurrentWork) -> Sequence[ProviderView]:
    """All identity providers, without their secrets."""
    return [await _view(work, provider) for provider in await all_providers(work.session)]


@routes.route("GET", "/presets", Permission.READ)
async def presets() -> Mapping[str, Mapping[str, object]]:
    """What is filled in by itself for well-known providers under these slugs."""
    return PRESETS


@routes.route("PUT", "/{slug}", Permission.SECRETS)
async def put(slug: Slug, body: ProviderBody, work: CurrentWork, deps: Deps) -> ProviderView:
    """Add or replace a provider. An absent client secret stays, unless the provider moves."""
    for url in addresses_of(checked_provider(slug, body)):
        if problem := await deps.web.problem_with(url):
            raise BadRequest(f"the address cannot be used: {problem}")
    return await _view(work, await put_provider(work, slug, body))


@routes.route("POST", "/{slug}/check", Permission.SECRETS)
async def check(slug: Slug, work: CurrentWork, deps: Deps) -> CheckView:
    """Ask the provider where it answers. Raises OAUTH_CONFIG_INVALID when it does not say."""
    provider = await find_provider(work.session, slug)
    await work.release_connection()
    try:
        places = await Conversation(deps, provider).places()
    except ProviderFailed as failed:
        raise BadRequest(failed.message, reason="OAUTH_CONFIG_INVALID") from None
    return CheckView(
        authorize_url=places.authorize_url, token_url=places.token_url, userinfo_url=places.userinfo_url
    )


@routes.route("DELETE", "/{slug}", Permission.SECRETS)
async def delete(slug: Slug, work: CurrentWork) -> MessageView:
    """Nobody signs in through it any more; users stay."""
    await delete_provider(work, slug)
    return MessageView(message="provider deleted")


async def _view(work: Work, provider: Provider) -> ProviderView:
    base = link_base(work, await registration_policy(work.session))
    return ProviderView(
        **provider.model_dump(),
        client_secret_configured=await has_client_secret(work.session, provider.slug),
        callback_url=callback_url(base, provider.slug),
    )
