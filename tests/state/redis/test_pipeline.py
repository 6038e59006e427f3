"""The pipeline against a real Redis that is slow, down, restarted or hostile."""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headgate.kit.secret import Secret
from headgate.state.protocols import StateUnavailable
from headgate.state.redis.pipeline import FAILURES_TO_OPEN, MAX_UNANSWERED, OPEN_S, Pipeline
from headgate.state.redis.scripts import read_script
from tests.support.redis_server import free_port, redis_process

pytestmark = pytest.mark.redis

DEADLINE_S = 0.1


@pytest.fixture
async def pipeline(redis_url: str) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline(Secret(redis_url), deadline_s=2)
    yield pipeline
    await pipeline.close()


async def open_breaker(pipeline: Pipeline) -> None:
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(StateUnavailable):
            await pipeline.call("PING")


async def test_every_caller_gets_its_own_answer(pipeline: Pipeline) -> None:
    answers = await asyncio.gather(*(pipeline.call("ECHO", f"message {number}") for number in range(500)))
    assert answers == [f"message {number}".encode() for number in range(500)]


async def test_calls_of_one_tick_are_one_write() -> None:
    writes: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while received := await reader.read(65536):
            writes.append(received)
            commands = received.count(b"\r\nPING\r\n") + received.count(b"\r\nCLIENT\r\n")
            writer.write(b"+OK\r\n" * commands)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        pipeline = Pipeline(Secret(f"redis://127.0.0.1:{port}"), deadline_s=2)
        await pipeline.call("PING")
        writes.clear()
        await asyncio.gather(*(pipeline.call("PING") for _ in range(100)))
        await pipeline.close()
    assert [received.count(b"PING") for received in writes] == [100]


async def test_calls_that_come_while_a_large_batch_is_sent_are_answered(pipeline: Pipeline) -> None:
    loop = asyncio.get_running_loop()
    calls = [loop.create_task(pipeline.call("ECHO", b"x" * 1_000_000)) for _ in range(20)]
    for number in range(200):
        await asyncio.sleep(0)
        calls.append(loop.create_task(pipeline.call("ECHO", str(number))))
    answers = await asyncio.gather(*calls)
    assert answers[20:] == [str(number).encode() for number in range(200)]


async def test_too_many_unanswered_calls_are_refused_at_once(redis_url: str) -> None:
    pipeline = Pipeline(Secret(redis_url), deadline_s=30)  # what is refused for time is another refusal
    calls = [pipeline.call("PING") for _ in range(MAX_UNANSWERED + 1)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers].count(StateUnavailable) == 1
    assert await pipeline.call("PING") == b"PONG"
    await pipeline.close()


async def test_a_cancelled_caller_does_not_shift_the_answers_of_others(pipeline: Pipeline) -> None:
    loop = asyncio.get_running_loop()
    calls = [loop.create_task(pipeline.call("ECHO", str(number))) for number in range(10)]
    await asyncio.sleep(0)
    calls[3].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers.pop(3), asyncio.CancelledError)
    assert answers == [str(number).encode() for number in range(10) if number != 3]


async def test_a_script_runs_although_redis_does_not_know_it(pipeline: Pipeline) -> None:
    script = read_script("counter_add")
    await pipeline.call("DEL", "headgate:counter:n")
    assert await pipeline.run(script, "n", 1, 1000) == 1
    await pipeline.call("SCRIPT", "FLUSH")
    assert await pipeline.run(script, "n", 1, 1000) == 2


async def test_a_refusal_names_its_code_and_quotes_no_data(pipeline: Pipeline) -> None:
    await pipeline.call("SET", "headgate:text", "secret-value")
    with pytest.raises(StateUnavailable) as refused:
        await pipeline.call("LPUSH", "headgate:text", "secret-value")
    assert "WRONGTYPE" in str(refused.value)
    assert "secret-value" not in str(refused.value)


async def test_a_refusal_in_a_script_is_a_refusal(pipeline: Pipeline) -> None:
    await pipeline.call("SET", "headgate:counter:text", "no number")
    with pytest.raises(StateUnavailable, match="redis answered"):
        await pipeline.run(read_script("counter_add"), "text", 1, 1000)


async def test_a_redis_that_stands_still_costs_one_deadline(tmp_path: Path) -> None:
    with redis_process(tmp_path, port=free_port()) as (url, process):
        pipeline = Pipeline(Secret(url), deadline_s=DEADLINE_S)
        await pipeline.call("PING")
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        calls = [pipeline.call("PING") for _ in range(50)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        took = time.monotonic() - began
        process.send_signal(signal.SIGCONT)
        assert all(isinstance(answer, StateUnavailable) for answer in answers)
        assert DEADLINE_S * 0.9 <= took < DEADLINE_S * 5
        assert await pipeline.call("ECHO", "fresh") == b"fresh"
        await pipeline.close()


async def test_after_failures_in_a_row_nothing_is_asked_for_a_second(tmp_path: Path) -> None:
    with redis_process(tmp_path, port=free_port()) as (url, process):
        pipeline = Pipeline(Secret(url), deadline_s=0.02)
        await pipeline.call("PING")
        process.send_signal(signal.SIGSTOP)
        await open_breaker(pipeline)
        process.send_signal(signal.SIGCONT)
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(StateUnavailable, match="not asked again"):
                await pipeline.call("PING")
        assert time.monotonic() - began < 0.1
        await asyncio.sleep(OPEN_S)
        async with asyncio.timeout(5):
            assert await pipeline.call("PING") == b"PONG"
        await pipeline.close()


async def test_failures_between_successes_do_not_open_the_breaker(tmp_path: Path) -> None:
    with redis_process(tmp_path, port=free_port()) as (url, process):
        pipeline = Pipeline(Secret(url), deadline_s=DEADLINE_S)
        for _ in range(FAILURES_TO_OPEN + 1):
            assert await pipeline.call("PING") == b"PONG"
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(StateUnavailable):
                await pipeline.call("PING")
            process.send_signal(signal.SIGCONT)
        await pipeline.close()


async def test_one_lost_connection_does_not_open_the_breaker(tmp_path: Path) -> None:
    port = free_port()
    with redis_process(tmp_path, port=port) as (url, process):
        pipeline = Pipeline(Secret(url), deadline_s=2)
        await pipeline.call("PING")
        process.send_signal(signal.SIGSTOP)
        loop = asyncio.get_running_loop()
        calls = []
        for _ in range(20):  # twenty batches in flight
            calls.append(loop.create_task(pipeline.call("PING")))
            await asyncio.sleep(0.001)
        process.kill()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(answer, StateUnavailable) for answer in answers)
        process.wait(timeout=10)
        with redis_process(tmp_path, port=port):
            assert await pipeline.call("PING") == b"PONG"
        await pipeline.close()


async def test_nobody_listening_is_said_soon() -> None:
    pipeline = Pipeline(Secret(f"redis://:hunter2@127.0.0.1:{free_port()}/0"), deadline_s=2)
    began = time.monotonic()
    with pytest.raises(StateUnavailable) as failure:
        await pipeline.call("PING")
    assert time.monotonic() - began < 1
    assert "hunter2" not in str(failure.value)
    await pipeline.close()


async def test_a_wrong_password_is_unavailable_and_stays_secret(redis_url: str) -> None:
    pipeline = Pipeline(Secret(redis_url.replace("redis://", "redis://someone:hunter2@")), deadline_s=2)
    with pytest.raises(StateUnavailable) as failure:
        await pipeline.call("PING")
    assert "hunter2" not in str(failure.value)
    await pipeline.close()


async def test_a_late_event_loop_is_not_a_late_redis(redis_url: str) -> None:
    pipeline = Pipeline(Secret(redis_url), deadline_s=DEADLINE_S)
    await pipeline.call("PING")
    call = asyncio.get_running_loop().create_task(pipeline.call("PING"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(DEADLINE_S * 2)
    assert await call == b"PONG"
    await pipeline.close()


async def test_closing_fails_what_is_unanswered(tmp_path: Path) -> None:
    with redis_process(tmp_path, port=free_port()) as (url, process):
        pipeline = Pipeline(Secret(url), deadline_s=5)
        await pipeline.call("PING")
        stopped: subprocess.Popen[bytes] = process
        stopped.send_signal(signal.SIGSTOP)
        call = asyncio.get_running_loop().create_task(pipeline.call("PING"))
        await asyncio.sleep(0.01)
        await pipeline.close()
        with pytest.raises(StateUnavailable, match="closed"):
            await call
        with pytest.raises(StateUnavailable, match="closed"):
            await pipeline.call("PING")
