"""HTTP of registration and of forgotten passwords (spec 7.1)."""

from fastapi import Request, Response

from headgate.control.auth.endpoints import device_from, login_answer
from headgate.control.auth.schemas import CookieLoginView, TokenView
from headgate.control.auth.service import AuthService
from headgate.control.auth.turnstile import require_human
from headgate.control.mail.letters import language_of
from headgate.control.registration.reset import PasswordReset
from headgate.control.registration.schemas import CodeSent, EmailBody, RegisterBody, ResetBody
from headgate.control.registration.service import RegistrationService, is_code_checked
from headgate.control.web.address import address_of
from headgate.control.web.envelope import MessageView
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work

routes = RouteTable("/auth", tag="registration")


@routes.route("POST", "/register", Permission.PUBLIC)
async def register(
    body: RegisterBody, work: CurrentWork, deps: Deps, request: Request, response: Response
) -> TokenView | CookieLoginView:
    """Become a user and begin a session. What is needed beside an address and a password is in the public
    settings: a mailed code, an invitation, an address of certain domains."""
    if not await is_code_checked(work, body):
        await require_human(work, deps, body.turnstile_token, address=_address(work, request))
    user = await RegistrationService(work).register(body, address=_address(work, request))
    begun = await AuthService(work).start_session(user, device_from(work, request))
    return login_answer(begun, work, request, response)


@routes.route("POST", "/send-verify-code", Permission.PUBLIC)
async def send_verify_code(body: EmailBody, work: CurrentWork, deps: Deps, request: Request) -> CodeSent:
    """Mail a code of six digits to an address that wants to register; good for 15 minutes."""
    await require_human(work, deps, body.turnstile_token, address=_address(work, request))
    countdown = await RegistrationService(work).send_code(
        body.email, address=_address(work, request), language=_language(request)
    )
    return CodeSent(message="the code is on its way", countdown=countdown)


@routes.route("POST", "/forgot-password", Permission.PUBLIC)
async def forgot_password(body: EmailBody, work: CurrentWork, deps: Deps, request: Request) -> MessageView:
    """Mail a link to whoever has this address, if anybody does: the answer is the same."""
    await require_human(work, deps, body.turnstile_token, address=_address(work, request))
    await PasswordReset(work).send_link(
        body.email, address=_address(work, request), language=_language(request)
    )
    return MessageView(message="if this address is known here, a link is on its way")


@routes.route("POST", "/reset-password", Permission.PUBLIC)
async def reset_password(body: ResetBody, work: CurrentWork, request: Request) -> MessageView:
    """Set a new password with the token of the mailed link, once. Every session ends."""
    await PasswordReset(work).reset(
        body.email, body.token, body.new_password, address=_address(work, request)
    )
    return MessageView(message="password changed; log in with it")


def _address(work: Work, request: Request) -> str:
    return address_of(request, work.deps.settings.server.trusted_proxies)


def _language(request: Request) -> str:
    return language_of(request.headers.get("accept-language", ""))
