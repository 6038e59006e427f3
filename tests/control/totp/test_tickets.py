"""Sealed notes to ourselves: one spelling, one purpose, a few minutes."""

import pytest

from headgate.control.totp import tickets
from headgate.kit.crypto import Vault

VAULT = Vault(bytes(32))


def issued(lifetime_s=300):
    return tickets.issue(VAULT, tickets.LOGIN, {"user_id": 7}, now_s=1000, lifetime_s=lifetime_s)


def test_a_ticket_is_read_until_its_end():
    ticket = issued()
    content = tickets.read(VAULT, tickets.LOGIN, ticket, now_s=1299)
    assert content == {"user_id": 7, "expires_s": 1300}
    assert tickets.read(VAULT, tickets.LOGIN, ticket, now_s=1300) is None


def test_it_is_for_one_purpose_and_one_installation():
    ticket = issued()
    assert tickets.read(VAULT, tickets.SETUP, ticket, now_s=1000) is None
    assert tickets.read(Vault(b"1" * 32), tickets.LOGIN, ticket, now_s=1000) is None


@pytest.mark.parametrize("suffix", ["A", "=", "==", "AAAA", " ", "\n", "!"])
def test_other_spellings_of_the_same_bytes_are_refused(suffix):
    """Used tickets are remembered by their text."""
    for ticket in (issued(lifetime_s=number) for number in (1, 10, 100, 1000)):
        assert tickets.read(VAULT, tickets.LOGIN, ticket + suffix, now_s=1000) is None


@pytest.mark.parametrize("place", range(0, 160, 7))
def test_a_changed_ticket_is_refused(place):
    ticket = issued()
    changed = ticket[:place] + ("A" if ticket[place] != "A" else "B") + ticket[place + 1 :]
    assert tickets.read(VAULT, tickets.LOGIN, changed, now_s=1000) is None
