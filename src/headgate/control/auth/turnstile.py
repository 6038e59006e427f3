"""Cloudflare Turnstile in front of what strangers may do: a widget's token, judged by its service (spec 7.7).

Fails closed: while the service does not answer, nobody passes. Checked before any account is looked at, so
that bots lock nobody out.
"""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from headgate.control.auth.throttle import admit_login_step
from headgate.control.deps import ControlDeps
from headgate.control.settings.values import has_secret, read_secret, read_texts, write_secret, write_text
from headgate.control.web.fields import RequestBody
from headgate.control.work import Work
from headgate.errors import BadRequest, Unavailable
from headgate.kit import json
from headgate.upstream.web import WebFailed, post_form

ENABLED, SITE_KEY, SECRET = "turnstile_enabled", "turnstile_site_key", "turnstile_secret_key"
MAX_TOKEN_CHARS = 2048

TurnstileToken = Annotated[str, Field(max_length=MAX_TOKEN_CHARS)]


class TurnstileFields(RequestBody):
    """Absent ones stay; an empty secret stays too."""

    turnstile_enabled: bool | None = None
    turnstile_site_key: Annotated[str, Field(max_length=200)] | None = None
    turnstile_secret_key: Annotated[str, Field(max_length=200)] | None = None


class TurnstileView(BaseModel):
    turnstile_enabled: bool
    turnstile_site_key: str
    turnstile_secret_key_configured: bool


async def view_turnstile(work: Work) -> TurnstileView:
    found = await read_texts(work.session, (ENABLED, SITE_KEY))
    return TurnstileView(
        turnstile_enabled=found.get(ENABLED) == "true",
        turnstile_site_key=found.get(SITE_KEY, ""),
        turnstile_secret_key_configured=await has_secret(work.session, SECRET),
    )


async def probe_turnstile(deps: ControlDeps, given: TurnstileFields) -> None:
    """Before a new secret is saved, and before the work holds anything. Raises TURNSTILE_INVALID_SECRET_KEY,
    TURNSTILE_UNAVAILABLE."""
    if not given.turnstile_secret_key:
        return
    verdict = await _ask(deps, given.turnstile_secret_key, "probe", address="")
    if "invalid-input-secret" in verdict.get("error-codes", ()):
        raise BadRequest("Turnstile does not know this secret key", reason="TURNSTILE_INVALID_SECRET_KEY")


async def change_turnstile(work: Work, given: TurnstileFields) -> None:
    """Raises TURNSTILE_NOT_CONFIGURED: switched on without both keys nobody could come in."""
    place = work.deps.settings.auth.turnstile_url
    if given.turnstile_secret_key:
        await write_secret(work, SECRET, given.turnstile_secret_key, place=place)
    if given.turnstile_site_key is not None:
        await write_text(work, SITE_KEY, given.turnstile_site_key.strip())
    if given.turnstile_enabled is not None:
        await write_text(work, ENABLED, "true" if given.turnstile_enabled else "false")
    await work.session.flush()
    view = await view_turnstile(work)
    has_keys = view.turnstile_secret_key_configured and bool(view.turnstile_site_key)
    if view.turnstile_enabled and not has_keys:
        raise BadRequest("Turnstile needs its site key and its secret key", reason="TURNSTILE_NOT_CONFIGURED")


async def require_human(work: Work, deps: ControlDeps, token: str, *, address: str) -> None:
    """Nothing while it is off. Raises `Throttled`, TURNSTILE_VERIFICATION_FAILED (400),
    TURNSTILE_NOT_CONFIGURED, TURNSTILE_UNAVAILABLE (503)."""
    is_on = (await read_texts(work.session, (ENABLED,))).get(ENABLED) == "true"
    must_be_on = deps.settings.auth.turnstile_required and deps.settings.server.mode == "release"
    if not is_on and not must_be_on:
        return
    secret = await read_secret(work, SECRET, place=deps.settings.auth.turnstile_url)
    if not is_on or not secret:
        raise Unavailable("Turnstile is not set up", reason="TURNSTILE_NOT_CONFIGURED")
    if not token:
        raise _failed()
    await work.release_connection()
    await admit_login_step(deps, "turnstile", address)
    verdict = await _ask(deps, secret.reveal(), token, address=address)
    if verdict.get("success") is not True:
        raise _failed()


async def _ask(deps: ControlDeps, secret: str, token: str, *, address: str) -> dict[str, Any]:
    fields = {"secret": secret, "response": token} | ({"remoteip": address} if address else {})
    try:
        answer = await deps.web.send(post_form(deps.settings.auth.turnstile_url, fields))
        verdict = json.loads(answer.body)
    except (WebFailed, json.JSONDecodeError):
        raise _unavailable() from None
    if not isinstance(verdict, dict) or answer.status >= 500:
        raise _unavailable()
    found: dict[str, Any] = verdict
    return found


def _failed() -> BadRequest:
    return BadRequest("the Turnstile check was not passed", reason="TURNSTILE_VERIFICATION_FAILED")


def _unavailable() -> Unavailable:
    return Unavailable(
        "Turnstile does not answer; try again in a moment",
        reason="TURNSTILE_UNAVAILABLE",
        metadata={"retry_after": "5"},
    )
