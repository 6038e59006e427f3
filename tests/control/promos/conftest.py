"""Short ways to make, apply and look at promo codes."""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.control.promos.applying import apply_promo
from headgate.control.work import SYSTEM, open_work
from headgate.errors import ApiError
from headgate.storage.ledger import LedgerReport, verify
from headgate.storage.models import UserRow

ADMIN = "/admin/promo-codes"


@dataclass
class Promos:
    control: Any
    engine: AsyncEngine

    async def create(self, **fields: Any) -> Any:
        return (await self.control.admin("POST", ADMIN, {"code": "WELCOME", "bonus_amount": 5} | fields)).data

    async def get(self, promo_id: int) -> Any:
        return (await self.control.admin("GET", f"{ADMIN}/{promo_id}")).data

    async def apply(self, user_id: int, code: str = "WELCOME") -> str:
        """What registration will do; the reason when it is refused."""
        try:
            async with open_work(self.control.deps, SYSTEM) as work:
                await apply_promo(work, user_id, code)
        except ApiError as error:
            return error.reason
        return "applied"

    async def validate(self, code: Any = "WELCOME") -> Any:
        return (await self.control.nobody("POST", "/auth/validate-promo-code", {"code": code})).data

    async def balance(self, user_id: int) -> float:
        async with self.control.deps.uow() as uow:
            row = await uow.session.get(UserRow, user_id)
        assert isinstance(row, UserRow)
        return row.balance_nano / 10**9

    async def ledger(self) -> LedgerReport:
        return await verify(self.engine)


@pytest.fixture
def promos(control: Any, engine: AsyncEngine) -> Promos:
    return Promos(control, engine)
