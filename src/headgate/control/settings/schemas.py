"""Bodies and answers of the settings slice (spec 7.10, 7.14, 8.8)."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from headgate.control.auth.turnstile import TurnstileFields, TurnstileView
from headgate.control.embed.pages import MenuItem, PageFields, PagesView
from headgate.control.mail.settings import MailFields, MailSettingsView
from headgate.control.registration.policy import RegistrationFields, RegistrationView
from headgate.control.settings.branding import BrandingFields, BrandingView
from headgate.control.settings.client_versions import ClientVersionFields, ClientVersionView
from headgate.control.settings.new_users import NewUserFields, NewUserView
from headgate.control.subscriptions.defaults import DefaultSubscription
from headgate.control.subscriptions.terms import MAX_DAYS
from headgate.control.web.fields import MAX_ID


class AdminKeyStatus(BaseModel):
    exists: bool
    masked_key: str


class NewAdminKey(BaseModel):
    key: str
    """Shown once."""


class DefaultSubscriptionEntry(DefaultSubscription):
    group_id: Annotated[int, Field(ge=1, le=MAX_ID)]
    validity_days: Annotated[int, Field(ge=1, le=MAX_DAYS)]


class SettingsBody(
    MailFields,
    RegistrationFields,
    TurnstileFields,
    ClientVersionFields,
    PageFields,
    BrandingFields,
    NewUserFields,
):
    """Absent settings stay."""

    default_subscriptions: Annotated[list[DefaultSubscriptionEntry], Field(max_length=100)] | None = None
    promo_code_enabled: bool | None = None
    invitation_code_enabled: bool | None = None
    totp_enabled: bool | None = None
    backend_mode_enabled: bool | None = None
    public_models_enabled: bool | None = None
    status_page_enabled: bool | None = None


class AdminSettings(
    MailSettingsView,
    RegistrationView,
    TurnstileView,
    ClientVersionView,
    PagesView,
    BrandingView,
    NewUserView,
):
    """What can be changed while the gateway runs. The rest is boot configuration."""

    default_subscriptions: Sequence[DefaultSubscription]
    promo_code_enabled: bool
    invitation_code_enabled: bool
    totp_enabled: bool
    backend_mode_enabled: bool
    public_models_enabled: bool
    status_page_enabled: bool


class OauthButton(BaseModel):
    """A provider that people can sign in through, at `/auth/oauth/{slug}/start`."""

    slug: str
    name: str


class PublicSettings(BaseModel):
    """What a login page may know. Features that do not exist here are off."""

    registration_enabled: bool = False
    email_verify_enabled: bool = False
    promo_code_enabled: bool = False
    password_reset_enabled: bool = False
    registration_email_suffix_whitelist: Sequence[str] = ()
    registration_user_limit: int = 0
    oauth_registration_enabled: bool = False
    oauth_invitation_code_enabled: bool = False
    invitation_code_enabled: bool = False
    totp_enabled: bool = False
    turnstile_enabled: bool = False
    turnstile_site_key: str = ""
    site_name: str = "Headgate"
    site_logo: str = ""
    site_subtitle: str = ""
    api_base_url: str = ""
    contact_info: str = ""
    doc_url: str = ""
    home_content: str = ""
    purchase_subscription_enabled: bool = False
    purchase_subscription_url: str = ""
    custom_menu_items: Sequence[MenuItem] = ()
    """Those for users."""
    linuxdo_oauth_enabled: bool = False
    oauth_providers: Sequence[OauthButton] = ()
    backend_mode_enabled: bool = False
    public_models_enabled: bool = False
    status_page_enabled: bool = False
    run_mode: str = "standard"
    """Ours: in `simple` there is nothing to buy and nothing to top up."""
    version: str
