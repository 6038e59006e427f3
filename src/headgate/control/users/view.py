"""A user as every slice shows one (spec 1.25)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from headgate.core.money import to_usd
from headgate.storage.models import UserRow


class UserView(BaseModel):
    id: int
    email: str
    username: str
    role: str
    balance: float
    concurrency: int
    rpm_limit: int
    tpm_limit: int
    status: str
    totp_enabled: bool
    has_password: bool
    """False for who came in through a provider and has set none yet."""
    allowed_groups: Sequence[int]
    created_at: datetime
    updated_at: datetime


def user_view(row: UserRow, allowed_groups: Sequence[int]) -> UserView:
    return UserView(**user_fields(row, allowed_groups))


def user_fields(row: UserRow, allowed_groups: Sequence[int]) -> dict[str, Any]:
    return {
        "id": row.id,
        "email": row.email,
        "username": row.username,
        "role": row.role,
        "balance": to_usd(row.balance_nano),
        "concurrency": row.concurrency,
        "rpm_limit": row.rpm_limit,
        "tpm_limit": row.tpm_limit,
        "status": row.status,
        "has_password": bool(row.password_hash),
        "totp_enabled": row.totp_enabled_at is not None,
        "allowed_groups": list(allowed_groups),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
