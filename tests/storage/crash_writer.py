"""A process that books exchanges until it is killed: `python -m tests.storage.crash_writer URL PROCESS`.

Prints the exchange id after each commit, so that the test knows what was promised.
"""

import asyncio
import sys

from headgate.kit.clock import SystemClock
from headgate.storage.journal_opening import open_journal_at
from tests.storage.books import intent, settlement
from tests.support.databases import target_for

_AT_ONCE = 16


async def book_for_ever(url: str, process: str) -> None:
    journal = await open_journal_at(target_for(url), SystemClock(), process)

    async def worker(number: int) -> None:
        for count in range(10**9):
            opened = intent(f"{process}-{number}-{count}", user_id=number % 4 + 1)
            await journal.open_intent(opened)
            print("opened", opened.exchange_id, flush=True)  # noqa: T201
            await journal.settle(settlement(opened, charge=3, account_cost=2))
            print("settled", opened.exchange_id, flush=True)  # noqa: T201

    await asyncio.gather(*(worker(number) for number in range(_AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(book_for_ever(sys.argv[1], sys.argv[2]))
