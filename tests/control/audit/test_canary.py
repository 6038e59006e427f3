"""No secret that goes through the management API is found in its log (PAINS S6, S11)."""

from typing import Any

from sqlalchemy import select

from headgate.control.audit.rules import HIDDEN, safe
from headgate.control.commands import AccountCommands, UserCommands
from headgate.kit.secret import Secret
from headgate.storage.models import AuditLogRow, Base
from tests.control.conftest import PASSWORD
from tests.control.test_canary import CANARY, plant


async def _log(control: Any) -> str:
    async with control.deps.uow() as uow:
        rows = (await uow.session.scalars(select(AuditLogRow))).all()
    return "\n".join(
        str([getattr(row, column.key) for column in AuditLogRow.__table__.columns]) for row in rows
    )


async def test_planted_secrets_are_nowhere_in_the_log(control: Any) -> None:
    account = await plant(control)
    changed = {
        "credentials": {"api_key": f"sk-{CANARY}-2", "base_url": f"https://u:{CANARY}@api.example.com"},
        "extra": {"headers": {"X-Api-Key": CANARY}, "session_token": CANARY},
    }
    await control.admin("PUT", f"/admin/accounts/{account}", changed)
    await control.admin("POST", f"/admin/accounts/{account}/test", {"model_id": "m", "prompt": CANARY})
    passwords = {"old_password": PASSWORD, "new_password": CANARY}
    await control.ben("PUT", "/user/password", passwords)
    await control.anna("PUT", "/user/password", passwords)
    await control.nobody("POST", "/auth/login", {"email": "anna@example.com", "password": CANARY})
    refused = {"name": "n", "platform": "x", "credentials": {"api_key": CANARY}, "password": CANARY}
    await control.admin("POST", "/admin/accounts", refused)
    log = await _log(control)
    assert "/api/v1/admin/accounts/{account_id}" in log
    assert CANARY not in log
    assert PASSWORD not in log


async def test_what_is_shown_once_is_not_shown_by_the_log(control: Any) -> None:
    admin_key = (await control.admin("POST", "/admin/settings/admin-api-key/regenerate")).data["key"]
    key = (await control.anna("POST", "/keys", {"name": "k"})).data["key"]
    codes = (
        await control.admin(
            "POST", "/admin/redeem-codes/generate", {"count": 2, "type": "balance", "value": 1}
        )
    ).data
    stored = control.deps.vault.key_hash(admin_key).hex()
    log = await _log(control)
    assert log.count("\n") == 2
    for secret in (admin_key, key, stored, *(code["code"] for code in codes)):
        assert secret not in log


async def test_commands_are_on_record_without_their_secrets(control: Any) -> None:
    await UserCommands(control.deps).create(email="cli@example.com", password=Secret(CANARY))
    await AccountCommands(control.deps).create(name="main", platform="anthropic", secret=Secret(CANARY))
    await UserCommands(control.deps).list()
    log = await _log(control)
    assert log.count("'cli'") == 2
    assert "cli@example.com" in log
    assert CANARY not in log


def test_every_binary_column_is_hidden_by_type() -> None:
    """Sealed values and hashes never depend on their names."""
    for table in Base.metadata.tables.values():
        for column in table.columns:
            if column.type.python_type is bytes:
                assert safe(column.key, b"x") == HIDDEN
