"""Short ways to make, redeem and look at codes."""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.storage.ledger import LedgerReport, verify
from headgate.storage.models import RedeemCodeRow, SubscriptionRow, UserRow
from tests.support.asgi import Answer

ADMIN = "/admin/redeem-codes"


@dataclass
class Codes:
    control: Any
    engine: AsyncEngine

    async def generate(self, **fields: Any) -> list[Any]:
        body = {"count": 1, "type": "balance", "value": 10} | fields
        found: list[Any] = (await self.control.admin("POST", f"{ADMIN}/generate", body)).data
        return found

    async def one(self, **fields: Any) -> str:
        return str((await self.generate(**fields))[0]["code"])

    async def redeem(self, code: Any, caller: Any = None) -> Answer:
        answer: Answer = await (caller or self.control.anna)("POST", "/redeem", {"code": code})
        return answer

    async def sell(self, *, key: str | None = None, **fields: Any) -> Answer:
        """create-and-redeem for Anna."""
        body = {"code": "s2p_1", "value": 10, "user_id": self.control.anna.user_id} | fields
        headers = {"Idempotency-Key": key} if key else {}
        answer: Answer = await self.control.admin("POST", f"{ADMIN}/create-and-redeem", body, headers=headers)
        return answer

    async def user(self, caller: Any = None) -> UserRow:
        async with self.control.deps.uow() as uow:
            row = await uow.session.get(UserRow, (caller or self.control.anna).user_id)
        assert isinstance(row, UserRow)
        return row

    async def balance(self, caller: Any = None) -> float:
        return (await self.user(caller)).balance_nano / 10**9

    async def change_user(self, **columns: Any) -> None:
        async with self.control.deps.uow() as uow:
            row = await uow.session.get(UserRow, self.control.anna.user_id)
            for name, value in columns.items():
                setattr(row, name, value)

    async def rows(self) -> list[RedeemCodeRow]:
        async with self.control.deps.uow() as uow:
            return list(await uow.session.scalars(select(RedeemCodeRow).order_by(RedeemCodeRow.id)))

    async def change(self, code: str, **columns: Any) -> None:
        async with self.control.deps.uow() as uow:
            row = await uow.session.scalar(select(RedeemCodeRow).where(RedeemCodeRow.code == code))
            for name, value in columns.items():
                setattr(row, name, value)

    async def subscriptions(self) -> list[SubscriptionRow]:
        async with self.control.deps.uow() as uow:
            return list(await uow.session.scalars(select(SubscriptionRow)))

    async def ledger(self) -> LedgerReport:
        return await verify(self.engine)


@pytest.fixture
def codes(control: Any, engine: AsyncEngine) -> Codes:
    return Codes(control, engine)


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, str(answer.json.get("reason", ""))
