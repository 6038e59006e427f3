"""An invitation lets one person register (spec 7.2)."""

import asyncio
from collections import Counter
from typing import Any

from headgate.control.codes.invitations import use_invitation
from headgate.control.work import SYSTEM, open_work
from headgate.errors import ApiError


async def use(control: Any, user_id: int, code: str) -> str:
    try:
        async with open_work(control.deps, SYSTEM) as work:
            await use_invitation(work, user_id, code)
    except ApiError as error:
        return error.reason
    return "used"


async def test_of_twenty_who_register_with_one_invitation_one_does(codes: Any, control: Any) -> None:
    code = await codes.one(type="invitation", value=0)
    outcomes = await asyncio.gather(*(use(control, control.anna.user_id, f" {code} ") for _ in range(20)))
    assert Counter(outcomes) == {"used": 1, "INVITATION_CODE_INVALID": 19}
    assert [(row.status, row.used_by) for row in await codes.rows()] == [("used", control.anna.user_id)]


async def test_only_an_unused_invitation_works(codes: Any, control: Any) -> None:
    money = await codes.one()
    for code in (money, "0" * 32, "x", ""):
        assert await use(control, control.anna.user_id, code) == "INVITATION_CODE_INVALID"
    assert [row.status for row in await codes.rows()] == ["unused"]
