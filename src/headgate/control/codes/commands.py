"""The use cases behind `headgate codes`: the services of the API, straight on the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from headgate.control.codes.administration import CodeAdministration
from headgate.control.codes.redeeming import Redeeming
from headgate.control.codes.repository import state_of
from headgate.control.codes.schemas import GenerateBody
from headgate.control.commands import checked, find_group, find_user
from headgate.control.deps import WorkDeps
from headgate.control.work import SYSTEM, Work, open_work
from headgate.core.money import to_usd
from headgate.storage.models import RedeemCodeRow


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeInfo:
    code: str
    type: str
    value: float
    """USD or slots."""
    status: str
    user: str
    """Who used it; empty: nobody."""


class CodeCommands:
    def __init__(self, deps: WorkDeps) -> None:
        self._deps = deps

    async def generate(
        self,
        *,
        type: str,
        value: float = 0,
        count: int = 1,
        group: str = "",
        days: int = 30,
        valid_days: int | None = None,
        batch: str = "",
        note: str = "",
    ) -> Sequence[CodeInfo]:
        """`group` by name or id and `days` of a subscription; the codes are void after `valid_days`. Raises
        what `CodeAdministration.generate` raises."""
        async with open_work(self._deps, SYSTEM) as work:
            ends = None if valid_days is None else work.now() + timedelta(days=valid_days)
            body = checked(
                GenerateBody, type=type, value=value, count=count, validity_days=days, batch=batch,
                notes=note, expires_at=ends, group_id=(await find_group(work, group)).id if group else None,
            )  # fmt: skip
            return [_info(work, row) for row in await CodeAdministration(work).generate(body)]

    async def redeem(self, code: str, user: str) -> CodeInfo:
        """`user` by e-mail or id. Raises what `Redeeming.redeem` raises."""
        async with open_work(self._deps, SYSTEM) as work:
            owner = await find_user(work, user)
            row = await Redeeming(work).redeem(owner.id, code)
            work.touch_directory()  # the gateway is another process: it re-reads balances with the directory
            return _info(work, row, user=owner.email)


def _info(work: Work, row: RedeemCodeRow, *, user: str = "") -> CodeInfo:
    return CodeInfo(
        code=row.code,
        type=row.type,
        value=to_usd(row.value_nano),
        status=state_of(row, work.now()),
        user=user,
    )
