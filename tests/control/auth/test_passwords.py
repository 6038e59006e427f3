"""Passwords are argon2id, and nobody costs as much as somebody (PAINS S6, spec 7.4)."""

import pytest

from headgate.control.auth.passwords import Passwords


async def test_a_hash_is_argon2id_and_salted():
    passwords = Passwords()
    first, second = await passwords.hash("secret"), await passwords.hash("secret")
    assert first.startswith("$argon2id$")
    assert first != second
    assert await passwords.verify("secret", first)
    assert not await passwords.verify("Secret", first)


@pytest.mark.parametrize("stored", [None, "", "plain", "$2b$12$abcdefghijklmnopqrstuu"])
async def test_what_is_no_hash_of_ours_verifies_nothing(stored):
    assert await Passwords().verify("plain", stored) is False


async def test_a_hash_is_no_password():
    passwords = Passwords()
    stored = await passwords.hash("secret")
    assert not await passwords.verify(stored, stored)
