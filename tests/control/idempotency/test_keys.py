"""Which requests are the same one (spec 7.15)."""

import pytest

from headgate.control.idempotency.keys import Identity, checked_key, identify
from headgate.errors import BadRequest


def identity(**changes: object) -> Identity:
    given: dict[str, object] = {
        "scope": "admin.users.balance.update", "key": "order-1", "method": "POST", "route": "/v1/x/{id}",
        "actor_id": 1, "parameters": {"id": "7"}, "body": b'{"a": 1, "b": [2]}',
    }  # fmt: skip
    return identify(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [b'{"b":[2],"a":1}', b'\n{ "a" : 1 , "b" : [ 2 ] }'])
def test_white_space_and_the_order_of_names_do_not_matter(body: bytes) -> None:
    assert identity(body=body) == identity()


@pytest.mark.parametrize(
    "change",
    [
        {"body": b'{"a": 1, "b": [3]}'},
        {"body": b'{"a": "1", "b": [2]}'},
        {"body": b""},
        {"body": b"{"},
        {"parameters": {"id": "8"}},
        {"method": "PUT"},
        {"route": "/v1/y/{id}"},
        {"actor_id": 2},
    ],
)
def test_whatever_matters_changes_the_fingerprint(change: dict[str, object]) -> None:
    other = identity(**change)
    assert (other.key_hash, other.scope) == (identity().key_hash, identity().scope)
    assert other.fingerprint != identity().fingerprint


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b'"\\ud800"', b"\xff", b"1e999", b"9" * 400])
def test_a_body_that_cannot_be_read_has_a_fingerprint_too(body: bytes) -> None:
    assert identity(body=body) == identity(body=body) != identity(body=body + b" x")


def test_administrators_share_keys_and_users_do_not() -> None:
    assert identity(actor_id=1).key_hash == identity(actor_id=2).key_hash
    first, second = (identity(scope="user.api_keys.create", actor_id=actor) for actor in (1, 2))
    assert first.key_hash != second.key_hash


def test_an_actor_and_a_key_cannot_be_shifted_into_each_other() -> None:
    first = identity(scope="user.api_keys.create", actor_id=1, key="2\n3".replace("\n", "~"))
    second = identity(scope="user.api_keys.create", actor_id=12, key="~3")
    assert first.key_hash != second.key_hash


@pytest.mark.parametrize("key", ["x" * 129, "a b", "naïve", "tab\tkey", "\x7f"])
def test_a_key_is_printable_and_short(key: str) -> None:
    with pytest.raises(BadRequest) as refused:
        checked_key(key)
    assert refused.value.reason == "IDEMPOTENCY_KEY_INVALID"


@pytest.mark.parametrize(("header", "key"), [("", None), ("  ", None), (" k ", "k"), ("x" * 128, "x" * 128)])
def test_a_key_is_trimmed(header: str, key: str | None) -> None:
    assert checked_key(header) == key
