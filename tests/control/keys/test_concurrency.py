"""A key's own concurrency: set by its owner, in force on the data plane."""

import pytest
from sqlalchemy import select

from headgate.storage.directory_rows import key_from
from headgate.storage.models import ApiKeyRow


async def in_force(control):
    async with control.deps.uow() as uow:
        (row,) = await uow.session.scalars(select(ApiKeyRow))
        return key_from(row).concurrency


async def test_a_key_has_no_limit_of_its_own_until_it_is_given_one_which_stays(control):
    made = (await control.anna("POST", "/keys", {"name": "k"})).data
    assert (made["concurrency"], await in_force(control)) == (0, 0)
    path = f"/keys/{made['id']}"
    assert (await control.anna("PUT", path, {"concurrency": 3})).data["concurrency"] == 3
    assert (await control.anna("PUT", path, {"name": "other"})).data["concurrency"] == 3
    assert await in_force(control) == 3


@pytest.mark.parametrize("bad", [-1, 1_000_001, "x", 1.5])
async def test_a_limit_out_of_bounds_is_refused(control, bad):
    assert (await control.anna("POST", "/keys", {"name": "k", "concurrency": bad})).status == 400
