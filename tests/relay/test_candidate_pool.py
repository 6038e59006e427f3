"""Candidates carry the live facts of this very moment, whatever was kept from the request before."""

from headgate.core.ids import AccountId
from headgate.core.routing.candidates import Candidate
from headgate.kit.clock import FakeClock
from headgate.relay.candidate_pool import CandidatePools, slot_of
from headgate.relay.directory import Directory
from headgate.state.protocols import Cooldown, SharedState

ONE, TWO = AccountId(1), AccountId(2)


async def test_load_cooldowns_and_last_use_come_and_go(
    directory: Directory, state: SharedState, clock: FakeClock
) -> None:
    pools = CandidatePools(state.slots, state.cooldowns, lambda _: None)
    accounts = directory.accounts()

    async def seen() -> dict[AccountId, Candidate]:
        candidates, _ = await pools.of(accounts, ())
        return {candidate.account.id: candidate for candidate in candidates}

    idle = await seen()
    assert idle == {account.id: Candidate(account=account) for account in accounts}
    lease = await state.slots.try_acquire(slot_of(ONE), limit=3, owner="x")
    assert lease is not None
    until = clock.now_ms() + 60_000
    await state.cooldowns.set(
        Cooldown(account_id=TWO, model="", until_ms=until, reason="rate_limited", evidence="")
    )
    pools.used(ONE, 77)
    busy = await seen()
    assert (busy[ONE].in_use, busy[ONE].last_used_ms, busy[ONE].cooldowns) == (1, 77, ())
    assert (busy[TWO].in_use, busy[TWO].last_used_ms) == (0, None)
    assert [cooldown.reason for cooldown in busy[TWO].cooldowns] == ["rate_limited"]
    await state.slots.release(lease)
    await state.cooldowns.clear(TWO)
    assert await seen() == {**idle, ONE: Candidate(account=idle[ONE].account, last_used_ms=77)}


async def test_another_snapshot_remembers_who_was_used(
    directory: Directory, state: SharedState, clock: FakeClock
) -> None:
    pools = CandidatePools(state.slots, state.cooldowns, lambda _: None)
    pools.used(TWO, 5)
    await pools.forget()
    stranger = Cooldown(account_id=AccountId(99), model="", until_ms=9, reason="r", evidence="")
    candidates, cooling = await pools.of(tuple(directory.accounts()), [stranger])
    assert [candidate.last_used_ms for candidate in candidates if candidate.account.id == TWO] == [5]
    assert set(cooling) == {99}
