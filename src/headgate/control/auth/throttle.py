"""Brute force is slowed per address and per account; with the counters away nobody gets in (PAINS S14, spec
7.1)."""

from headgate.control.deps import WorkDeps
from headgate.control.web.address import throttle_name
from headgate.control.web.faults import Throttled
from headgate.control.work import Work
from headgate.errors import TooManyRequests
from headgate.kit.crypto import Vault
from headgate.settings import AuthSettings
from headgate.state.protocols import CounterStore, StateUnavailable

ADDRESS_WINDOW_S = 60
"""Of whatever is counted per address."""
ACCOUNT_WINDOW_S = 15 * 60
LETTERS_WINDOW_S = 3600
MAX_LETTERS = 5
"""To one address within the window."""
MAX_WRONG_CODES = 5
"""Of a user within the window of an account (spec 7.5)."""


class LoginThrottle:
    """Counts attempts before the password is looked at, so that parallel guesses count too."""

    def __init__(self, counters: CounterStore, settings: AuthSettings, vault: Vault) -> None:
        self._counters = counters
        self._settings = settings
        self._vault = vault

    async def admit(self, *, address: str, email: str) -> None:
        """A login. Raises `Throttled`, also when the counters cannot be reached (fail closed)."""
        name = f"login:address:{throttle_name(address)}"
        await _admit(self._counters, name, limit=self._settings.login_limit_per_minute)
        await self.admit_account(email=email)

    async def admit_account(self, *, email: str) -> None:
        """Anything that proves the password. Raises as above."""
        limit = self._settings.login_failures_per_account
        await _admit(self._counters, self._account(email), limit=limit, window_s=ACCOUNT_WINDOW_S)

    async def succeeded(self, *, email: str) -> None:
        """The owner is back: forget the failures of the account."""
        try:
            await self._counters.reset(self._account(email))
        except StateUnavailable:
            return  # the count ends with its window

    def _account(self, email: str) -> str:
        """Of fixed length, and says nothing about the address in the store."""
        return "login:account:" + self._vault.signature("login-throttle", email.encode()).hex()[:32]


def login_throttle(deps: WorkDeps) -> LoginThrottle:
    return LoginThrottle(deps.state.counters, deps.settings.auth, deps.vault)


async def admit_code_check(work: Work, kind: str, *, address: str) -> None:
    """Guessing promo or invitation codes from one address. Raises `Throttled`, also when the counters cannot
    be reached."""
    limit = work.deps.settings.auth.code_check_limit_per_minute
    await _admit(work.deps.state.counters, f"code-check:{kind}:{throttle_name(address)}", limit=limit)


async def admit_refresh(deps: WorkDeps, who: str) -> None:
    """Refreshes from one address or of one user. Raises as above."""
    await _admit(
        deps.state.counters,
        f"refresh:{throttle_name(who)}",
        limit=deps.settings.auth.refresh_limit_per_minute,
    )


async def admit_password_change(deps: WorkDeps, address: str) -> None:
    """Raises as above."""
    limit = deps.settings.auth.password_change_limit_per_minute
    await _admit(deps.state.counters, f"password-change:{throttle_name(address)}", limit=limit)


async def admit_login_step(deps: WorkDeps, step: str, address: str) -> None:
    """Steps of a login that is more than one call. Raises as above."""
    name = f"{step}:{throttle_name(address)}"
    await _admit(deps.state.counters, name, limit=deps.settings.auth.login_limit_per_minute)


async def admit_at_door(deps: WorkDeps, door: str, address: str) -> None:
    """What strangers may do: registering, asking for letters, resetting. Raises as above."""
    limit = deps.settings.auth.register_limit_per_minute
    await _admit(deps.state.counters, f"{door}:{throttle_name(address)}", limit=limit)


async def admit_letter(deps: WorkDeps, email: str) -> bool:
    """Whether another letter may go to the address: nobody's mailbox is filled through us. Raises as
    above."""
    name = "letters:" + deps.vault.signature("letters", email.encode()).hex()[:32]
    return await count_try(deps, name, window_s=LETTERS_WINDOW_S) <= MAX_LETTERS


async def count_try(deps: WorkDeps, name: str, *, window_s: int) -> int:
    """How often within the window, this time included. Raises `Throttled` when the counters cannot be
    reached."""
    try:
        return await deps.state.counters.add(name, 1, window_s=window_s)
    except StateUnavailable:
        raise Throttled("counters") from None


async def admit_second_step(deps: WorkDeps, address: str) -> None:
    """Second steps of logins from one address. Raises as above."""
    name = f"second-step:{throttle_name(address)}"
    await _admit(deps.state.counters, name, limit=deps.settings.auth.login_limit_per_minute)


async def admit_code(deps: WorkDeps, user_id: int) -> None:
    """One more try of a one-time or recovery code. Raises TOTP_TOO_MANY_ATTEMPTS, or `Throttled` when the
    counters cannot be reached."""
    try:
        seen = await deps.state.counters.add(f"totp:{user_id}", 1, window_s=ACCOUNT_WINDOW_S)
    except StateUnavailable:
        raise Throttled("counters") from None
    if seen > MAX_WRONG_CODES:
        raise TooManyRequests(
            "too many wrong codes; wait a quarter of an hour",
            reason="TOTP_TOO_MANY_ATTEMPTS",
            metadata={"retry_after": str(ACCOUNT_WINDOW_S)},
        )


async def forget_codes(deps: WorkDeps, user_id: int) -> None:
    """A code was right."""
    try:
        await deps.state.counters.reset(f"totp:{user_id}")
    except StateUnavailable:
        return  # the count ends with its window


async def use_once(deps: WorkDeps, name: str, *, window_s: int) -> bool:
    """True for the first who comes within the window. Raises `Throttled` when the counters cannot be
    reached."""
    try:
        return await deps.state.counters.add(f"once:{name}", 1, window_s=window_s) == 1
    except StateUnavailable:
        raise Throttled("counters") from None


async def _admit(counters: CounterStore, name: str, *, limit: int, window_s: int = ADDRESS_WINDOW_S) -> None:
    try:
        seen = await counters.add(name, 1, window_s=window_s)
    except StateUnavailable:
        raise Throttled("counters") from None
    if seen > limit:
        raise Throttled(name)
