"""Peeking at any bytes: a fact or a fault that names the field, never an exception, never an echo, bounded
time."""

import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.dialects.contract import Operation, Peek, StreamFraming
from headgate.core.dialects.request_body import (
    ABSENT,
    BASE64_TOKENS,
    input_tokens_estimate,
    model_fault,
    part,
    seed,
    text,
    token_limit,
)
from headgate.core.faults import Fault, FaultKind
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import HANDLERS, target

BODY_MODEL = [Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES]
EVERY = [*BODY_MODEL, Dialect.GEMINI]
NAMES = st.sampled_from(
    [
        "model",
        "stream",
        "messages",
        "input",
        "system",
        "metadata",
        "max_tokens",
        "contents",
        "generationConfig",
        "n",
        "stream_options",
        "reasoning",
        "output_config",
        "previous_response_id",
        "user",
        "systemInstruction",
        "role",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
)


def peek(dialect: Dialect, body: bytes, operation: Operation = Operation.GENERATE) -> Peek | Fault:
    return HANDLERS[dialect].peek(target(dialect, operation, path_model="gemini-x"), body)


def refused(dialect: Dialect, body: bytes) -> str:
    read = peek(dialect, body)
    assert isinstance(read, Fault)
    assert read.kind is FaultKind.REQUEST_INVALID
    return read.message


@pytest.mark.parametrize("dialect", EVERY)
@given(body=st.binary(max_size=300))
def test_random_bytes_give_a_fault_and_never_raise(dialect: Dialect, body: bytes) -> None:
    assert isinstance(peek(dialect, body), Peek | Fault)


@pytest.mark.parametrize("dialect", EVERY)
@given(value=st.dictionaries(NAMES, VALUES, max_size=8), operation=st.sampled_from(Operation))
def test_random_json_never_raises_and_a_peek_can_be_prepared(
    dialect: Dialect, value: dict[str, object], operation: Operation
) -> None:
    body = json.dumps(value).encode()
    read = peek(dialect, body, operation)
    if isinstance(read, Fault):
        return
    prepared = HANDLERS[dialect].prepare(target(dialect, operation), read, body, upstream_model="mapped")
    expected = value if dialect is Dialect.GEMINI or not read.model else {**value, "model": "mapped"}
    sent = json.loads(prepared.body)
    sent.pop("stream_options", None)
    assert sent == {name: member for name, member in expected.items() if name != "stream_options"}


@pytest.mark.parametrize("dialect", EVERY)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Request body is empty"),
        (b" \r\n", "Request body is empty"),
        (b"{", "Failed to parse request body: Input data was truncated"),
        (b"[]", "Failed to parse request body: it must be a JSON object"),
        (b'"x"', "Failed to parse request body: it must be a JSON object"),
        (b'{"x":"\xff"}', "Failed to parse request body: invalid UTF-8 at byte 6"),
        (b'{"x":' + b"[" * 100_000, "Failed to parse request body: nested too deeply"),
        (b'{"x":' + b'{"y":' * 100_000, "Failed to parse request body: nested too deeply"),
    ],
)
def test_what_is_no_json_object_is_refused_by_name(dialect: Dialect, body: bytes, message: str) -> None:
    assert refused(dialect, body) == message


@pytest.mark.parametrize("dialect", BODY_MODEL)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "model is required"),
        (b'{"model":null}', "model is required"),
        (b'{"model":" "}', "model is required"),
        (b'{"model":7}', "model must be a string"),
        (b'{"model":["m"]}', "model must be a string"),
        (b'{"model":"' + b"m" * 257 + b'"}', "model must not be longer than 256 characters"),
        (b'{"model":"a\\u0000b"}', "model must not contain control characters"),
        (b'{"model":"m","stream":"yes"}', "stream must be a boolean"),
        (b'{"model":"m","stream":1}', "stream must be a boolean"),
    ],
)
def test_bad_model_and_stream_are_refused_by_name(dialect: Dialect, body: bytes, message: str) -> None:
    assert refused(dialect, body) == message


def test_type_errors_name_nested_fields_and_all_types() -> None:
    chat = Dialect.OPENAI_CHAT
    assert refused(chat, b'{"model":"m","max_tokens":"9"}') == "max_tokens must be an integer or a number"
    assert refused(chat, b'{"model":"m","stream_options":{"include_usage":3}}') == (
        "stream_options.include_usage must be a boolean"
    )
    assert (
        refused(chat, b'{"model":"m","max_tokens":1e999}')
        == "Failed to parse request body: a value is out of range"
    )


def test_bad_path_model_is_refused() -> None:
    read = HANDLERS[Dialect.GEMINI].peek(target(Dialect.GEMINI, path_model=None), b"{}")
    assert isinstance(read, Fault)
    assert read.message == "model is required"


@pytest.mark.parametrize("dialect", EVERY)
def test_no_message_repeats_the_body(dialect: Dialect) -> None:
    for body in (
        b'{"model":"m","stream":"CANARY"}',
        b'{"model":{"CANARY":1}}',
        b"CANARY",
        b'{"CANARY":}',
        b'{"contents":"CANARY',
    ):
        read = peek(dialect, body)
        assert "CANARY" not in (read.message if isinstance(read, Fault) else "")


@pytest.mark.parametrize("dialect", EVERY)
def test_a_hostile_megabyte_is_judged_in_bounded_time(dialect: Dialect) -> None:
    began = time.perf_counter()
    for body in (
        b"[" * 1_000_000,
        b'{"a":"' + b"\\" * 1_000_000,
        b'{"messages":[' + b"0," * 500_000 + b"0]}",
        b'{"input":[' + b"{}," * 300_000 + b"{}]}",
    ):
        peek(dialect, body)
    assert time.perf_counter() - began < 2


def test_token_limits_are_plain_numbers() -> None:
    assert [token_limit(value) for value in (None, -1, 0, 5, 5.0, 1e300, 2**80)] == [
        None, None, 0, 5, 5, 2**31 - 1, 2**31 - 1,
    ]  # fmt: skip


def test_hints_of_another_shape_are_as_good_as_absent() -> None:
    objects = msgspec.json.Decoder(dict[str, int])
    assert text(ABSENT) is None
    assert text(msgspec.Raw(b"3")) is None
    assert text(msgspec.Raw(b'"x"')) == "x"
    assert part(objects, ABSENT) is None
    assert part(objects, msgspec.Raw(b"[]")) is None
    assert part(objects, msgspec.Raw(b'{"a":1}')) == {"a": 1}


def test_model_names_of_real_providers_are_accepted() -> None:
    assert model_fault("openrouter/anthropic/claude-3.5-sonnet:beta") is None
    assert model_fault("模型") is None


def test_seed_separates_its_parts_and_is_bounded() -> None:
    assert seed(msgspec.Raw(b'"a"'), ABSENT, msgspec.Raw(b'"b"')) == b'"a"\x00"b"'
    assert len(seed(msgspec.Raw(b"x" * 10**6))) == 64 * 1024


def test_estimate_is_a_third_of_the_bytes_for_text() -> None:
    assert input_tokens_estimate(b"hello world " * 1000) == 4000
    big = b"hello world, how do you do? " * 10_000
    assert input_tokens_estimate(big) == len(big) // 3


def test_estimate_of_an_inline_image_does_not_explode() -> None:
    body = b'{"image":"' + b"iVBORw0KGgo" * 100_000 + b'"}'
    assert BASE64_TOKENS < input_tokens_estimate(body) < 20_000


def test_estimate_still_counts_the_text_beside_an_image() -> None:
    prose = b"hello world, how do you do? " * 20_000
    estimate = input_tokens_estimate(prose + b"iVBORw0KGgo" * 50_000)
    assert len(prose) // 4 < estimate < len(prose) // 3 + 30_000


@pytest.mark.parametrize("dialect", BODY_MODEL)
def test_only_generation_is_streamed(dialect: Dialect) -> None:
    body = b'{"model":"m","stream":true}'
    for operation, framing in (
        (Operation.GENERATE, StreamFraming.SSE),
        (Operation.COUNT, StreamFraming.NONE),
    ):
        read = peek(dialect, body, operation)
        assert isinstance(read, Peek)
        assert read.framing is framing
