"""Cooldowns in Redis: one hash per account, which expires with the probation of its last cooldown."""

from collections.abc import Sequence

from headgate.core.ids import AccountId
from headgate.kit import json
from headgate.state.protocols import Cooldown
from headgate.state.redis.pipeline import Pipeline
from headgate.state.redis.scripts import read_script


class RedisCooldowns:
    """Implements `CooldownStore`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._set = read_script("cooldown_set", shared="cooldowns")
        self._forget = read_script("cooldown_forget", shared="cooldowns")
        self._active = read_script("cooldown_active", shared="cooldowns")

    async def set(self, cooldown: Cooldown) -> None:
        details = json.dumps([cooldown.reason, cooldown.evidence, cooldown.strikes, cooldown.began_ms])
        await self._pipeline.run(self._set, cooldown.account_id, cooldown.model, cooldown.until_ms, details)

    async def active(self, accounts: Sequence[AccountId]) -> Sequence[Cooldown]:
        if not accounts:
            return ()
        found = await self._pipeline.run(self._active, *accounts)
        return [_cooldown(*found[i : i + 3]) for i in range(0, len(found), 3)]

    async def forget(self, account: AccountId, model: str, *, until_ms: int) -> bool:
        return bool(await self._pipeline.run(self._forget, account, model, until_ms))

    async def clear(self, account: AccountId) -> None:
        await self._pipeline.call("DEL", f"headgate:cooldown:{account}")


def _cooldown(account: bytes, model: bytes, value: bytes) -> Cooldown:
    until_ms, _, details = value.partition(b":")
    reason, evidence, *newer = json.loads(details)
    strikes, began_ms = newer or (0, 0)  # written by a version that did not know them
    return Cooldown(
        account_id=AccountId(int(account)),
        model=model.decode(),
        until_ms=int(until_ms),
        reason=reason,
        evidence=evidence,
        strikes=strikes,
        began_ms=began_ms,
    )
