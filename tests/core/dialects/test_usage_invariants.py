"""What holds for the usage of every dialect: buckets sum to the provider's total; no number can harm."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.dialects.contract import Operation, Peek, Reading, StreamFraming
from headgate.core.usage import TokenUsage, UsageSource
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import HANDLERS, STREAMS, open_stream, replay, target, upstream

CLAUDE, CHAT, RESPONSES, GEMINI = (
    Dialect.ANTHROPIC_MESSAGES,
    Dialect.OPENAI_CHAT,
    Dialect.OPENAI_RESPONSES,
    Dialect.GEMINI,
)
TEXT: dict[Dialect, dict[str, Any]] = {
    CLAUDE: {"type": "message", "content": [{"type": "text", "text": "hello"}]},
    CHAT: {"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]},
    RESPONSES: {"object": "response", "status": "completed"},
    GEMINI: {"candidates": [{"content": {"parts": [{"text": "hello"}]}, "finishReason": "STOP"}]},
}
REPORT_FIELD = {CLAUDE: "usage", CHAT: "usage", RESPONSES: "usage", GEMINI: "usageMetadata"}
REPORTS: list[tuple[Dialect, dict[str, Any], int]] = [
    (
        CLAUDE,
        {
            "input_tokens": 12,
            "cache_read_input_tokens": 15000,
            "cache_creation_input_tokens": 2000,
            "cache_creation": {"ephemeral_5m_input_tokens": 1200, "ephemeral_1h_input_tokens": 800},
            "output_tokens": 77,
            "output_tokens_details": {"thinking_tokens": 20},
        },
        12 + 15000 + 2000 + 77,
    ),
    (
        CHAT,
        {
            "prompt_tokens": 1000,
            "completion_tokens": 300,
            "total_tokens": 1300,
            "prompt_tokens_details": {"cached_tokens": 256, "audio_tokens": 500, "cache_write_tokens": 100},
            "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 200},
        },
        1300,
    ),
    (CHAT, {"prompt_tokens": 1000, "total_tokens": 1300}, 1300),
    (
        CHAT,  # xAI: reasoning on top
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 22,
            "completion_tokens_details": {"reasoning_tokens": 7},
        },
        22,
    ),
    (
        CHAT,
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_cache_hit_tokens": 8},
        15,
    ),
    (
        RESPONSES,
        {
            "input_tokens": 5000,
            "input_tokens_details": {"cached_tokens": 4096, "cache_write_tokens": 100},
            "output_tokens": 300,
            "output_tokens_details": {"reasoning_tokens": 256},
            "total_tokens": 5300,
        },
        5300,
    ),
    (
        GEMINI,
        {
            "promptTokenCount": 1000,
            "cachedContentTokenCount": 400,
            "candidatesTokenCount": 70,
            "thoughtsTokenCount": 30,
            "toolUsePromptTokenCount": 50,
            "totalTokenCount": 1150,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 700},
                {"modality": "AUDIO", "tokenCount": 300},
            ],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 100}],
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 60}],
        },
        1150,
    ),
]


def read(dialect: Dialect, report: Any, **more: Any) -> Reading:
    body = json.dumps({**TEXT[dialect], REPORT_FIELD[dialect]: report, **more}).encode()
    peek = Peek(model="m", input_tokens_estimate=9)
    answer = HANDLERS[dialect].read_answer(
        target(dialect, path_model="m"), peek, body, client_model="m", upstream_model="m"
    )
    assert isinstance(answer, tuple), answer
    return answer[1]


@pytest.mark.parametrize(("dialect", "report", "total"), REPORTS)
def test_buckets_sum_to_the_total_of_the_provider(
    dialect: Dialect, report: dict[str, Any], total: int
) -> None:
    reading = read(dialect, report)
    assert (reading.usage.total, reading.source) == (total, UsageSource.REPORTED)


@pytest.mark.parametrize(("dialect", "case", "framing"), STREAMS)
def test_buckets_of_recorded_streams_sum_to_the_total_of_the_provider(
    dialect: Dialect, case: str, framing: StreamFraming
) -> None:
    stream = open_stream(dialect, framing=framing)
    sent = upstream(dialect, case)
    replay(stream, [sent])
    assert stream.reading().usage.total == _largest_total(sent)


def _largest_total(sent: bytes) -> int:
    """As the recording says: the total where there is one, else Anthropic's parts."""
    text = sent.decode()
    said = {
        name: max((int(part.split(",")[0].split("}")[0]) for part in text.split(f'"{name}":')[1:]), default=0)
        for name in (
            "total_tokens", "totalTokenCount", "input_tokens", "cache_read_input_tokens",
            "cache_creation_input_tokens", "output_tokens",
        )
    }  # fmt: skip
    total = said.pop("total_tokens") or said.pop("totalTokenCount")
    return total or sum(said.values())


@pytest.mark.parametrize(("dialect", "report"), [(d, r) for d, r, _ in REPORTS])
@given(data=st.data())
def test_no_number_raises_and_no_bucket_is_negative(
    dialect: Dialect, report: dict[str, Any], data: st.DataObject
) -> None:
    odd = st.one_of(
        st.none(), st.booleans(), st.integers(-(10**40), 10**40),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["12", "-3", "", "NaN", "1e999", [], {}, [1], {"a": 1}]),
    )  # fmt: skip
    harmed = {name: data.draw(odd) if data.draw(st.booleans()) else value for name, value in report.items()}
    usage = read(dialect, harmed).usage
    assert (
        min(v for v in (getattr(usage, f) for f in TokenUsage.__struct_fields__) if isinstance(v, int)) >= 0
    )
    assert usage.reasoning <= usage.output


@pytest.mark.parametrize("dialect", [CLAUDE, CHAT, RESPONSES, GEMINI])
@pytest.mark.parametrize("report", [None, {}, "x", 7, [], {"a": None}])
def test_a_complete_answer_without_usage_is_estimated_and_never_free(dialect: Dialect, report: Any) -> None:
    reading = read(dialect, report)
    assert reading.source is UsageSource.ESTIMATED
    assert reading.usage.input == 9
    assert reading.usage.output > 0


@pytest.mark.parametrize(
    ("dialect", "report"),
    [
        (CLAUDE, {"input_tokens": -5, "output_tokens": -1}),
        (CLAUDE, {"input_tokens": 0, "output_tokens": 0}),
        (CHAT, {"prompt_tokens": -5, "completion_tokens": -1}),
        (CHAT, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
        (RESPONSES, {"input_tokens": "none", "output_tokens": None}),
        (GEMINI, {"promptTokenCount": -1, "candidatesTokenCount": -1}),
    ],
)
def test_zeros_and_negative_numbers_are_no_report(dialect: Dialect, report: dict[str, Any]) -> None:
    reading = read(dialect, report)
    assert reading.source is UsageSource.ESTIMATED
    assert reading.usage.input > 0
    assert reading.usage.output > 0


@pytest.mark.parametrize(
    ("dialect", "report"),
    [
        (CLAUDE, {"input_tokens": 50, "output_tokens": None}),
        (CHAT, {"prompt_tokens": 50}),
        (RESPONSES, {"input_tokens": 50, "output_tokens": "?"}),
        (GEMINI, {"promptTokenCount": 50}),
    ],
)
def test_half_a_report_is_completed_by_an_estimate_and_flagged(
    dialect: Dialect, report: dict[str, Any]
) -> None:
    reading = read(dialect, report)
    assert (reading.usage.input, reading.source) == (50, UsageSource.ESTIMATED)
    assert reading.usage.output > 0


@pytest.mark.parametrize(
    ("dialect", "report"),
    [
        (CLAUDE, {"input_tokens": 50.0, "output_tokens": "7", "service_tier": 3}),
        (CHAT, {"prompt_tokens": "50", "completion_tokens": 7.0, "prompt_tokens_details": "none"}),
        (RESPONSES, {"input_tokens": 50.0, "output_tokens": 7, "input_tokens_details": []}),
        (GEMINI, {"promptTokenCount": "50", "candidatesTokenCount": 7.9, "promptTokensDetails": 1}),
    ],
)
def test_counts_of_other_types_are_read_all_the_same(dialect: Dialect, report: dict[str, Any]) -> None:
    reading = read(dialect, report)
    assert (reading.usage.input, reading.usage.output) == (50, 7)
    assert reading.source is UsageSource.REPORTED


def test_audio_is_a_bucket_of_its_own() -> None:
    chat = read(CHAT, REPORTS[1][1]).usage
    assert chat == TokenUsage(
        input=144, cache_read=256, cache_write_5m=100, audio_input=500, output=100, audio_output=200,
        reasoning=64,
    )  # fmt: skip
    gemini = read(GEMINI, REPORTS[-1][1]).usage
    assert gemini == TokenUsage(
        input=450, cache_read=400, audio_input=200, output=40, audio_output=60, reasoning=30
    )


def test_web_searches_of_claude_are_counted() -> None:
    report = {"input_tokens": 1, "output_tokens": 1, "server_tool_use": {"web_search_requests": 3}}
    assert read(CLAUDE, report).usage.web_search_calls == 3


def test_web_searches_of_responses_are_counted_and_pages_opened_are_not() -> None:
    report = {"input_tokens": 1, "output_tokens": 1}
    output = [
        {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "a"}},
        {"type": "web_search_call", "status": "completed", "action": {"type": "open_page", "url": "b"}},
        {"type": "web_search_call", "status": "failed", "action": {"type": "search"}},
        {"type": "image_generation_call", "status": "completed", "size": "1024x1536", "result": "aGk="},
        {"type": "message", "content": []},
    ]
    usage = read(RESPONSES, report, output=output).usage
    assert (usage.web_search_calls, usage.images, usage.image_size) == (1, 1, "2K")
    billed = read(RESPONSES, report, output=output, tool_usage={"web_search": {"num_requests": 2}}).usage
    assert billed.web_search_calls == 2


def test_web_searches_of_a_responses_stream_count_even_when_it_breaks_off() -> None:
    done = (
        b'event: response.output_item.done\ndata: {"type":"response.output_item.done","item":'
        b'{"type":"web_search_call","id":"w","status":"completed","action":{"type":"search"}}}\n\n'
    )
    progress = (
        b'data: {"type":"response.in_progress","response":{"id":"r","usage":'
        b'{"input_tokens":5,"output_tokens":1}}}\n\n'
    )
    stream = open_stream(RESPONSES)
    replay(stream, [progress, done, done])
    assert stream.reading().usage.web_search_calls == 2
    assert stream.reading().source is UsageSource.PARTIAL


def test_web_searches_of_gemini_are_distinct_queries_over_the_stream() -> None:
    chunk = (
        b'data: {"candidates":[{"groundingMetadata":{"webSearchQueries":["a","b"]}}],'
        b'"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2}}\n\n'
    )
    last = chunk.replace(b'"groundingMetadata"', b'"finishReason":"STOP","groundingMetadata"')
    stream = open_stream(GEMINI)
    replay(stream, [chunk, last.replace(b'"b"', b'"c"')])
    assert stream.reading().usage.web_search_calls == 3


def test_an_answer_of_a_chat_search_model_is_one_search() -> None:
    message = {"message": {"annotations": [{"type": "url_citation"}, {"type": "url_citation"}]}}
    report = {"prompt_tokens": 1, "completion_tokens": 1}
    assert read(CHAT, report, choices=[message]).usage.web_search_calls == 1
    assert read(CHAT, report | {"num_search_queries": 4}).usage.web_search_calls == 4


def test_pictures_are_counted_with_their_size() -> None:
    parts = [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}, {"text": '"mimeType":"image/png"'}]
    body = {
        "candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1290},
    }
    answer = HANDLERS[GEMINI].read_answer(
        target(GEMINI, path_model="m"),
        Peek(model="m", image_size="4K"),
        json.dumps(body).encode(),
        client_model="m",
        upstream_model="m",
    )
    assert isinstance(answer, tuple)
    assert (answer[1].usage.images, answer[1].usage.image_size) == (1, "4K")
    image = HANDLERS[CHAT].read_answer(
        target(CHAT, Operation.IMAGE),
        Peek(model="m", image_size="4K"),
        b'{"data":[{},{}],"size":"1536x1024"}',
        client_model="m",
        upstream_model="m",
    )
    assert isinstance(image, tuple)
    assert (image[1].usage.images, image[1].usage.image_size) == (2, "2K")


@pytest.mark.parametrize(
    ("dialect", "report", "more", "tier"),
    [
        (CLAUDE, {"service_tier": "priority"}, {}, "priority"),
        (CLAUDE, {"service_tier": "standard", "speed": "fast"}, {}, "fast"),
        (CLAUDE, {"service_tier": "standard", "speed": "standard"}, {}, "standard"),
        (CHAT, {}, {"service_tier": "default"}, "default"),
        (RESPONSES, {}, {"service_tier": "flex"}, "flex"),
        (GEMINI, {"trafficType": "ON_DEMAND_PRIORITY"}, {}, "priority"),
        (GEMINI, {"trafficType": "SOMETHING_NEW"}, {}, None),
        (GEMINI, {"serviceTier": "SERVICE_TIER_FLEX"}, {}, "flex"),
        (GEMINI, {}, {}, None),
    ],
)
def test_the_tier_is_the_one_that_was_served(
    dialect: Dialect, report: dict[str, Any], more: dict[str, Any], tier: str | None
) -> None:
    assert read(dialect, report, **more).service_tier == tier
