import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kit.crypto import SealBroken, Vault

VAULT = Vault(bytes(range(32)))
OTHER = Vault(bytes(32))


@given(plaintext=st.binary(max_size=300), context=st.text(max_size=20).filter(lambda text: text.isascii()))
def test_what_was_sealed_is_unsealed(plaintext: bytes, context: str) -> None:
    assert VAULT.unseal(VAULT.seal(plaintext, context=context), context=context) == plaintext


def test_a_blob_of_another_context_stays_shut() -> None:
    blob = VAULT.seal(b"secret", context="account.credentials")
    with pytest.raises(SealBroken):
        VAULT.unseal(blob, context="proxy.password")


def test_a_blob_of_another_master_key_stays_shut() -> None:
    blob = VAULT.seal(b"secret", context="c")
    with pytest.raises(SealBroken):
        OTHER.unseal(blob, context="c")


def test_every_altered_byte_is_noticed() -> None:
    blob = VAULT.seal(b"secret", context="c")
    for place in range(len(blob)):
        altered = bytearray(blob)
        altered[place] ^= 1
        with pytest.raises(SealBroken):
            VAULT.unseal(bytes(altered), context="c")


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01" * 50])
def test_a_truncated_blob_is_noticed(blob: bytes) -> None:
    with pytest.raises(SealBroken):
        VAULT.unseal(blob, context="c")


def test_the_same_plaintext_never_seals_the_same_way() -> None:
    assert VAULT.seal(b"x", context="c") != VAULT.seal(b"x", context="c")


def test_a_blob_does_not_hold_the_plaintext() -> None:
    assert b"sk-ant-canary" not in VAULT.seal(b"sk-ant-canary", context="c")


@given(st.text(max_size=200))
def test_a_key_hash_has_32_bytes_whatever_comes_in(key: str) -> None:
    try:
        key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return
    assert len(VAULT.key_hash(key)) == 32


def test_key_hashes_differ_by_key_and_by_master_key() -> None:
    assert VAULT.key_hash("a") == VAULT.key_hash("a")
    assert VAULT.key_hash("a") != VAULT.key_hash("b")
    assert VAULT.key_hash("a") != OTHER.key_hash("a")


def test_a_signature_is_bound_to_its_purpose() -> None:
    assert VAULT.signature("cookie", b"m") == VAULT.signature("cookie", b"m")
    assert VAULT.signature("cookie", b"m") != VAULT.signature("link", b"m")


def test_a_master_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(b"short")


def test_a_vault_prints_nothing() -> None:
    assert repr(VAULT) == "Vault(***)"
