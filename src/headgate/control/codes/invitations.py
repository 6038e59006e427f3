"""Invitations: redeem codes that let somebody register (spec 7.2, 7.11)."""

from headgate.control.codes.repository import CodeRepository, state_of
from headgate.control.codes.terms import INVITATION
from headgate.control.codes.text import checked_code
from headgate.control.work import Work
from headgate.errors import ApiError, BadRequest


async def invitation_problem(work: Work, text: str) -> str | None:
    """Why an invitation would not work: INVITATION_CODE_INVALID (no code, or one of another type),
    INVITATION_CODE_NOT_FOUND, INVITATION_CODE_USED (or void); None when it would."""
    try:
        code = await CodeRepository(work.session).by_text(checked_code(text))
    except ApiError:
        return "INVITATION_CODE_INVALID"
    if code is None:
        return "INVITATION_CODE_NOT_FOUND"
    if code.type != INVITATION:
        return "INVITATION_CODE_INVALID"
    return None if state_of(code, work.now()) == "unused" else "INVITATION_CODE_USED"


async def use_invitation(work: Work, user_id: int, text: str) -> None:
    """Mark it as used by the new user, in the transaction that creates the user: of two who register with one
    invitation, one does. Raises INVITATION_CODE_INVALID."""
    codes = CodeRepository(work.session)
    code = None if await invitation_problem(work, text) else await codes.by_text(checked_code(text))
    if code is None or not await codes.use(code.id, user_id=user_id, now=work.now()):
        raise BadRequest("this invitation does not work (any more)", reason="INVITATION_CODE_INVALID")
