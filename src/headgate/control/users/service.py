"""Users: create, change, delete (spec 8.2). Whatever weakens a user's standing also ends its sessions
(appendix D)."""

import re

from headgate.control.auth.identity import hashed
from headgate.control.auth.password_rules import require_good_password
from headgate.control.auth.sessions import end_sessions
from headgate.control.auth.throttle import login_throttle
from headgate.control.codes.audit import record_concurrency_change
from headgate.control.promos.applying import apply_promo
from headgate.control.settings.new_users import view_new_users
from headgate.control.subscriptions.defaults import grant_defaults
from headgate.control.users.balance import BalanceService
from headgate.control.users.repository import UserRepository, normal_email
from headgate.control.users.schemas import UserCreate, UserUpdate
from headgate.control.web.permissions import Role
from headgate.control.work import Work
from headgate.core.money import from_usd, multiplier_from
from headgate.errors import BadRequest, Conflict
from headgate.storage.models import UserRow

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")


class UserService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._users = UserRepository(work.session)

    async def create(self, draft: UserCreate, *, digest: str | None = None) -> UserRow:
        """Raises EMAIL_EXISTS, INVALID_EMAIL, PASSWORD_TOO_WEAK, INVALID_GROUP_ID, and what `apply_promo`
        raises. A starting balance is a ledger line like any other; default subscriptions begin now.
        `digest`: of the password, when it was judged and hashed before; empty: there is none."""
        email = await self._free_email(draft.email, owner=None)
        usual = await view_new_users(self._work)
        if digest is None:
            digest = await self._digest(draft.password, email)
        now = self._work.now()
        row = UserRow(
            email=email,
            password_hash=digest,
            role=draft.role,
            status="active",
            username=draft.username.strip(),
            notes=draft.notes,
            balance_nano=0,
            concurrency=usual.default_concurrency if draft.concurrency is None else draft.concurrency,
            rpm_limit=draft.rpm_limit,
            tpm_limit=draft.tpm_limit,
            token_version=0,
            created_at=now,
            updated_at=now,
        )
        self._work.session.add(row)
        await self._work.session.flush()
        await self._users.replace_allowed_groups(row.id, draft.allowed_groups, now)
        balance = usual.default_balance if draft.balance is None else draft.balance
        await BalanceService(self._work).adjust(row, from_usd(balance), note="starting balance")
        await grant_defaults(self._work, row.id)
        if draft.promo_code.strip():
            await apply_promo(self._work, row.id, draft.promo_code)
        self._work.touch_directory()
        return row

    async def update(self, user_id: int, change: UserUpdate) -> UserRow:
        """Raises USER_NOT_FOUND, EMAIL_EXISTS, INVALID_EMAIL, PASSWORD_TOO_WEAK, INVALID_GROUP_ID,
        LAST_ADMIN; admins cannot be disabled."""
        row = await self._users.get(user_id)
        if row.role == "admin" and change.status == "disabled":
            raise BadRequest("cannot disable admin user")
        if change.email is not None:
            row.email = await self._free_email(change.email, owner=row.id)
        await self._change_role(row, change.role)
        await self._change_standing(row, change)
        if change.concurrency is not None:
            await self._change_concurrency(row, change.concurrency)
        for name in ("username", "notes", "rpm_limit", "tpm_limit"):
            if (value := getattr(change, name)) is not None:
                setattr(row, name, value)
        row.updated_at = self._work.now()
        await self._work.session.flush()
        if change.allowed_groups is not None:
            await self._users.replace_allowed_groups(row.id, change.allowed_groups, row.updated_at)
        if change.group_rates is not None:
            rates = {
                group: None if rate is None else multiplier_from(rate)
                for group, rate in change.group_rates.items()
            }
            await self._users.set_multipliers(row.id, rates)
        self._work.touch_directory()
        return row

    async def delete(self, user_id: int) -> None:
        """Raises USER_NOT_FOUND; admins cannot be deleted."""
        row = await self._users.get(user_id)
        if row.role == "admin":
            raise BadRequest("cannot delete admin user")
        await end_sessions(self._work.session, row, self._work.now())
        await self._users.soft_delete(row, self._work.now())
        self._work.touch_directory()

    async def _change_concurrency(self, row: UserRow, concurrency: int) -> None:
        """Locked, so that the difference in the audit row is the one that happened."""
        await self._users.locked(row.id)
        if concurrency != row.concurrency:
            await record_concurrency_change(self._work, row.id, concurrency - row.concurrency)
            row.concurrency = concurrency

    async def _change_role(self, row: UserRow, role: Role | None) -> None:
        """A new role begins with a new login. Raises LAST_ADMIN: somebody must be able to undo it."""
        if role is None or role == row.role:
            return
        if row.role == "admin" and not await self._users.has_other_admin(row.id):
            raise BadRequest("the last active admin keeps its role", reason="LAST_ADMIN")
        row.role = role
        await end_sessions(self._work.session, row, self._work.now())

    async def _change_standing(self, row: UserRow, change: UserUpdate) -> None:
        has_new_status = change.status is not None and change.status != row.status
        if change.password is None and not has_new_status:
            return
        digest = None if change.password is None else await self._digest(change.password, row.email)
        await self._users.locked(row.id)
        row.password_hash = digest or row.password_hash
        row.status = change.status or row.status
        await end_sessions(self._work.session, row, self._work.now())
        if digest is not None:  # whoever guessed before must not keep the owner out now
            await login_throttle(self._work.deps).succeeded(email=row.email)

    async def _digest(self, password: str, email: str) -> str:
        """Raises PASSWORD_TOO_WEAK, or `RetryLater` when too many passwords are hashed at this moment."""
        min_chars = self._work.deps.settings.auth.min_password_chars
        require_good_password(password, email=email, min_chars=min_chars)
        return await hashed(self._work.deps, password)

    async def _free_email(self, email: str, *, owner: int | None) -> str:
        normal = normal_email(email)
        if not _EMAIL.fullmatch(normal):
            raise BadRequest("email must look like name@host", reason="INVALID_EMAIL")
        holder = await self._users.by_email(normal)
        if holder is not None and holder.id != owner:
            raise Conflict("email is already in use", reason="EMAIL_EXISTS")
        return normal
