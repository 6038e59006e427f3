"""Testing an account: one real, small call with its credential, told as events (spec 8.4)."""

from collections.abc import AsyncIterator, Mapping

import pytest
from sqlalchemy import update

from headgate.kit.clock import FakeClock
from headgate.relay.account_tester import LiveAccountTester
from headgate.relay.directory import Directory
from headgate.settings import GatewaySettings, UrlAllowlistSettings
from headgate.storage.models import AccountRow
from headgate.upstream.clients import ClientPool
from headgate.upstream.guard import AddressGuard
from tests.relay.conftest import Change
from tests.support.scripted_upstream import CUT, Reply, ScriptedUpstream

LAX = UrlAllowlistSettings(allow_private_hosts=True, allow_insecure_http=True)
ANSWERS = {
    "anthropic": b'{"content":[{"type":"text","text":"hello"}]}',
    "openai": b'{"output":[{"type":"message","content":[{"type":"output_text","text":"hello"}]}]}',
    "gemini": b'{"candidates":[{"content":{"parts":[{"text":"hello"}]}}]}',
}
PATHS = {
    "anthropic": "/v1/messages", "openai": "/v1/responses",
    "gemini": "/v1beta/models/m:generateContent",
}  # fmt: skip


@pytest.fixture
async def provider() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
async def tester(directory: Directory, clock: FakeClock) -> AsyncIterator[LiveAccountTester]:
    pool = ClientPool(AddressGuard(LAX, clock=clock), GatewaySettings(connect_timeout_s=1), clock=clock)
    yield LiveAccountTester(directory, pool)
    await pool.close()


async def at(change: Change, provider: ScriptedUpstream, platform: str = "anthropic", **more: object) -> None:
    open_part = {"base_url": provider.url, **more}
    await change(
        update(AccountRow).where(AccountRow.id == 1).values(platform=platform, credentials_open=open_part)
    )


async def events(tester: LiveAccountTester, account: int = 1) -> list[Mapping[str, object]]:
    return [event async for event in tester.run(account, model="m", prompt="hi")]


@pytest.mark.parametrize("platform", ANSWERS)
async def test_an_account_that_answers_is_shown_with_its_words(
    tester: LiveAccountTester, provider: ScriptedUpstream, change: Change, platform: str
) -> None:
    await at(change, provider, platform)
    provider.answer(Reply(chunks=[ANSWERS[platform]]))
    assert await events(tester) == [
        {"type": "test_start", "model": "m"},
        {"type": "content", "text": "hello"},
        {"type": "test_complete", "success": True},
    ]
    assert provider.requests[0].target.split("?")[0] == PATHS[platform]


async def test_the_call_carries_the_accounts_own_credential(
    tester: LiveAccountTester, provider: ScriptedUpstream, change: Change
) -> None:
    await at(change, provider)
    await events(tester)
    assert provider.requests[0].header("x-api-key") == "sk-up"


async def test_the_accounts_mapping_applies(
    tester: LiveAccountTester, provider: ScriptedUpstream, change: Change
) -> None:
    await at(change, provider, model_mapping={"m": "theirs"})
    await events(tester)
    assert b'"theirs"' in provider.requests[0].body


@pytest.mark.parametrize(
    "reply", [Reply(status=401, chunks=[b'{"error":{"message":"bad key"}}']), Reply(chunks=[b"{", CUT])]
)
async def test_a_failure_is_told_and_ends_the_test(
    tester: LiveAccountTester, provider: ScriptedUpstream, change: Change, reply: Reply
) -> None:
    await at(change, provider)
    provider.answer(reply)
    told = await events(tester)
    assert [event["type"] for event in told] == ["test_start", "error"]
    assert told[-1]["error"]


async def test_an_answer_of_a_strange_shape_is_still_an_answer(
    tester: LiveAccountTester, provider: ScriptedUpstream, change: Change
) -> None:
    await at(change, provider)
    provider.answer(Reply(chunks=[b'{"content":"?"}']))
    assert [event["type"] for event in await events(tester)] == ["test_start", "test_complete"]


async def test_an_account_that_is_not_there_is_told_so(tester: LiveAccountTester) -> None:
    assert [event["type"] for event in await events(tester, account=99)] == ["test_start", "error"]
