"""Passwords are argon2id, and nobody costs as much as somebody (PAINS S6, spec 7.4)."""

import pytest

from headgate.control.auth.passwords import Argon2Cost, Passwords, Verdict


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


async def test_the_cost_is_what_the_rfc_recommends_whatever_the_library_prefers():
    assert (await Passwords().hash("secret")).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_a_hash_of_another_cost_is_right_and_gets_a_better_one():
    old = await Passwords(Argon2Cost(passes=1, memory_kib=16, lanes=1)).hash("secret")
    today = Passwords(Argon2Cost(passes=2, memory_kib=16, lanes=1))
    verdict = await today.judge("secret", old)
    assert verdict.is_right
    assert verdict.better_hash is not None
    assert await today.judge("secret", verdict.better_hash) == Verdict(is_right=True)
    assert await today.judge("wrong", old) == Verdict(is_right=False)
