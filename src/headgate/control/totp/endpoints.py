"""HTTP of the second factor."""

from headgate.control.totp.schemas import (
    Done,
    EnableBody,
    ProofBody,
    RecoveryCodes,
    SetupView,
    TotpStatus,
    VerificationMethod,
)
from headgate.control.totp.service import TotpService
from headgate.control.web.envelope import MessageView
from headgate.control.web.fields import IdPath
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("", tag="two-factor login")


@routes.route("GET", "/user/totp/status", Permission.USER)
async def status(work: CurrentWork) -> TotpStatus:
    """Whether the caller has a second factor."""
    return await TotpService(work).status()


@routes.route("GET", "/user/totp/verification-method", Permission.USER)
async def verification_method() -> VerificationMethod:
    """How the caller proves who it is before a change."""
    return VerificationMethod(method="password")


@routes.route("POST", "/user/totp/setup", Permission.USER)
async def set_up(body: ProofBody, work: CurrentWork) -> SetupView:
    """A secret for an authenticator app; it counts once `enable` has seen a code of it, within 5 minutes."""
    return await TotpService(work).set_up(body.password)


@routes.route("POST", "/user/totp/enable", Permission.USER)
async def enable(body: EnableBody, work: CurrentWork) -> RecoveryCodes:
    """Switch the second factor on. The recovery codes are shown once, in this response."""
    return await TotpService(work).enable(body.totp_code, body.setup_token)


@routes.route("POST", "/user/totp/recovery-codes", Permission.USER)
async def new_recovery_codes(body: ProofBody, work: CurrentWork) -> RecoveryCodes:
    """Replace the recovery codes. Shown once, in this response."""
    return await TotpService(work).new_recovery_codes(body.password)


@routes.route("POST", "/user/totp/disable", Permission.USER)
async def disable(body: ProofBody, work: CurrentWork) -> Done:
    """Switch the second factor off."""
    await TotpService(work).disable(body.password)
    return Done()


@routes.route("DELETE", "/admin/users/{user_id}/totp", Permission.ADMIN)
async def reset(user_id: IdPath, work: CurrentWork) -> MessageView:
    """Remove the second factor of a user who lost it, and end the user's sessions."""
    await TotpService(work).reset(user_id)
    return MessageView(message="two-factor login removed")
