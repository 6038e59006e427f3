"""HTTP of signing in through a provider (spec 7.8).

The browser goes to `start`, to the provider, to `callback`, and arrives at the page
`/auth/{provider}/callback` with a `login_token` behind the #. The page sends it to `complete`. No token that
opens anything is ever in an address: the `login_token` works only in the browser that began.
"""

from typing import Annotated

from fastapi import Path, Query, Request, Response
from starlette.responses import RedirectResponse

from headgate.control.auth.endpoints import device_from, login_answer
from headgate.control.auth.proof import LIFETIME_S as PROOF_S
from headgate.control.auth.proof import ProofBody, proven_user
from headgate.control.auth.schemas import CookieLoginView, SecondStepView, TokenView
from headgate.control.auth.throttle import admit_login_step
from headgate.control.oauth.conversation import Conversation, ProviderFailed
from headgate.control.oauth.flow import (
    COOKIE,
    COOKIE_PATH,
    LIFETIME_S,
    Begun,
    authorize_address,
    begin,
    is_answer_to,
    opened,
    page_address,
    sealed,
)
from headgate.control.oauth.identities import IdentityRepository, usable_providers
from headgate.control.oauth.providers import Provider, find_provider, secret_of
from headgate.control.oauth.schemas import (
    CompleteBody,
    IdentityList,
    IdentityView,
    LinkBody,
    ProofView,
    Started,
)
from headgate.control.oauth.service import OauthSignIn, Proven, read_proven, remove_identity
from headgate.control.registration.policy import link_base, registration_policy
from headgate.control.users.repository import UserRepository
from headgate.control.web.address import address_of, is_https
from headgate.control.web.envelope import MessageView
from headgate.control.web.fields import IdPath
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work
from headgate.errors import Forbidden, Unavailable

routes = RouteTable("", tag="sign in through a provider")
Slug = Annotated[str, Path(max_length=32)]
Given = Annotated[str, Query(max_length=8000)]


@routes.route("GET", "/auth/oauth/{provider}/start", Permission.PUBLIC, status=302)
async def start(
    provider: Slug, work: CurrentWork, deps: Deps, request: Request, redirect: Given = ""
) -> Response:
    """Send the browser to the provider. `redirect` is the path of ours that it wants to see afterwards."""
    await admit_login_step(deps, "oauth-start", _address(work, request))
    found = await find_provider(work.session, provider)
    base = await _base(work)
    begun = begin(found, redirect)
    await work.release_connection()
    try:
        address = await _authorize(deps, found, begun, base)
    except ProviderFailed as failed:
        return _page(base, found.slug, _error(failed.code, failed.message))
    answer = RedirectResponse(address, status_code=302)
    _set_cookie(work, request, answer, begun)
    return answer


@routes.route("GET", "/auth/oauth/{provider}/callback", Permission.PUBLIC, status=302)
async def callback(
    provider: Slug,
    work: CurrentWork,
    deps: Deps,
    request: Request,
    code: Given = "",
    state: Given = "",
    iss: Given = "",
    error: Given = "",
) -> Response:
    """Where the provider sends the browser back: on to the page that takes over. Nothing is written."""
    await admit_login_step(deps, "oauth-callback", _address(work, request))
    found = await find_provider(work.session, provider)
    base = await _base(work)
    begun = _begun(work, request)
    if error:
        return _page(base, found.slug, _error("provider_error", error))
    if not code or not state:
        return _page(base, found.slug, _error("missing_params", "the provider sent no code"))
    if begun is None or not is_answer_to(begun, found, state=state, issuer=iss):
        return _page(base, found.slug, _error("invalid_state", "this browser did not begin this sign-in"))
    secret = await secret_of(work, found)
    await work.release_connection()
    try:
        identity = await Conversation(deps, found).identify(
            code, secret, begun, redirect_uri=_callback_url(base, found)
        )
    except ProviderFailed as failed:
        return _page(base, found.slug, _error(failed.code, failed.message))
    proven = Proven(
        slug=found.slug,
        binding=begun.binding,
        link_user=begun.link_user,
        purpose=begun.purpose,
        identity=identity,
    )
    fields = {"login_token": proven.sealed(work), "redirect": begun.target}
    return _page(base, found.slug, fields | ({begun.purpose: "1"} if begun.purpose else {}))


@routes.route("POST", "/auth/oauth/{provider}/complete", Permission.PUBLIC)
async def complete(
    provider: Slug, body: CompleteBody, work: CurrentWork, request: Request, response: Response
) -> TokenView | CookieLoginView | SecondStepView:
    """Begin a session with the `login_token` of the callback, or answer as a login with a second factor does.
    A newcomer becomes a user; `OAUTH_INVITATION_REQUIRED` asks for the same call with an invitation."""
    await admit_login_step(work.deps, "oauth-complete", _address(work, request))
    found = await find_provider(work.session, provider)
    proven = read_proven(work, body.login_token, slug=found.slug, binding=_binding(work, request))
    begun = await OauthSignIn(work, found).complete(
        proven, body.login_token, body.invitation_code, device_from(work, request)
    )
    response.delete_cookie(COOKIE, path=COOKIE_PATH)
    return begun if isinstance(begun, SecondStepView) else login_answer(begun, work, request, response)


@routes.route("GET", "/user/identities", Permission.USER)
async def own_identities(work: CurrentWork) -> IdentityList:
    """The providers that the caller signs in through."""
    user = await UserRepository(work.session).get(work.actor.user_id)
    rows = await IdentityRepository(work.session).of_user(user.id)
    shown = ("id", "provider", "username", "email", "created_at", "used_at")
    items = [IdentityView(**{name: getattr(row, name) for name in shown}) for row in rows]
    return IdentityList(items=items, has_password=bool(user.password_hash))


@routes.route("POST", "/user/identities/{provider}/start", Permission.USER)
async def start_link(
    provider: Slug, body: ProofBody, work: CurrentWork, deps: Deps, request: Request, response: Response
) -> Started:
    """Begin to add a provider to the caller's account; wants a proof. The browser goes to `authorize_url`."""
    await admit_login_step(deps, "oauth-start", _address(work, request))
    found = await find_provider(work.session, provider)
    begun = await _begin_own(work, found, purpose="link")
    address = await _way_to(work, deps, found, begun)
    await proven_user(work, body)
    _set_cookie(work, request, response, begun)
    return Started(authorize_url=address)


@routes.route("POST", "/user/identities/{provider}/prove", Permission.USER)
async def start_proof(
    provider: Slug, work: CurrentWork, deps: Deps, request: Request, response: Response
) -> Started:
    """Begin to prove who the caller is, by signing in at a linked provider once more. The browser goes to
    `authorize_url`."""
    await admit_login_step(deps, "oauth-start", _address(work, request))
    found = await find_provider(work.session, provider)
    if found.slug not in await usable_providers(work, work.actor.user_id):
        raise Forbidden("you do not sign in through this provider", reason="IDENTITY_NOT_LINKED")
    begun = await _begin_own(work, found, purpose="prove")
    address = await _way_to(work, deps, found, begun)
    _set_cookie(work, request, response, begun)
    return Started(authorize_url=address)


@routes.route("POST", "/auth/oauth/{provider}/prove", Permission.USER)
async def prove(provider: Slug, body: LinkBody, work: CurrentWork, request: Request) -> ProofView:
    """Exchange the `login_token` of the callback for a `proof_token`: good for changes in this session, for
    minutes."""
    await admit_login_step(work.deps, "oauth-complete", _address(work, request))
    found = await find_provider(work.session, provider)
    proven = read_proven(work, body.login_token, slug=found.slug, binding=_binding(work, request))
    token = await OauthSignIn(work, found).prove(proven, body.login_token)
    return ProofView(proof_token=token, expires_in=PROOF_S)


@routes.route("POST", "/auth/oauth/{provider}/link", Permission.USER)
async def link(provider: Slug, body: LinkBody, work: CurrentWork, request: Request) -> MessageView:
    """Add the provider with the `login_token` of the callback."""
    await admit_login_step(work.deps, "oauth-complete", _address(work, request))
    found = await find_provider(work.session, provider)
    proven = read_proven(work, body.login_token, slug=found.slug, binding=_binding(work, request))
    await OauthSignIn(work, found).link(proven, body.login_token)
    return MessageView(message="you can sign in through this provider now")


@routes.route("POST", "/user/identities/{identity_id}/remove", Permission.USER)
async def remove(identity_id: IdPath, body: ProofBody, work: CurrentWork) -> MessageView:
    """No longer sign in through it; wants a proof. The last one goes only with the password."""
    await remove_identity(work, identity_id, await proven_user(work, body))
    return MessageView(message="identity removed")


async def _begin_own(work: Work, provider: Provider, *, purpose: str) -> Begun:
    """Of somebody who is signed in already."""
    user = await UserRepository(work.session).get(work.actor.user_id)
    return begin(
        provider,
        "/profile",
        link_user=user.id,
        token_version=user.token_version,
        purpose=purpose,
        began_s=work.now_ms() // 1000,
    )


async def _way_to(work: Work, deps: Deps, provider: Provider, begun: Begun) -> str:
    """The provider's page; no connection is held while it is asked for. Raises OAUTH_CONFIG_INVALID."""
    base = await _base(work)
    await work.release_connection()
    try:
        return await _authorize(deps, provider, begun, base)
    except ProviderFailed as failed:
        raise Unavailable(failed.message, reason="OAUTH_CONFIG_INVALID") from None


async def _authorize(deps: Deps, provider: Provider, begun: Begun, base: str) -> str:
    places = await Conversation(deps, provider).places()
    return authorize_address(
        provider, places.authorize_url, begun, redirect_uri=_callback_url(base, provider)
    )


def _callback_url(base: str, provider: Provider) -> str:
    return callback_url(base, provider.slug)


def callback_url(base: str, slug: str) -> str:
    """What the provider must know us by; empty without a base."""
    return f"{base}{COOKIE_PATH}/{slug}/callback" if base else ""


async def _base(work: Work) -> str:
    """Of our addresses: configured, never the request's Host (PAINS S4). Raises OAUTH_CONFIG_INVALID."""
    base = link_base(work, await registration_policy(work.session))
    if not base:
        raise Unavailable(
            "the address of this installation is not set: frontend_url or server.public_url",
            reason="OAUTH_CONFIG_INVALID",
        )
    return base


def _begun(work: Work, request: Request) -> Begun | None:
    cookie = request.cookies.get(COOKIE, "")
    return opened(work.deps.vault, cookie, now_s=work.now_ms() // 1000) if len(cookie) < 8000 else None


def _binding(work: Work, request: Request) -> str:
    begun = _begun(work, request)
    return begun.binding if begun is not None else ""


def _set_cookie(work: Work, request: Request, answer: Response, begun: Begun) -> None:
    """Lax: the provider's redirect is a navigation from another site, and has to bring it along."""
    server = work.deps.settings.server
    answer.set_cookie(
        COOKIE,
        sealed(work.deps.vault, begun, now_s=work.now_ms() // 1000),
        max_age=LIFETIME_S,
        path=COOKIE_PATH,
        secure=is_https(request, server.trusted_proxies, public_url=server.public_url),
        httponly=True,
        samesite="lax",
    )


def _page(base: str, slug: str, fields: dict[str, str]) -> Response:
    return RedirectResponse(page_address(base, slug, fields), status_code=302)


def _error(code: str, message: str) -> dict[str, str]:
    shown = "".join(char for char in message if char.isprintable())
    return {"error": code, "error_message": shown[:512]}


def _address(work: Work, request: Request) -> str:
    return address_of(request, work.deps.settings.server.trusted_proxies)
