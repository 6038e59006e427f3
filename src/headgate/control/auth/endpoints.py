"""HTTP of login, session and profile."""

from fastapi import Request

from headgate.control.auth.schemas import LoginBody, MeView, PasswordBody, ProfileBody, TokenView
from headgate.control.auth.service import AuthService
from headgate.control.users.repository import UserRepository
from headgate.control.users.view import UserView, user_view
from headgate.control.web.address import address_of
from headgate.control.web.envelope import MessageView
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.control.work import Work

routes = RouteTable("", tag="auth")


@routes.route("POST", "/auth/login", Permission.PUBLIC)
async def login(body: LoginBody, work: CurrentWork, request: Request) -> TokenView:
    """Exchange e-mail and password for an access token."""
    address = address_of(request, work.deps.settings.server.trusted_proxies)
    return await AuthService(work).login(body.email, body.password, address=address)


@routes.route("POST", "/auth/logout", Permission.PUBLIC)
async def logout(work: CurrentWork) -> MessageView:
    """Always succeeds: a bearer token is forgotten by its holder; other sessions stay."""
    return MessageView(message="logged out")


@routes.route("GET", "/auth/me", Permission.USER)
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
async def change_password(body: PasswordBody, work: CurrentWork) -> MessageView:
    """Change the password; every access token issued before stops working."""
    await AuthService(work).change_password(body.old_password, body.new_password)
    return MessageView(message="password changed; log in again")


async def _profile(work: Work) -> UserView:
    users = UserRepository(work.session)
    user = await users.get(work.actor.user_id)
    allowed = await users.allowed_groups([user.id])
    return user_view(user, allowed.get(user.id, []))
