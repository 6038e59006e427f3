"""HTTP of settings and the admin key."""

from importlib.metadata import PackageNotFoundError, version

from headgate.control.auth.turnstile import change_turnstile, probe_turnstile, view_turnstile
from headgate.control.embed.pages import change_pages, view_pages
from headgate.control.mail.settings import DEFAULT_SITE_NAME, change_mail_settings, view_mail_settings
from headgate.control.oauth.providers import all_providers
from headgate.control.registration.policy import change_registration, registration_policy, view_registration
from headgate.control.settings.admin_key import delete_admin_key, read_admin_key, regenerate_admin_key
from headgate.control.settings.branding import change_branding, view_branding
from headgate.control.settings.client_versions import change_client_versions, view_client_versions
from headgate.control.settings.new_users import change_new_users, view_new_users
from headgate.control.settings.schemas import (
    AdminKeyStatus,
    AdminSettings,
    NewAdminKey,
    OauthButton,
    PublicSettings,
    SettingsBody,
)
from headgate.control.settings.spending_bounds import SpendingBounds, spending_bounds
from headgate.control.settings.switches import (
    BACKEND_MODE,
    INVITATION_CODES,
    PROMO_CODES,
    PUBLIC_MODELS,
    STATUS_PAGE,
    TOTP,
    is_switched_on,
    switch,
)
from headgate.control.settings.values import read_text
from headgate.control.subscriptions.defaults import read_defaults, replace_defaults
from headgate.control.web.envelope import MessageView
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work

routes = RouteTable("", tag="settings")


@routes.route("GET", "/settings/public", Permission.PUBLIC)
async def public_settings(work: CurrentWork) -> PublicSettings:
    """What the login page needs before anybody is known."""
    settings = work.deps.settings
    policy = await registration_policy(work.session)
    turnstile = await view_turnstile(work)
    providers = [found for found in await all_providers(work.session) if found.enabled]
    pages = await view_pages(work.session)
    return PublicSettings(
        purchase_subscription_enabled=pages.purchase_subscription_enabled,
        purchase_subscription_url=pages.purchase_subscription_url,
        custom_menu_items=[item for item in pages.custom_menu_items if item.visibility == "user"],
        oauth_providers=[OauthButton(slug=found.slug, name=found.name) for found in providers],
        turnstile_enabled=turnstile.turnstile_enabled,
        turnstile_site_key=turnstile.turnstile_site_key,
        linuxdo_oauth_enabled=any(found.slug == "linuxdo" for found in providers),
        version=_version(),
        api_base_url=settings.server.public_url,
        run_mode=settings.run_mode,
        **policy.switches,
        registration_email_suffix_whitelist=policy.domains,
        registration_user_limit=policy.user_limit,
        totp_enabled=await is_switched_on(work.session, TOTP),
        backend_mode_enabled=await is_switched_on(work.session, BACKEND_MODE),
        public_models_enabled=await is_switched_on(work.session, PUBLIC_MODELS),
        status_page_enabled=await is_switched_on(work.session, STATUS_PAGE),
        site_name=await read_text(work.session, "site_name", DEFAULT_SITE_NAME),
        **(await view_branding(work.session)).model_dump(),
    )


@routes.route("GET", "/admin/settings", Permission.READ)
async def admin_settings(work: CurrentWork) -> AdminSettings:
    """What can be changed while the gateway runs."""
    return await _settings(work)


@routes.route("PUT", "/admin/settings", Permission.ADMIN)
async def change_settings(body: SettingsBody, work: CurrentWork, deps: Deps) -> AdminSettings:
    """Change settings; absent ones stay."""
    await probe_turnstile(deps, body)
    await store_settings(body, work)
    return await _settings(work)


async def store_settings(body: SettingsBody, work: Work) -> None:
    """Without asking anybody outside whether a secret is good. Raises INVALID_INPUT and what single settings
    raise."""
    if body.default_subscriptions is not None:
        await replace_defaults(work, body.default_subscriptions)
    await change_mail_settings(work, body)
    await change_registration(work, body)
    await change_turnstile(work, body)
    await change_client_versions(work, body)
    await change_pages(work, body)
    await change_branding(work, body)
    await change_new_users(work, body)
    wanted = {
        PROMO_CODES: body.promo_code_enabled,
        INVITATION_CODES: body.invitation_code_enabled,
        TOTP: body.totp_enabled,
        BACKEND_MODE: body.backend_mode_enabled,
        PUBLIC_MODELS: body.public_models_enabled,
        STATUS_PAGE: body.status_page_enabled,
    }
    for key, on in wanted.items():
        if on is not None:
            await switch(work, key, on=on)


@routes.route("GET", "/admin/settings/spending-bounds", Permission.AMOUNTS)
async def read_spending_bounds(work: CurrentWork, deps: Deps) -> SpendingBounds:
    """How far spending can pass a limit, stated per group and as measured since the start."""
    return await spending_bounds(work, deps)


@routes.route("GET", "/admin/settings/admin-api-key", Permission.SECRETS)
async def admin_key_status(work: CurrentWork) -> AdminKeyStatus:
    """Whether there is an admin key, and its mask."""
    stored = await read_admin_key(work.session)
    return AdminKeyStatus(exists=stored is not None, masked_key=stored.mask if stored else "")


@routes.route("POST", "/admin/settings/admin-api-key/regenerate", Permission.SECRETS)
async def regenerate(work: CurrentWork) -> NewAdminKey:
    """Make a new admin key; the old one stops working. The key is shown once, in this response."""
    return NewAdminKey(key=await regenerate_admin_key(work))


@routes.route("DELETE", "/admin/settings/admin-api-key", Permission.SECRETS)
async def delete(work: CurrentWork) -> MessageView:
    """Switch key access to the admin API off."""
    await delete_admin_key(work.session)
    return MessageView(message="admin API key deleted")


async def _settings(work: Work) -> AdminSettings:
    session = work.session
    return AdminSettings(
        **(await view_mail_settings(work)).model_dump(),
        **(await view_registration(work)).model_dump(),
        **(await view_turnstile(work)).model_dump(),
        **(await view_client_versions(session)).model_dump(),
        **(await view_pages(session)).model_dump(),
        **(await view_branding(session)).model_dump(),
        **(await view_new_users(work)).model_dump(),
        default_subscriptions=await read_defaults(session),
        promo_code_enabled=await is_switched_on(session, PROMO_CODES),
        invitation_code_enabled=await is_switched_on(session, INVITATION_CODES),
        totp_enabled=await is_switched_on(session, TOTP),
        backend_mode_enabled=await is_switched_on(session, BACKEND_MODE),
        public_models_enabled=await is_switched_on(session, PUBLIC_MODELS),
        status_page_enabled=await is_switched_on(session, STATUS_PAGE),
    )


def _version() -> str:
    try:
        return version("headgate")
    except PackageNotFoundError:  # running from a source tree that was never installed
        return "0+source"
