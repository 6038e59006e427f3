"""Finding the key in a request: the order of spec 2.2; no input makes it fail or lets more through."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.faults import Fault, FaultKind
from headgate.core.world import Dialect
from headgate.kit.crypto import Vault
from headgate.relay.authentication import extract_key

ANTHROPIC, GOOGLE = Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI
KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key")
HEADERS = st.dictionaries(st.sampled_from(KEY_HEADERS), st.text(max_size=300))
KEYS = st.text("abcdefXYZ0189_-", min_size=1, max_size=100)


@given(st.sampled_from(Dialect), HEADERS, st.binary(max_size=200))
def test_no_header_and_no_query_makes_it_fail(
    dialect: Dialect, headers: dict[str, str], query: bytes
) -> None:
    found = extract_key(dialect, headers, query)
    if isinstance(found, Fault):
        assert found.kind in (FaultKind.KEY_MISSING, FaultKind.KEY_INVALID, FaultKind.KEY_IN_QUERY)
        return
    assert found.strip() == found != ""
    assert len(Vault(bytes(32)).key_hash(found)) == 32


@given(KEYS, KEYS, KEYS)
def test_bearer_comes_first_except_for_google(bearer: str, plain: str, google: str) -> None:
    headers = {"authorization": f"Bearer {bearer}", "x-api-key": plain, "x-goog-api-key": google}
    assert extract_key(ANTHROPIC, headers, b"") == bearer
    assert extract_key(GOOGLE, headers, b"") == google


@given(KEYS, st.sampled_from(["Bearer", "bearer", "BEARER"]))
def test_the_scheme_has_no_case(key: str, scheme: str) -> None:
    assert extract_key(ANTHROPIC, {"authorization": f"{scheme}   {key} "}, b"") == key


@given(KEYS)
def test_a_key_in_the_query_is_for_google_only(key: str) -> None:
    query = f"alt=sse&key={quote(key)}".encode()
    assert extract_key(GOOGLE, {}, query) == key
    refused = extract_key(ANTHROPIC, {"x-api-key": "good"}, query)
    assert isinstance(refused, Fault)
    assert refused.kind is FaultKind.KEY_IN_QUERY
    assert key not in refused.message or len(key) < 4


@pytest.mark.parametrize("value", ["", "Basic dXNlcg==", "Bearer", "Bearer    ", "sk-bare"])
def test_another_scheme_is_no_key(value: str) -> None:
    found = extract_key(ANTHROPIC, {"authorization": value}, b"")
    assert isinstance(found, Fault)
    assert found.code == "API_KEY_REQUIRED"


def test_an_endless_key_is_invalid_and_not_looked_up() -> None:
    found = extract_key(ANTHROPIC, {"x-api-key": "k" * 10_000}, b"")
    assert isinstance(found, Fault)
    assert found.kind is FaultKind.KEY_INVALID


@given(KEYS, KEYS)
def test_different_keys_have_different_hashes(one: str, other: str) -> None:
    vault = Vault(bytes(32))
    assert (vault.key_hash(one) == vault.key_hash(other)) == (one == other)
