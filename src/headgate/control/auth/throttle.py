"""Brute force is slowed per address and per account; with the counters away nobody gets in (PAINS S14, spec
7.1)."""

from headgate.control.deps import WorkDeps
from headgate.control.web.address import throttle_name
from headgate.control.web.faults import Throttled
from headgate.control.work import Work
from headgate.kit.crypto import Vault
from headgate.settings import AuthSettings
from headgate.state.protocols import CounterStore, StateUnavailable

ADDRESS_WINDOW_S = 60
"""Of logins, refreshes and checks of codes."""
ACCOUNT_WINDOW_S = 15 * 60


class LoginThrottle:
    """Counts attempts before the password is looked at, so that parallel guesses count too."""

    def __init__(self, counters: CounterStore, settings: AuthSettings, vault: Vault) -> None:
        self._counters = counters
        self._settings = settings
        self._vault = vault

    async def admit(self, *, address: str, email: str) -> None:
        """Raises `Throttled`, also when the counters cannot be reached (fail closed)."""
        try:
            by_address = await self._counters.add(
                f"login:address:{throttle_name(address)}", 1, window_s=ADDRESS_WINDOW_S
            )
            if by_address > self._settings.login_limit_per_minute:
                raise Throttled("address")
            by_account = await self._counters.add(self._account(email), 1, window_s=ACCOUNT_WINDOW_S)
            if by_account > self._settings.login_failures_per_account:
                raise Throttled("account")
        except StateUnavailable:
            raise Throttled("counters") from None

    async def succeeded(self, *, email: str) -> None:
        """The owner is back: forget the failures of the account."""
        try:
            await self._counters.reset(self._account(email))
        except StateUnavailable:
            return  # the count ends with its window

    def _account(self, email: str) -> str:
        """Of fixed length, and says nothing about the address in the store."""
        return "login:account:" + self._vault.signature("login-throttle", email.encode()).hex()[:32]


async def admit_code_check(work: Work, kind: str, *, address: str) -> None:
    """Guessing promo or invitation codes from one address. Raises `Throttled`, also when the counters cannot
    be reached."""
    limit = work.deps.settings.auth.code_check_limit_per_minute
    await _admit(work.deps, f"code-check:{kind}:{throttle_name(address)}", limit=limit)


async def admit_refresh(deps: WorkDeps, who: str) -> None:
    """Refreshes from one address or of one user. Raises as above."""
    await _admit(deps, f"refresh:{throttle_name(who)}", limit=deps.settings.auth.refresh_limit_per_minute)


async def _admit(deps: WorkDeps, name: str, *, limit: int) -> None:
    try:
        seen = await deps.state.counters.add(name, 1, window_s=ADDRESS_WINDOW_S)
    except StateUnavailable:
        raise Throttled("counters") from None
    if seen > limit:
        raise Throttled(name)
