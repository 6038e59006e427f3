from dataclasses import FrozenInstanceError

import pytest

from headgate.core.ids import AccountId
from headgate.core.world import Account, CredentialKind, EgressProxy, Provider
from headgate.kit.secret import Secret

ACCOUNT = Account(
    id=AccountId(1),
    name="main",
    provider=Provider.ANTHROPIC,
    credential_kind=CredentialKind.API_KEY,
    secret=Secret("sk-canary"),
    base_url="https://api.example",
    proxy=EgressProxy(id=1, url=Secret("http://user:canary@proxy")),  # type: ignore[arg-type]
)


def test_an_account_never_prints_its_secrets() -> None:
    assert "canary" not in repr(ACCOUNT)


def test_the_world_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        ACCOUNT.priority = 1  # type: ignore[misc]


def test_a_new_account_serves_every_model_and_is_schedulable() -> None:
    assert ACCOUNT.model_mapping == {}
    assert ACCOUNT.is_schedulable
