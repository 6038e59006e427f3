"""Requests and tokens per minute at the gate: drawn, announced, corrected."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from headgate.core.dialects.contract import Operation, Target
from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.ids import UserId
from headgate.core.limits.rate_limit import RateLimit
from headgate.core.usage import TokenUsage
from headgate.core.world import (
    Caller,
    Dialect,
    User,
)
from headgate.kit.clock import FakeClock
from headgate.kit.secret import Secret
from headgate.relay.dialects import HANDLERS
from headgate.relay.exchange import Exchange
from headgate.relay.experience import Experience
from headgate.relay.rate_gate import RateGate
from headgate.settings import LimitsSettings, RedisSettings
from headgate.state.protocols import SharedState, StateUnavailable
from headgate.state.redis import open_redis_state
from tests.relay.people import NOW_MS, caller, exchange_for, tokens_left
from tests.support.redis_server import free_port

BOTH = caller(key_rate=RateLimit(requests=2, tokens=10_000))
INPUT, SLICE = 1_000, 1_024


@pytest.fixture
def gate(state: SharedState, clock: FakeClock) -> RateGate:
    return RateGate(state.rates, clock, Experience(), LimitsSettings())


def asking(
    of: Caller = BOTH,
    *,
    dialect: Dialect = Dialect.ANTHROPIC_MESSAGES,
    operation: Operation = Operation.GENERATE,
    **peek: Any,
) -> Exchange:
    target = Target(dialect=dialect, operation=operation)
    exchange = exchange_for(target=target, handler=HANDLERS[dialect])
    exchange.caller = of
    exchange.peek = replace(exchange.peek, **peek)
    return exchange


def told(exchange: Exchange) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in exchange.announced}


async def refused(gate: RateGate, exchange: Exchange) -> Fault:
    with pytest.raises(RelayError) as caught:
        await gate.enter(exchange)
    return caught.value.fault


@pytest.mark.parametrize(
    ("operation", "peek", "tokens"),
    [
        (Operation.GENERATE, {}, INPUT + SLICE),
        (Operation.GENERATE, {"max_output_tokens": 10}, INPUT + 10),
        (Operation.GENERATE, {"max_output_tokens": 128_000}, INPUT + SLICE),
        (Operation.GENERATE, {"choices": 3}, INPUT + 3 * SLICE),
        (Operation.GENERATE, {"choices": 3, "max_output_tokens": 10}, INPUT + 30),
        (Operation.COMPACT, {}, INPUT + SLICE),
        (Operation.EMBED, {}, INPUT),
        (Operation.IMAGE, {}, INPUT),
        (Operation.EMBED, {"input_tokens_estimate": 0}, 1),
    ],
)
async def test_tokens_are_drawn_by_estimate(
    gate: RateGate, state: SharedState, operation: Operation, peek: dict[str, Any], tokens: int
) -> None:
    exchange = asking(operation=operation, **peek)
    await gate.enter(exchange)
    assert exchange.rate_tokens == tokens
    assert await tokens_left(state) == 10_000 - tokens


@pytest.mark.parametrize(
    ("answers", "peek", "output"),
    [
        ([200] * 9 + [5_000], {}, 5_000),
        ([200] * 9 + [5_000], {"max_output_tokens": 700}, 700),
        ([300] * 10, {}, 300),
        ([300] * 10, {"choices": 2}, 600),
        ([1] * 10, {}, LimitsSettings().min_output_tokens),
    ],
    ids=["p90", "the request's own limit", "less than the constant", "each choice", "the floor"],
)
async def test_tokens_are_drawn_by_what_the_key_s_answers_were_like(
    state: SharedState, clock: FakeClock, answers: list[int], peek: dict[str, Any], output: int
) -> None:
    experience, exchange = Experience(), asking(**peek)
    for tokens in answers:
        experience.note(
            exchange.caller.key.id, exchange.peek.model, output_tokens=tokens, session=None, input_nano=0,
            estimated_nano=0, now_ms=NOW_MS,
        )  # fmt: skip
    await RateGate(state.rates, clock, experience, LimitsSettings()).enter(exchange)
    assert exchange.rate_tokens == INPUT + output


@pytest.mark.parametrize("used", [1, 5_000, 50_000])
async def test_what_was_used_replaces_the_estimate_once(
    gate: RateGate, state: SharedState, used: int
) -> None:
    exchange = asking()
    await gate.enter(exchange)
    for _ in range(2):
        await gate.correct(exchange, TokenUsage(input=used))
    assert await tokens_left(state) == max(0, 10_000 - used)


async def test_all_buckets_of_the_usage_count(gate: RateGate, state: SharedState) -> None:
    exchange = asking()
    await gate.enter(exchange)
    usage = TokenUsage(input=1, cache_read=10, cache_write_5m=100, output=1_000, reasoning=900)
    await gate.correct(exchange, usage)
    assert await tokens_left(state) == 10_000 - 1_111


async def test_where_nothing_was_used_tokens_are_given_back_and_the_request_stays_counted(
    gate: RateGate, state: SharedState
) -> None:
    exchange = asking()
    await gate.enter(exchange)
    await gate.correct(exchange, None)
    assert await tokens_left(state) == 10_000
    assert await tokens_left(state, "key:1:rpm", 2) == 1


async def test_who_is_refused_draws_nothing_and_hears_when_to_come_again(
    gate: RateGate, state: SharedState
) -> None:
    for _ in range(2):
        await gate.enter(asking(max_output_tokens=1))
    exchange = asking(max_output_tokens=1)
    fault = await refused(gate, exchange)
    assert fault.kind is FaultKind.RATE_LIMITED
    assert fault.message == "Rate limit of this API key: 2 requests a minute; retry in 30 s"
    assert exchange.rate_tokens == 0
    assert await tokens_left(state) == 10_000 - 2 * (INPUT + 1)


async def test_a_group_counts_all_its_users_together(gate: RateGate) -> None:
    group_rate = RateLimit(requests=1)
    await gate.enter(asking(caller(group_rate=group_rate)))
    somebody_else = replace(caller(group_rate=group_rate), user=User(id=UserId(2)))
    fault = await refused(gate, asking(somebody_else))
    assert fault.message.startswith("Rate limit of this group: 1 request a minute")


async def test_counting_and_stored_objects_are_requests_without_tokens(
    gate: RateGate, state: SharedState
) -> None:
    for _ in range(2):
        exchange = asking(operation=Operation.COUNT)
        await gate.enter_unmetered(exchange)
        assert exchange.rate_tokens == 0
    with pytest.raises(RelayError):
        await gate.enter_unmetered(asking(operation=Operation.OBJECT))
    assert await tokens_left(state) == 10_000


async def test_a_limit_on_tokens_alone_does_not_hold_up_counting(gate: RateGate) -> None:
    limited = caller(key_rate=RateLimit(tokens=1))
    await gate.enter(asking(limited))
    await gate.enter_unmetered(asking(limited, operation=Operation.COUNT))


async def test_anthropic_clients_read_the_limits_in_their_headers(gate: RateGate) -> None:
    exchange = asking()
    await gate.enter(exchange)
    assert told(exchange) == {
        "anthropic-ratelimit-requests-limit": "2",
        "anthropic-ratelimit-requests-remaining": "1",
        "anthropic-ratelimit-requests-reset": "2025-06-15T15:07:10Z",
        "anthropic-ratelimit-tokens-limit": "10000",
        "anthropic-ratelimit-tokens-remaining": "7976",
        "anthropic-ratelimit-tokens-reset": "2025-06-15T15:06:53Z",
    }
    assert NOW_MS == 1_750_000_000_000  # 15:06:40


@pytest.mark.parametrize("dialect", [Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES])
async def test_openai_clients_read_the_limits_in_their_headers(gate: RateGate, dialect: Dialect) -> None:
    exchange = asking(dialect=dialect)
    await gate.enter(exchange)
    assert told(exchange) == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "1",
        "x-ratelimit-reset-requests": "30s",
        "x-ratelimit-limit-tokens": "10000",
        "x-ratelimit-remaining-tokens": "7976",
        "x-ratelimit-reset-tokens": "13s",
    }


async def test_gemini_clients_read_the_delay_in_the_error(gate: RateGate) -> None:
    limited = caller(key_rate=RateLimit(requests=1))
    await gate.enter(asking(limited, dialect=Dialect.GEMINI))
    exchange = asking(limited, dialect=Dialect.GEMINI)
    error = json.loads(exchange.handler.render_fault(await refused(gate, exchange), request_id="r"))["error"]
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60s"} in error["details"]
    assert told(exchange) == {}


async def test_a_refusal_announces_the_limits_too(gate: RateGate) -> None:
    limited = caller(key_rate=RateLimit(requests=1), user_rate=RateLimit(requests=100))
    await gate.enter(asking(limited))
    exchange = asking(limited)
    await refused(gate, exchange)
    assert told(exchange)["anthropic-ratelimit-requests-limit"] == "1"
    assert told(exchange)["anthropic-ratelimit-requests-remaining"] == "0"


async def test_without_the_store_nobody_who_is_limited_enters_and_a_correction_is_given_up(
    clock: FakeClock,
) -> None:
    url = Secret(f"redis://127.0.0.1:{free_port()}/0")
    away = open_redis_state(RedisSettings(url=url), LimitsSettings())
    gate, exchange = RateGate(away.rates, clock, Experience(), LimitsSettings()), asking()
    with pytest.raises(StateUnavailable):
        await gate.enter(exchange)
    exchange.rate_tokens = 10
    await gate.correct(exchange, None)
    assert exchange.rate_tokens == 0
    await away.close()
