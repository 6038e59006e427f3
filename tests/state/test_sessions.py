"""Conversations at a time, alike in both stores."""

from headgate.state.protocols import SharedState
from tests.state.conftest import Elapse


async def test_conversations_count_until_they_are_idle(state: SharedState, elapse: Elapse) -> None:
    async def enter(session: str) -> str:
        return await state.sessions.enter("account:1", session, limit=2, idle_ms=400)

    assert [await enter("a"), await enter("b"), await enter("c"), await enter("a")] == [
        "new", "new", "full", "known",
    ]  # fmt: skip
    assert await state.sessions.enter("account:2", "c", limit=1, idle_ms=400) == "new"
    assert await state.sessions.count("account:1", idle_ms=400) == 2
    await elapse(0.25)
    assert await enter("a") == "known"
    await elapse(0.25)
    assert [await enter("c"), await enter("d"), await enter("a")] == ["new", "full", "known"]
    await state.sessions.leave("account:1", "c")
    await state.sessions.leave("account:1", "nobody")
    assert await enter("d") == "new"
    await elapse(0.5)
    assert await state.sessions.count("account:1", idle_ms=400) == 0
