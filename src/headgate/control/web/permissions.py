"""Who may do what: a few named permissions, one declared by every route, and what each role holds (issue 5,
item 6). Pure.

Invariants: every role holds what USER does; who only reads holds nothing that changes anything; money and
secrets are an administrator's.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, get_args


class Permission(StrEnum):
    """What a route asks of its caller."""

    PUBLIC = "public"
    """Anybody."""
    USER = "user"
    """Any active user, about itself."""
    READ = "read"
    """See the administration, without secrets and without codes that are worth money."""
    AMOUNTS = "amounts"
    """See what was spent, what there is to spend, and prices."""
    OPERATE = "operate"
    """Keep the service running: accounts' states, order, announcements."""
    MONEY = "money"
    """Move or price money, and see what is worth money to whoever sees it."""
    SECRETS = "secrets"
    """Set credentials, or what they are sent to."""
    ADMIN = "admin"
    """Everything else: people, roles, settings."""


Role = Literal["user", "auditor", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

_USER = frozenset({Permission.PUBLIC, Permission.USER})
_READER = _USER | {Permission.READ}
GRANTS: Mapping[str, frozenset[Permission]] = {
    "user": _USER,
    "auditor": _READER | {Permission.AMOUNTS},
    "operator": _READER | {Permission.OPERATE},
    "admin": frozenset(Permission),
}


def refusal_text(permission: Permission) -> str:
    """What is said to somebody known whose role does not suffice."""
    if permission is Permission.ADMIN:
        return "Admin access required"
    return f"Your role does not hold the permission {permission.value!r}"


def may(role: str, permission: Permission) -> bool:
    """A role that nobody knows holds what a user does."""
    return permission in GRANTS.get(role, _USER)
