"""What an operator may change of an account (issue 5, item 6): how it is used, not what it is."""

from headgate.control.accounts.schemas import AccountUpdate
from headgate.control.web.permissions import Permission, may
from headgate.errors import Forbidden

OPERABLE = frozenset({"name", "notes", "status", "concurrency", "load_factor", "priority", "group_ids"})
"""Not among them: credentials and the address they go to, the proxy that sees them, costs and quotas."""


def require_operable(role: str, change: AccountUpdate) -> None:
    """Raises INSUFFICIENT_PERMISSIONS naming the fields that are an administrator's."""
    if may(role, Permission.SECRETS) and may(role, Permission.MONEY):
        return
    if beyond := sorted(change.model_fields_set - OPERABLE):
        raise Forbidden(f"your role may not change {', '.join(beyond)} of an account")
