"""`python -m bench.selection`, a part of `make bench`: what choosing an account costs.

The fastest of many turns: other work on the machine only ever adds. Wanted (issue 4): less than 30 us over 20
candidates, less than 300 us over 1,000.
"""

import asyncio
import math
import time
import timeit
from collections.abc import Callable

from headgate.core.ids import AccountId
from headgate.core.routing.candidates import Candidate, Wanted
from headgate.core.routing.explanation import explain
from headgate.core.routing.scoring import ScoreWeights
from headgate.core.routing.selection import select_account
from headgate.core.routing.verdicts import Selection
from headgate.core.world import Account, CredentialKind, Dialect, Provider
from headgate.kit.clock import SystemClock
from headgate.kit.secret import Secret
from headgate.relay.candidate_pool import CandidatePools, slot_of
from headgate.settings import LimitsSettings
from headgate.state.memory import open_memory_state

WANTED = Wanted(dialect=Dialect.ANTHROPIC_MESSAGES, provider=Provider.ANTHROPIC, model="claude-sonnet-4-5")
NOW_MS = 1_750_000_000_000
WANTED_US = {20: 30, 1000: 300}
TURNS = 400


def group(size: int, priorities: int) -> list[Candidate]:
    """Busy and idle accounts, every tenth cooling down, every seventh with a mapping."""
    return [candidate(number, priorities) for number in range(1, size + 1)]


def candidate(number: int, priorities: int) -> Candidate:
    account = Account(
        id=AccountId(number),
        name=f"account {number}",
        provider=Provider.ANTHROPIC,
        credential_kind=CredentialKind.API_KEY,
        secret=Secret("x"),
        base_url="https://provider.example",
        concurrency=5,
        priority=1 + number % priorities,
        cooldown_until_ms=NOW_MS + 9 if number % 10 == 0 else 0,
        model_mapping={"claude-*": "claude-sonnet-4-5"} if number % 7 == 0 else {},
    )
    return Candidate(
        account=account,
        in_use=number % 4,
        last_used_ms=NOW_MS - number * 7 % 1000 if number % 5 else None,
        error_rate=0.1 if number % 6 == 0 else 0.0,
        ttft_ms=300.0 + number if number % 2 else None,
    )


def fastest_us(call: Callable[[], object], repetitions: int) -> float:
    return min(timeit.repeat(call, number=repetitions, repeat=TURNS)) / repetitions * 1e6


def built_us(size: int) -> float:
    """What it costs to look at the slots and cooldowns of everybody; a tenth of the accounts is busy."""
    accounts = tuple(candidate.account for candidate in group(size, 3))
    state = open_memory_state(SystemClock(), LimitsSettings())
    pools = CandidatePools(state.slots, state.cooldowns, lambda _: None)

    async def measured() -> float:
        for account in accounts[::10]:
            await state.slots.try_acquire(slot_of(account.id), limit=5, owner="x")
        fastest = math.inf
        for _ in range(TURNS):
            began = time.perf_counter()
            await pools.of(accounts, ())
            fastest = min(fastest, time.perf_counter() - began)
        return fastest * 1e6

    return asyncio.run(measured())


def main() -> None:
    """The layered policy asks less when priorities differ: both cases are shown."""
    print(f"{'policy':<23} {'candidates':>10} {'selection us':>13} {'with trace us':>14} {'wanted us':>10}")
    policies = (("layered", None, 3), ("layered, one priority", None, 1), ("scored", ScoreWeights(), 3))
    for size in WANTED_US:
        print(f"{'building candidates':<23} {size:>10} {built_us(size):>13.1f}")
    for policy, scoring, priorities in policies:
        for size, wanted in WANTED_US.items():
            pool, repetitions = group(size, priorities), max(1, 400 // size)

            def choose(pool: list[Candidate] = pool, scoring: ScoreWeights | None = scoring) -> Selection:
                return select_account(
                    pool, wanted=WANTED, sticky_to=None, excluded=frozenset(), now_ms=NOW_MS, seed=3,
                    scoring=scoring,
                )  # fmt: skip

            plain = fastest_us(choose, repetitions)
            traced = fastest_us(lambda choose=choose: explain(choose()), repetitions)  # type: ignore[misc]
            print(f"{policy:<23} {size:>10} {plain:>13.1f} {traced:>14.1f} {'< ' + str(wanted):>10}")


if __name__ == "__main__":
    main()
