"""HTTP of the second factor."""

from fastapi import Request

from headgate.control.auth.endpoints import device_from
from headgate.control.auth.proof import ProofBody, methods
from headgate.control.auth.proof import send_code as send_mailed_code
from headgate.control.auth.throttle import admit_login_step
from headgate.control.mail.letters import language_of
from headgate.control.oauth.identities import usable_providers
from headgate.control.totp.schemas import (
    CodeSent,
    Done,
    EnableBody,
    RecoveryCodes,
    SetupView,
    TotpStatus,
    VerificationMethod,
)
from headgate.control.totp.service import TotpService
from headgate.control.users.repository import UserRepository
from headgate.control.web.envelope import MessageView
from headgate.control.web.fields import IdPath
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("", tag="two-factor login")


@routes.route("GET", "/user/totp/status", Permission.USER)
async def status(work: CurrentWork) -> TotpStatus:
    """Whether the caller has a second factor."""
    return await TotpService(work).status()


@routes.route("GET", "/user/totp/verification-method", Permission.USER)
async def verification_method(work: CurrentWork) -> VerificationMethod:
    """How the caller proves who it is before a change."""
    user = await UserRepository(work.session).get(work.actor.user_id)
    providers = await usable_providers(work, user.id)
    found = await methods(work, user, has_identities=bool(providers))
    return VerificationMethod(method=found[0] if found else "", methods=found, providers=providers)


@routes.route("POST", "/user/totp/send-code", Permission.USER)
async def send_code(work: CurrentWork, request: Request) -> CodeSent:
    """Mail the caller a code that proves who it is, good for 10 minutes and one change (`email_code`)."""
    await admit_login_step(work.deps, "proof-code", device_from(work, request).address)
    language = language_of(request.headers.get("accept-language", ""))
    return CodeSent(countdown=await send_mailed_code(work, language=language))


@routes.route("POST", "/user/totp/setup", Permission.USER)
async def set_up(body: ProofBody, work: CurrentWork) -> SetupView:
    """A secret for an authenticator app; it counts once `enable` has seen a code of it, within 5 minutes."""
    return await TotpService(work).set_up(body)


@routes.route("POST", "/user/totp/enable", Permission.USER)
async def enable(body: EnableBody, work: CurrentWork) -> RecoveryCodes:
    """Switch the second factor on. The recovery codes are shown once, in this response."""
    return await TotpService(work).enable(body.totp_code, body.setup_token)


@routes.route("POST", "/user/totp/recovery-codes", Permission.USER)
async def new_recovery_codes(body: ProofBody, work: CurrentWork) -> RecoveryCodes:
    """Replace the recovery codes. Shown once, in this response."""
    return await TotpService(work).new_recovery_codes(body)


@routes.route("POST", "/user/totp/disable", Permission.USER)
async def disable(body: ProofBody, work: CurrentWork) -> Done:
    """Switch the second factor off."""
    await TotpService(work).disable(body)
    return Done()


@routes.route("DELETE", "/admin/users/{user_id}/totp", Permission.ADMIN)
async def reset(user_id: IdPath, work: CurrentWork) -> MessageView:
    """Remove the second factor of a user who lost it, and end the user's sessions."""
    await TotpService(work).reset(user_id)
    return MessageView(message="two-factor login removed")
