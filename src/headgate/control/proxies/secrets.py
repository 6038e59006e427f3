"""Passwords of egress proxies: sealed in the database, opened only to be used."""

from headgate.control.work import Work
from headgate.errors import BadRequest
from headgate.kit.crypto import SealBroken
from headgate.kit.secret import Secret
from headgate.storage.directory_rows import PROXY_CONTEXT, proxy_from
from headgate.storage.models import ProxyRow


def password_of(work: Work, row: ProxyRow) -> str | None:
    """Empty when there is none; None for one that another master key sealed: nobody can send that again."""
    if not row.password_sealed:
        return ""
    try:
        return work.deps.vault.unseal(row.password_sealed, context=PROXY_CONTEXT).decode()
    except SealBroken:
        return None


def proxy_url(work: Work, row: ProxyRow) -> Secret:
    """As the data plane uses it. Raises SECRET_UNREADABLE."""
    if password_of(work, row) is None:
        raise BadRequest(
            "the proxy's password was sealed by another secret key; enter it again",
            reason="SECRET_UNREADABLE",
        )
    return proxy_from(row, work.deps.vault).url
