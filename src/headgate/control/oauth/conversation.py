"""Talking to a provider: where things are, the exchange of a code, and who it was (spec 7.8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.auth import ClientAuth

from headgate.control.deps import ControlDeps
from headgate.control.oauth.claims import (
    LEEWAY_S,
    ClaimsRefused,
    Identity,
    identity_of,
    key_id_of,
    key_ids,
    read_id_token,
)
from headgate.control.oauth.flow import Begun
from headgate.control.oauth.providers import Provider
from headgate.kit import json
from headgate.kit.secret import Secret
from headgate.upstream.web import WebFailed, WebRequest, get, post_form

MAX_TOKEN_CHARS = 16 * 1024


class ProviderFailed(Exception):
    """A step went wrong; `code` is what the page is told."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a provider answers."""

    authorize_url: str
    token_url: str
    userinfo_url: str = ""
    jwks_url: str = ""


class Conversation:
    def __init__(self, deps: ControlDeps, provider: Provider) -> None:
        self._deps = deps
        self._provider = provider

    async def places(self) -> Places:
        """Raises `ProviderFailed` config_error."""
        provider = self._provider
        if provider.kind == "oauth2":
            return Places(
                authorize_url=provider.authorize_url,
                token_url=provider.token_url,
                userinfo_url=provider.userinfo_url,
            )
        found = await self._kept(
            f"{provider.authority}/.well-known/openid-configuration", max_age_s=300, code="config_error"
        )
        if str(found.get("issuer", "")).rstrip("/") != provider.authority:
            raise ProviderFailed("config_error", "the provider says that it is somebody else")
        texts = {key: value for key, value in found.items() if isinstance(value, str)}
        try:
            return Places(
                authorize_url=texts["authorization_endpoint"],
                token_url=texts["token_endpoint"],
                userinfo_url=texts.get("userinfo_endpoint", ""),
                jwks_url=texts["jwks_uri"],
            )
        except KeyError:
            raise ProviderFailed("config_error", "the provider does not say where it answers") from None

    async def identify(self, code: str, secret: Secret, begun: Begun, *, redirect_uri: str) -> Identity:
        """Who signed in. Raises `ProviderFailed` config_error, token_exchange_failed, userinfo_failed."""
        places = await self.places()
        tokens = await self._exchange(places, code, secret, begun, redirect_uri)
        access_token = tokens.get("access_token")
        if not isinstance(access_token, str) or not 0 < len(access_token) <= MAX_TOKEN_CHARS:
            raise ProviderFailed("token_exchange_failed", "the provider gave no access token")
        try:
            if self._provider.kind == "oauth2":
                return identity_of(self._provider, await self._userinfo(places, access_token))
            return await self._from_id_token(places, tokens, access_token, begun)
        except ClaimsRefused as refused:
            raise ProviderFailed("userinfo_failed", str(refused)) from None

    async def _exchange(
        self, places: Places, code: str, secret: Secret, begun: Begun, redirect_uri: str
    ) -> Mapping[str, Any]:
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if begun.verifier:
            fields["code_verifier"] = begun.verifier
        plain = post_form(places.token_url, fields)
        method = self._provider.token_auth_method
        auth = ClientAuth(self._provider.client_id, secret.reveal(), method)
        url, headers, body = auth.prepare(
            "POST", plain.url, dict(plain.headers), (plain.body or b"").decode()
        )
        sent = WebRequest("POST", url, headers, body.encode() if isinstance(body, str) else body)
        return await self._document(sent, code="token_exchange_failed")

    async def _from_id_token(
        self, places: Places, tokens: Mapping[str, Any], access_token: str, begun: Begun
    ) -> Identity:
        token = tokens.get("id_token")
        if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_CHARS:
            raise ProviderFailed("token_exchange_failed", "the provider gave no ID token")
        claims = read_id_token(
            token,
            await self._keys(places, key_id_of(token)),
            self._provider,
            nonce=begun.nonce,
            access_token=access_token,
            now_s=self._deps.clock.now_ms() // 1000,
        )
        if begun.purpose == "prove" and _was_before(claims, begun.began_s):
            raise ProviderFailed("login_failed", "the provider did not ask who is there again")
        if "email" not in claims and places.userinfo_url:
            more = await self._userinfo(places, access_token)
            if more.get("sub") == claims["sub"]:  # OIDC Core 5.3.2: else it is about somebody else
                claims = {**more, **claims}
        return identity_of(self._provider, claims)

    async def _keys(self, places: Places, key_id: str) -> Mapping[str, Any]:
        keys = await self._kept(places.jwks_url, max_age_s=300, code="userinfo_failed")
        if key_id and key_id not in key_ids(keys):  # the provider changed its keys
            keys = await self._kept(places.jwks_url, max_age_s=10, code="userinfo_failed")
        return keys

    async def _userinfo(self, places: Places, access_token: str) -> Mapping[str, Any]:
        return await self._document(get(places.userinfo_url, bearer=access_token), code="userinfo_failed")

    async def _kept(self, url: str, *, max_age_s: int, code: str) -> Mapping[str, Any]:
        now_ms = self._deps.clock.now_ms()
        kept = self._deps.documents.read(url, now_ms=now_ms, max_age_s=max_age_s)
        if kept is not None:
            return kept
        found = await self._document(get(url), code=code)
        self._deps.documents.keep(url, found, now_ms=now_ms)
        return found

    async def _document(self, request: WebRequest, *, code: str) -> Mapping[str, Any]:
        try:
            answer = await self._deps.web.send(request)
            document = json.loads(answer.body)
        except WebFailed as failed:
            raise ProviderFailed(code, str(failed)) from None
        except json.JSONDecodeError:
            raise ProviderFailed(code, "the provider's answer is no JSON") from None
        if answer.status != 200 or not isinstance(document, dict):
            raise ProviderFailed(code, f"the provider answered {answer.status}")
        return document


def _was_before(claims: Mapping[str, Any], began_s: int) -> bool:
    """Providers that know `max_age` say when they asked (OIDC Core 2); others are believed that somebody who
    is signed in there sits at this browser."""
    asked_s = claims.get("auth_time")
    return isinstance(asked_s, (int, float)) and asked_s < began_s - LEEWAY_S
