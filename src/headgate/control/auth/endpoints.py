"""HTTP of login, sessions and profile."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Path, Request, Response

from headgate.control.auth.browser import BrowserAnswer, clear_cookies, in_cookies, wants_cookies
from headgate.control.auth.cookies import given_refresh_token
from headgate.control.auth.proof import ProofBody
from headgate.control.auth.refreshing import SessionService
from headgate.control.auth.schemas import (
    CookieLoginView,
    CookieView,
    LoginBody,
    LogoutBody,
    MeView,
    PasswordBody,
    ProfileBody,
    RefreshBody,
    SecondStepBody,
    SecondStepView,
    SessionView,
    TokenPair,
    TokenView,
)
from headgate.control.auth.service import AuthService
from headgate.control.auth.sessions import Device, device_of
from headgate.control.auth.turnstile import require_human
from headgate.control.users.repository import UserRepository
from headgate.control.users.view import UserView, user_view
from headgate.control.web.envelope import MessageView
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work

routes = RouteTable("", tag="auth")


@routes.route("POST", "/auth/login", Permission.PUBLIC)
async def login(
    body: LoginBody, work: CurrentWork, deps: Deps, request: Request, response: Response
) -> TokenView | CookieLoginView | SecondStepView:
    """Exchange e-mail and password for an access token and a refresh token, or for the ticket of the second
    step where the user has two-factor login. With `X-Headgate-Session: cookie` the tokens come as cookies."""
    device = device_from(work, request)
    await require_human(work, deps, body.turnstile_token, address=device.address)
    begun = await AuthService(work).login(body.email, body.password, device)
    if isinstance(begun, SecondStepView):
        return begun
    return login_answer(begun, work, request, response)


@routes.route("POST", "/auth/login/2fa", Permission.PUBLIC)
async def second_step(
    body: SecondStepBody, work: CurrentWork, request: Request, response: Response
) -> TokenView | CookieLoginView:
    """Exchange the ticket of a login and a code for tokens. A code counts once, and so does the ticket."""
    begun = await AuthService(work).second_step(body.temp_token, body.totp_code, device_from(work, request))
    return login_answer(begun, work, request, response)


@routes.route("POST", "/auth/refresh", Permission.PUBLIC)
async def refresh(
    work: CurrentWork, request: Request, response: Response, body: RefreshBody | None = None
) -> TokenPair | CookieView:
    """Exchange a refresh token for new tokens. Each is good once: a second use ends its session, unless it
    comes so soon that it must be the same client asking twice (409 REFRESH_TOKEN_ROTATED)."""
    token = given_refresh_token(request.headers, body.refresh_token if body is not None else "")
    pair = await SessionService(work).refresh(token, device_from(work, request))
    return in_cookies(pair, BrowserAnswer(work, request, response)) if wants_cookies(request) else pair


@routes.route("POST", "/auth/logout", Permission.PUBLIC)
async def logout(
    work: CurrentWork, request: Request, response: Response, body: LogoutBody | None = None
) -> MessageView:
    """End the session of the refresh token; other sessions stay. Succeeds whatever the token is; without one
    nothing ends."""
    token = given_refresh_token(request.headers, (body.refresh_token or "") if body is not None else "")
    await SessionService(work).log_out(token, device_from(work, request))
    if wants_cookies(request):
        clear_cookies(BrowserAnswer(work, request, response))
    return MessageView(message="logged out")


@routes.route("POST", "/auth/revoke-all-sessions", Permission.USER)
async def revoke_all_sessions(work: CurrentWork) -> MessageView:
    """End every session and access token of the caller, this one included."""
    await SessionService(work).end_all()
    return MessageView(message="all sessions ended; log in again")


@routes.route("GET", "/auth/sessions", Permission.USER)
async def sessions(work: CurrentWork) -> Sequence[SessionView]:
    """The caller's sessions, most recently refreshed first; 100 at most."""
    return await SessionService(work).own()


@routes.route("DELETE", "/auth/sessions/{session_id}", Permission.USER)
async def end_session(
    session_id: Annotated[str, Path(pattern="^[0-9a-f]{32}$")], work: CurrentWork
) -> MessageView:
    """End one of the caller's sessions, with its access tokens."""
    await SessionService(work).end(session_id)
    return MessageView(message="session ended")


@routes.route("GET", "/auth/me", Permission.USER, embed=True)
async def me(work: CurrentWork) -> MeView:
    """The caller, and whether anybody is charged here."""
    user = await _profile(work)
    return MeView(**user.model_dump(), run_mode=work.deps.settings.run_mode)


@routes.route("GET", "/user/profile", Permission.USER)
async def profile(work: CurrentWork) -> UserView:
    """The caller."""
    return await _profile(work)


@routes.route("PUT", "/user", Permission.USER)
async def update_profile(body: ProfileBody, work: CurrentWork) -> UserView:
    """Change the display name."""
    user = await UserRepository(work.session).get(work.actor.user_id)
    user.username = body.username.strip()
    user.updated_at = work.now()
    return await _profile(work)


@routes.route("PUT", "/user/password", Permission.USER)
async def change_password(body: PasswordBody, work: CurrentWork, request: Request) -> MessageView:
    """Change the password, or set the first one; every other session ends. Access tokens issued before stop
    working: this session refreshes."""
    proof = ProofBody(password=body.old_password, email_code=body.email_code, proof_token=body.proof_token)
    await AuthService(work).change_password(proof, body.new_password, device_from(work, request))
    return MessageView(message="password changed; other sessions have ended")


def login_answer(
    begun: TokenView, work: Work, request: Request, response: Response
) -> TokenView | CookieLoginView:
    """The tokens, or cookies where a browser asks for them."""
    if not wants_cookies(request):
        return begun
    cookies = in_cookies(begun, BrowserAnswer(work, request, response))
    return CookieLoginView(**cookies.model_dump(), user=begun.user)


async def _profile(work: Work) -> UserView:
    users = UserRepository(work.session)
    user = await users.get(work.actor.user_id)
    allowed = await users.allowed_groups([user.id])
    return user_view(user, allowed.get(user.id, []))


def device_from(work: Work, request: Request) -> Device:
    return device_of(request, work.deps.settings.server.trusted_proxies)
