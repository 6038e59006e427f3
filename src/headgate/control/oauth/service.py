"""Signing in through a provider: who that is here, and who may become somebody (spec 7.8).

An address proves nothing by itself: accounts are found by the provider's own id. By e-mail only where the
operator trusts the provider, the provider calls the address verified, and the account is a plain user's.
"""

import secrets
from dataclasses import dataclass

from headgate.control.auth.proof import Method, issue_token
from headgate.control.auth.proof import Proven as ProvenUser
from headgate.control.auth.schemas import SecondStepView, TokenView
from headgate.control.auth.second_step import second_step
from headgate.control.auth.service import AuthService
from headgate.control.auth.sessions import Device
from headgate.control.auth.throttle import use_once
from headgate.control.codes.invitations import use_invitation
from headgate.control.mail.settings import ADDRESS
from headgate.control.oauth.claims import Identity
from headgate.control.oauth.flow import LIFETIME_S
from headgate.control.oauth.identities import IdentityRepository, usable_providers
from headgate.control.oauth.providers import Provider
from headgate.control.registration.policy import RegistrationPolicy, checked_address, registration_policy
from headgate.control.registration.service import lock_user_limit, require_invitation, require_room
from headgate.control.totp import tickets
from headgate.control.users.repository import UserRepository, normal_email
from headgate.control.users.schemas import UserCreate
from headgate.control.users.service import UserService
from headgate.control.work import SYSTEM, Work
from headgate.errors import BadRequest, Conflict, Forbidden, NotFound
from headgate.storage.models import UserRow

KIND = "oauth.identity"
NO_PASSWORD = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a callback proved, as it travels through the page to the call that uses it."""

    slug: str
    binding: str
    link_user: int
    purpose: str
    identity: Identity

    def sealed(self, work: Work) -> str:
        who = self.identity
        content: dict[str, int | str] = {
            "slug": self.slug,
            "binding": self.binding,
            "link_user": self.link_user,
            "purpose": self.purpose,
            "authority": who.authority,
            "subject": who.subject,
            "email": who.email,
            "verified": int(who.is_email_verified),
            "username": who.username,
        }
        now_s = work.now_ms() // 1000
        return tickets.issue(work.deps.vault, KIND, content, now_s=now_s, lifetime_s=LIFETIME_S)


def read_proven(work: Work, token: str, *, slug: str, binding: str) -> Proven:
    """Raises INVALID_OAUTH_TOKEN for what is too old, of another provider or of another browser."""
    content = tickets.read(work.deps.vault, KIND, token, now_s=work.now_ms() // 1000)
    if content is None or content["slug"] != slug or content["binding"] != binding:
        raise _invalid()
    identity = Identity(
        authority=str(content["authority"]),
        subject=str(content["subject"]),
        email=str(content["email"]),
        is_email_verified=content["verified"] == 1,
        username=str(content["username"]),
    )
    return Proven(
        slug=slug,
        binding=binding,
        link_user=int(content["link_user"]),
        purpose=str(content["purpose"]),
        identity=identity,
    )


class OauthSignIn:
    def __init__(self, work: Work, provider: Provider) -> None:
        self._work = work
        self._provider = provider
        self._users = UserRepository(work.session)
        self._identities = IdentityRepository(work.session)

    async def complete(
        self, proven: Proven, token: str, invitation: str, device: Device
    ) -> TokenView | SecondStepView:
        """Begin a session, for a newcomer too. Raises INVALID_OAUTH_TOKEN, USER_NOT_ACTIVE,
        OAUTH_LINK_REQUIRED, OAUTH_REGISTRATION_DISABLED, OAUTH_INVITATION_REQUIRED, REGISTRATION_DISABLED
        (403), INVITATION_CODE_INVALID, EMAIL_SUFFIX_NOT_ALLOWED (400)."""
        if proven.link_user:
            raise _invalid()
        user = await self._known(proven.identity)
        if user is None:
            user = await self._newcomer(proven.identity, token, invitation)
        else:
            await self._spend(token)
        if user.status != "active":
            raise Forbidden("user is not active", reason="USER_NOT_ACTIVE")
        user.username = user.username or proven.identity.username
        if user.totp_enabled_at is not None:
            return second_step(self._work, user)
        return await AuthService(self._work).start_session(user, device)

    async def link(self, proven: Proven, token: str) -> None:
        """Add the identity to the caller, who proved who it is when this began. Raises INVALID_OAUTH_TOKEN,
        IDENTITY_IN_USE (409)."""
        self._require_own(proven, "link")
        user = await self._users.locked(self._work.actor.user_id)
        found = await self._identities.find(proven.identity)
        if found is not None and found.user_id != user.id:
            raise Conflict("another user signs in with this identity", reason="IDENTITY_IN_USE")
        await self._spend(token)
        if found is None:
            await self._add(user, proven.identity)

    async def prove(self, proven: Proven, token: str) -> str:
        """A token that proves in this session who the caller is. Raises INVALID_OAUTH_TOKEN,
        IDENTITY_NOT_LINKED (403)."""
        self._require_own(proven, "prove")
        found = await self._identities.find(proven.identity)
        if found is None or found.user_id != self._work.actor.user_id:
            raise Forbidden("that is nobody whom you sign in as here", reason="IDENTITY_NOT_LINKED")
        user = await self._users.locked(found.user_id)
        await self._spend(token)
        found.used_at = self._work.now()
        return issue_token(self._work, user)

    def _require_own(self, proven: Proven, purpose: str) -> None:
        if (proven.link_user, proven.purpose) != (self._work.actor.user_id, purpose):
            raise _invalid()

    async def _known(self, identity: Identity) -> UserRow | None:
        """By the provider's id; one of a user who was deleted counts no more."""
        row = await self._identities.find(identity)
        if row is None:
            return None
        try:
            user = await self._users.locked(row.user_id)
        except NotFound:
            await self._identities.remove_all(row.user_id)
            return None
        row.used_at = self._work.now()
        row.email, row.username = identity.email, identity.username
        return user

    async def _newcomer(self, identity: Identity, token: str, invitation: str) -> UserRow:
        policy = await registration_policy(self._work.session)
        existing = await self._by_trusted_email(identity) or await self._by_local_email(identity)
        if existing is not None:
            await self._spend(token)
            await self._add(existing, identity)
            return existing
        await self._require_may_register(policy, invitation)
        await lock_user_limit(self._work, policy)
        await require_room(self._work, policy)
        email = await self._free_email(identity, policy)
        await self._spend(token)
        self._work.act_as(SYSTEM)
        name = identity.username or f"{self._provider.slug}_{identity.subject}"[:100]
        new = UserCreate(email=email, password=secrets.token_urlsafe(32), username=name)
        user = await UserService(self._work).create(new, digest=NO_PASSWORD)
        await self._add(user, identity)
        if policy.is_on("oauth_invitation_code_enabled"):
            await use_invitation(self._work, user.id, invitation)
        return user

    async def _require_may_register(self, policy: RegistrationPolicy, invitation: str) -> None:
        if not policy.is_on("oauth_registration_enabled"):
            raise Forbidden(
                "nobody new comes in through a provider here", reason="OAUTH_REGISTRATION_DISABLED"
            )
        await require_room(self._work, policy)
        if not policy.is_on("oauth_invitation_code_enabled"):
            return
        if not invitation.strip():
            raise Forbidden("an invitation code is needed", reason="OAUTH_INVITATION_REQUIRED")
        await require_invitation(self._work, invitation)

    def _trusted_email(self, identity: Identity) -> str:
        is_trusted = self._provider.trust_verified_email and identity.is_email_verified
        is_usable = ADDRESS.fullmatch(identity.email) and not identity.email.lower().endswith(".invalid")
        return normal_email(identity.email) if is_trusted and is_usable else ""

    async def _by_trusted_email(self, identity: Identity) -> UserRow | None:
        email = self._trusted_email(identity)
        user = await self._users.by_email(email) if email else None
        if user is not None and user.role != "user":
            raise Forbidden(
                "log in with the password and add the provider there: accounts with rights are never found by"
                " e-mail",
                reason="OAUTH_LINK_REQUIRED",
            )
        return None if user is None else await self._users.locked(user.id)

    async def _by_local_email(self, identity: Identity) -> UserRow | None:
        """A user from before identities were kept: nobody else can have such an address."""
        user = await self._users.by_email(identity.local_email(self._provider.slug))
        if user is None or user.role != "user" or await self._identities.of_user(user.id):
            return None
        return await self._users.locked(user.id)

    async def _free_email(self, identity: Identity, policy: RegistrationPolicy) -> str:
        if trusted := self._trusted_email(identity):
            return checked_address(trusted, policy)
        email = identity.local_email(self._provider.slug)
        is_taken = await self._users.by_email(email) is not None
        return identity.local_email(self._provider.slug, unique=True) if is_taken else email

    async def _add(self, user: UserRow, identity: Identity) -> None:
        await self._identities.add(user.id, self._provider.slug, identity, self._work.now())

    async def _spend(self, token: str) -> None:
        """Last before anything is written: an answer that asks for an invitation leaves the token usable."""
        if not await use_once(self._work.deps, f"oauth:{tickets.name_of(token)}", window_s=LIFETIME_S):
            raise _invalid()


async def remove_identity(work: Work, identity_id: int, proven: ProvenUser) -> None:
    """The caller signs in by something else from now on. Raises IDENTITY_NOT_FOUND, LAST_WAY_IN (409) when
    nothing is known to be left: another provider, or the password that was just proven."""
    identities = IdentityRepository(work.session)
    if identity_id not in [row.id for row in await identities.of_user(proven.user.id)]:
        raise NotFound("there is no such identity", reason="IDENTITY_NOT_FOUND")
    others = await usable_providers(work, proven.user.id, but=identity_id)
    if not others and proven.by is not Method.PASSWORD:
        raise Conflict(
            "this is the last way to sign in; set a password first, and prove yourself with it",
            reason="LAST_WAY_IN",
        )
    await identities.remove(proven.user.id, identity_id)


def _invalid() -> BadRequest:
    return BadRequest(
        "the sign-in is too old, was used, or began in another browser; begin again",
        reason="INVALID_OAUTH_TOKEN",
    )
