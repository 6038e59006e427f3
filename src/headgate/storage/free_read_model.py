"""The read model of simple mode: what the operator configured, seen as if nothing cost anything (spec 7.9).

The database stays as it is: back in standard mode every price, quota and subscription counts again."""

from dataclasses import replace

from headgate.core.free_world import free_group, free_key, free_user, shared_accounts
from headgate.core.world import ApiKey, User
from headgate.storage.read_model import DirectoryData, ReadModel


class FreeReadModel(ReadModel):
    async def load_directory(self) -> DirectoryData:
        data = await super().load_directory()
        groups = tuple(free_group(group) for group in data.groups)
        return replace(data, groups=groups, accounts=shared_accounts(data.accounts, groups))

    async def load_key(self, key_hash: bytes) -> tuple[ApiKey, User] | None:
        found = await super().load_key(key_hash)
        return None if found is None else (free_key(found[0]), free_user(found[1]))
