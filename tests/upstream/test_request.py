"""Where an attempt goes and what it carries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyreqwest.http import Url

from headgate.core.dialects.contract import Operation, Target
from headgate.core.faults import FaultKind, RelayError
from headgate.core.ids import AccountId, ProxyId
from headgate.core.world import Account, CredentialKind, Dialect, EgressProxy, Provider
from headgate.kit.secret import Secret
from headgate.upstream.request import UpstreamRequest, build_request, is_safe_path

KEY = "upstream-canary"
BASES = {Dialect.ANTHROPIC_MESSAGES: Provider.ANTHROPIC, Dialect.GEMINI: Provider.GEMINI}


def account(
    provider: Provider, base_url: str = "https://h.test", *, kind: CredentialKind = CredentialKind.API_KEY
) -> Account:
    return Account(
        id=AccountId(1),
        name="a",
        provider=provider,
        credential_kind=kind,
        secret=Secret(KEY),
        base_url=base_url,
    )


def target(
    dialect: Dialect, operation: Operation = Operation.GENERATE, subpath: str = "", api: str = "v1"
) -> Target:
    return Target(dialect=dialect, operation=operation, subpath=subpath, api_version=api)


def build(
    to: Target,
    *,
    base: str = "https://h.test",
    query: bytes = b"",
    headers: dict[str, str] | None = None,
    kind: CredentialKind = CredentialKind.API_KEY,
    model: str = "m-1",
    body: bytes | None = b"{}",
) -> UpstreamRequest:
    provider = BASES.get(to.dialect, Provider.OPENAI)
    return build_request(
        account(provider, base, kind=kind),
        to,
        method="POST",
        upstream_model=model,
        query=query,
        headers=headers or {},
        body=body,
    )


MESSAGES = target(Dialect.ANTHROPIC_MESSAGES)
CHAT = target(Dialect.OPENAI_CHAT)
RESPONSES = target(Dialect.OPENAI_RESPONSES)
GENERATE = target(Dialect.GEMINI, subpath="generateContent", api="v1beta")


@pytest.mark.parametrize(
    ("to", "base", "url"),
    [
        (MESSAGES, "https://h.test", "https://h.test/v1/messages"),
        (MESSAGES, "https://h.test/", "https://h.test/v1/messages"),
        (MESSAGES, "https://h.test/v1", "https://h.test/v1/messages"),
        (MESSAGES, "https://h.test/anthropic", "https://h.test/anthropic/v1/messages"),
        (target(Dialect.ANTHROPIC_MESSAGES, Operation.COUNT), "https://h.test", "https://h.test/v1/messages/count_tokens"),
        (CHAT, "https://h.test", "https://h.test/v1/chat/completions"),
        (CHAT, "https://h.test/v1/", "https://h.test/v1/chat/completions"),
        (CHAT, "https://h.test/api/paas/v4", "https://h.test/api/paas/v4/chat/completions"),
        (CHAT, "https://h.test/v1beta/openai", "https://h.test/v1beta/openai/chat/completions"),
        (CHAT, "https://v1.h.test", "https://v1.h.test/v1/chat/completions"),
        (target(Dialect.OPENAI_CHAT, Operation.EMBED), "https://h.test", "https://h.test/v1/embeddings"),
        (target(Dialect.OPENAI_CHAT, Operation.IMAGE), "https://h.test", "https://h.test/v1/images/generations"),
        (RESPONSES, "https://h.test", "https://h.test/v1/responses"),
        (RESPONSES, "https://h.test/v1", "https://h.test/v1/responses"),
        (target(Dialect.OPENAI_RESPONSES, Operation.COMPACT, "/compact"), "https://h.test", "https://h.test/v1/responses/compact"),
        (target(Dialect.OPENAI_RESPONSES, Operation.OBJECT, "/resp_1"), "https://h.test", "https://h.test/v1/responses/resp_1"),
        (GENERATE, "https://h.test", "https://h.test/v1beta/models/m-1:generateContent"),
        (GENERATE, "https://h.test/v1beta", "https://h.test/v1beta/models/m-1:generateContent"),
        (target(Dialect.GEMINI, subpath="countTokens"), "https://h.test/v1beta", "https://h.test/v1/models/m-1:countTokens"),
    ],
)  # fmt: skip
def test_base_urls_work_with_and_without_a_version(to: Target, base: str, url: str) -> None:
    assert build(to, base=base).url == url


def test_tuned_models_keep_their_collection() -> None:
    assert build(GENERATE, model="tunedModels/mine").url.endswith("/v1beta/tunedModels/mine:generateContent")


@pytest.mark.parametrize(
    ("to", "query", "sent"),
    [
        (MESSAGES, b"beta=true", "beta=true"),
        (MESSAGES, b"", ""),
        (MESSAGES, b"key=sk-client&beta=true&x=1", "beta=true"),
        (CHAT, b"api-version=2025-01-01&key=sk-client&api_key=sk-client", "api-version=2025-01-01"),
        (RESPONSES, b"include%5B%5D=a&stream=true", "include%5B%5D=a&stream=true"),
        (CHAT, b"%6bey=sk-client", ""),
        (GENERATE, b"alt=sse&key=sk-client", "alt=sse"),
        (GENERATE, b"key=sk-client", ""),
        (GENERATE, b"alt=sse&$httpHeaders=authorization%3Ax", "alt=sse"),
    ],
)
def test_parameters_pass_but_secrets_do_not(to: Target, query: bytes, sent: str) -> None:
    assert build(to, query=query).url.partition("?")[2] == sent


@pytest.mark.parametrize(
    ("to", "kind", "name", "value"),
    [
        (MESSAGES, CredentialKind.API_KEY, "x-api-key", KEY),
        (MESSAGES, CredentialKind.BEARER, "authorization", f"Bearer {KEY}"),
        (CHAT, CredentialKind.API_KEY, "authorization", f"Bearer {KEY}"),
        (CHAT, CredentialKind.BEARER, "authorization", f"Bearer {KEY}"),
        (GENERATE, CredentialKind.API_KEY, "x-goog-api-key", KEY),
        (GENERATE, CredentialKind.BEARER, "authorization", f"Bearer {KEY}"),
    ],
)
def test_the_credential_goes_where_the_provider_wants_it(
    to: Target, kind: CredentialKind, name: str, value: str
) -> None:
    headers = build(to, kind=kind).headers
    assert headers[name] == value
    assert [key for key, text in headers.items() if KEY in text] == [name]


@pytest.mark.parametrize("to", [MESSAGES, CHAT, GENERATE])
def test_the_clients_own_keys_never_go_upstream(to: Target) -> None:
    names = ("authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "proxy-authorization")
    sent = build(to, headers=dict.fromkeys(names, "sk-client")).headers
    assert "sk-client" not in " ".join(sent.values())


def test_missing_headers_get_defaults_and_given_ones_stay() -> None:
    plain = build(MESSAGES).headers
    assert plain["anthropic-version"] == "2023-06-01"
    assert plain["content-type"] == "application/json"
    assert plain["user-agent"].startswith("headgate/")
    given = {
        "anthropic-version": "2026-10-21",
        "user-agent": "sdk/1",
        "content-type": "application/json; x=1",
    }
    assert given.items() <= build(MESSAGES, headers=given).headers.items()


def test_a_request_without_body_claims_no_content_type() -> None:
    assert (
        "content-type"
        not in build(target(Dialect.OPENAI_RESPONSES, Operation.OBJECT, "/r"), body=b"").headers
    )


@pytest.mark.parametrize(
    "subpath",
    [
        "/../files",
        "/a/../../files",
        "/..",
        "/%2e%2e/files",
        "/a?x=1",
        "/a#b",
        "/a\\..\\b",
        "//h",
        "/a b",
        "/./x",
    ],
)
def test_a_path_cannot_climb_out_of_its_endpoint(subpath: str) -> None:
    with pytest.raises(RelayError) as caught:
        build(target(Dialect.OPENAI_RESPONSES, Operation.OBJECT, subpath))
    assert caught.value.fault.kind is FaultKind.NOT_FOUND


@pytest.mark.parametrize("model", ["../../x", "m?key=1", "m/../../files", "m#", "m\\x", "m%2f.."])
def test_a_gemini_model_cannot_change_the_endpoint(model: str) -> None:
    with pytest.raises(RelayError):
        build(GENERATE, model=model)


@given(st.text(max_size=30))
def test_safe_paths_survive_a_url_parser(path: str) -> None:
    if is_safe_path(path):
        assert Url(f"https://h.test/v1{path}").path == f"/v1{path}"


def test_a_dialect_that_the_provider_does_not_speak_is_refused() -> None:
    with pytest.raises(RelayError):
        build_request(
            account(Provider.ANTHROPIC),
            CHAT,
            method="POST",
            upstream_model="m",
            query=b"",
            headers={},
            body=b"{}",
        )


def test_a_proxy_that_is_switched_off_never_means_going_direct() -> None:
    proxy = EgressProxy(id=ProxyId(1), url=Secret("http://p.test"), is_active=False)
    holder = Account(
        id=AccountId(1), name="a", provider=Provider.OPENAI, credential_kind=CredentialKind.API_KEY,
        secret=Secret(KEY), base_url="https://h.test", proxy=proxy,
    )  # fmt: skip
    with pytest.raises(RelayError) as caught:
        build_request(holder, CHAT, method="POST", upstream_model="m", query=b"", headers={}, body=b"{}")
    assert caught.value.fault.kind is FaultKind.UPSTREAM_UNREACHABLE


def test_a_printed_request_shows_no_credential() -> None:
    assert KEY not in repr(build(MESSAGES))
