"""Egress proxies: create, change, delete (spec 8.5)."""

from sqlalchemy import update

from headgate.control.masking import is_masked
from headgate.control.proxies.repository import ProxyRepository
from headgate.control.proxies.schemas import ProxyCreate, ProxyUpdate
from headgate.control.work import Work
from headgate.errors import BadRequest, Conflict
from headgate.storage.directory_rows import PROXY_CONTEXT
from headgate.storage.models import AccountRow, GroupRow, ProxyRow


class ProxyService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._proxies = ProxyRepository(work.session)

    async def create(self, draft: ProxyCreate) -> ProxyRow:
        now = self._work.now()
        row = ProxyRow(
            name=draft.name,
            protocol=draft.protocol,
            host=draft.host,
            port=draft.port,
            username=draft.username,
            password_sealed=self._sealed(draft.password),
            status="active",
            created_at=now,
            updated_at=now,
        )
        self._work.session.add(row)
        await self._work.session.flush()
        self._work.touch_directory()
        return row

    async def update(self, proxy_id: int, change: ProxyUpdate) -> ProxyRow:
        """Raises PROXY_NOT_FOUND, SECRET_REQUIRED."""
        row = await self._proxies.get(proxy_id)
        _require_password_for_move(row, change)
        for name in ("name", "protocol", "host", "port", "username", "status"):
            if (value := getattr(change, name)) is not None:
                setattr(row, name, value)
        if change.password is not None and not is_masked(change.password):
            row.password_sealed = self._sealed(change.password)
        row.findings = None  # they were about the proxy as it was
        row.updated_at = self._work.now()
        self._work.touch_directory()
        return row

    async def delete(self, proxy_id: int) -> None:
        """Raises PROXY_NOT_FOUND, PROXY_IN_USE."""
        row = await self._proxies.get(proxy_id)
        if await self._proxies.account_counts([proxy_id]):
            raise Conflict("accounts use this proxy; give them another one first", reason="PROXY_IN_USE")
        now = self._work.now()
        row.deleted_at = row.updated_at = now
        session = self._work.session
        await session.execute(
            update(GroupRow).where(GroupRow.default_proxy_id == proxy_id).values(default_proxy_id=None)
        )
        await session.execute(update(AccountRow).where(AccountRow.proxy_id == proxy_id).values(proxy_id=None))
        self._work.touch_directory()

    def _sealed(self, password: str) -> bytes | None:
        return self._work.deps.vault.seal(password.encode(), context=PROXY_CONTEXT) if password else None


def _require_password_for_move(row: ProxyRow, change: ProxyUpdate) -> None:
    """A stored password goes only where it was entered for: a stolen admin session must not move it."""
    moves = any(
        (value := getattr(change, name)) is not None and value != getattr(row, name)
        for name in ("protocol", "host", "port")
    )
    if moves and row.password_sealed and (change.password is None or is_masked(change.password)):
        raise BadRequest(
            "the proxy gets another address; send its password again: a stored secret is never sent to a new"
            " destination",
            reason="SECRET_REQUIRED",
        )
