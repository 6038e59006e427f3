"""The second factor of a user: set up, prove, remove (spec 7.5)."""

from headgate.control.auth.proof import ProofBody, proven_user
from headgate.control.auth.sessions import end_sessions
from headgate.control.auth.throttle import admit_code, forget_codes
from headgate.control.settings.switches import TOTP, is_switched_on
from headgate.control.totp import tickets
from headgate.control.totp.codes import accepted_step, is_one_time_code, new_secret, provisioning_uri
from headgate.control.totp.repository import TotpRepository
from headgate.control.totp.schemas import RecoveryCodes, SetupView, TotpStatus
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.errors import BadRequest, Unavailable
from headgate.kit.crypto import SealBroken
from headgate.storage.models import UserRow

ISSUER = "Headgate"


class TotpService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._deps = work.deps
        self._totp = TotpRepository(work.session, work.deps.vault)
        self._users = UserRepository(work.session)

    async def status(self) -> TotpStatus:
        user = await self._users.get(self._work.actor.user_id)
        since = user.totp_enabled_at
        return TotpStatus(
            enabled=since is not None,
            enabled_at=None if since is None else int(since.timestamp()),
            feature_enabled=await is_switched_on(self._work.session, TOTP),
            recovery_codes_left=await self._totp.recovery_codes_left(user.id),
        )

    async def set_up(self, proof: ProofBody) -> SetupView:
        """A secret for the app; nothing changes until `enable`. Raises TOTP_NOT_ENABLED,
        TOTP_ALREADY_ENABLED, and what `proven_user` raises."""
        await self._require_feature()
        user = (await proven_user(self._work, proof)).user
        _require(user.totp_enabled_at is None, "TOTP_ALREADY_ENABLED", "two-factor login is on already")
        secret = new_secret()
        content: dict[str, int | str] = {"user_id": user.id, "secret": secret}
        return SetupView(
            secret=secret,
            qr_code_url=provisioning_uri(secret, email=user.email, issuer=ISSUER),
            setup_token=tickets.issue(self._deps.vault, tickets.SETUP, content, now_s=self._now_s()),
            countdown=tickets.LIFETIME_S,
        )

    async def enable(self, code: str, setup_token: str) -> RecoveryCodes:
        """Raises TOTP_NOT_ENABLED, TOTP_SETUP_EXPIRED, TOTP_ALREADY_ENABLED, TOTP_INVALID_CODE,
        TOTP_TOO_MANY_ATTEMPTS."""
        await self._require_feature()
        user_id = self._work.actor.user_id
        content = tickets.read(self._deps.vault, tickets.SETUP, setup_token, now_s=self._now_s())
        if content is None or content["user_id"] != user_id:
            raise BadRequest("the set-up has expired; begin it again", reason="TOTP_SETUP_EXPIRED")
        await admit_code(self._deps, user_id)
        user = await self._users.locked(user_id)
        _require(user.totp_enabled_at is None, "TOTP_ALREADY_ENABLED", "two-factor login is on already")
        secret = str(content["secret"])
        step = accepted_step(secret, code.strip(), now_s=self._now_s(), last_step=0)
        if step is None:
            raise _wrong_code()
        await forget_codes(self._deps, user_id)
        user.totp_secret_sealed = self._totp.seal(user, secret)
        user.totp_enabled_at = user.updated_at = self._work.now()
        user.totp_last_step = step
        return RecoveryCodes(
            recovery_codes=await self._totp.replace_recovery_codes(user.id, self._work.now())
        )

    async def new_recovery_codes(self, proof: ProofBody) -> RecoveryCodes:
        """Raises TOTP_NOT_SETUP, and what `proven_user` raises."""
        user = await self._with_factor(proof)
        return RecoveryCodes(
            recovery_codes=await self._totp.replace_recovery_codes(user.id, self._work.now())
        )

    async def disable(self, proof: ProofBody) -> None:
        """Raises as above."""
        await self._totp.remove(await self._with_factor(proof))

    async def reset(self, user_id: int) -> None:
        """An administrator helps somebody who lost phone and codes; whoever has them now is out. Raises
        USER_NOT_FOUND, TOTP_NOT_SETUP."""
        user = await self._users.locked(user_id)
        _require(user.totp_enabled_at is not None, "TOTP_NOT_SETUP", "the user has no two-factor login")
        await self._totp.remove(user)
        await end_sessions(self._work.session, user, self._work.now())

    async def require_code(self, user: UserRow, code: str) -> None:
        """Spend a code of the app or a recovery code; `user` is locked and has a second factor. Raises
        TOTP_INVALID_CODE."""
        code = code.strip()
        if is_one_time_code(code):
            step = accepted_step(self._secret(user), code, now_s=self._now_s(), last_step=user.totp_last_step)
            user.totp_last_step = step or user.totp_last_step
            is_right = step is not None
        else:
            is_right = await self._totp.spend_recovery_code(user.id, code, self._work.now())
        if not is_right:
            raise _wrong_code()

    def _secret(self, user: UserRow) -> str:
        try:
            return self._totp.secret(user)
        except SealBroken:
            raise Unavailable("the second factor cannot be checked", reason="TOTP_VERIFY_ERROR") from None

    async def _with_factor(self, proof: ProofBody) -> UserRow:
        user = (await proven_user(self._work, proof)).user
        _require(user.totp_enabled_at is not None, "TOTP_NOT_SETUP", "two-factor login is not on")
        return user

    async def _require_feature(self) -> None:
        is_on = await is_switched_on(self._work.session, TOTP)
        _require(is_on, "TOTP_NOT_ENABLED", "two-factor login is switched off here")

    def _now_s(self) -> int:
        return self._work.now_ms() // 1000


def _require(holds: bool, reason: str, message: str) -> None:
    if not holds:
        raise BadRequest(message, reason=reason)


def _wrong_code() -> BadRequest:
    return BadRequest("the code is wrong, was used, or is too old", reason="TOTP_INVALID_CODE")
