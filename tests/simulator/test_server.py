"""The process: it announces its port, is deterministic by seed, and says why it cannot start."""

import subprocess
import sys

from tests.simulator import raw
from tests.support.simulator import RunningSimulator, running_simulator


def _conversation(simulator: RunningSimulator) -> list[bytes]:
    answers = [
        raw.messages(simulator, "sim-a", "hi"),
        raw.messages(simulator, "sim-a", "what is this?", stream=False),
        raw.chat(simulator, "sim-a", "hi"),
        raw.gemini(simulator, "sim-a", "hi"),
        raw.messages(simulator, "sim-a", "hi", model="sim-fast"),
    ]
    return [answer.request_id.encode() + answer.body for answer in answers]


def test_the_same_seed_and_order_give_the_same_bytes() -> None:
    with running_simulator(seed=5) as one, running_simulator(seed=5) as two:
        assert _conversation(one) == _conversation(two)


def test_another_seed_gives_other_ids() -> None:
    with running_simulator(seed=5) as one, running_simulator(seed=6) as two:
        assert raw.messages(one, "sim-a", "hi").request_id != raw.messages(two, "sim-a", "hi").request_id


def test_a_taken_port_is_one_line_with_a_remedy(simulator: RunningSimulator) -> None:
    command = [sys.executable, "-m", "headgate.simulator", "--port", str(simulator.port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert "choose another --port" in ended.stderr


def test_a_greeting_streams_at_a_natural_pace() -> None:
    with running_simulator(pace_ms=4) as natural:
        line = natural.line(raw.messages(natural, "sim-a", "hi").request_id)
    assert line["ended_ms"] - line["started_ms"] >= 100


def test_a_reset_bill_is_empty() -> None:
    with running_simulator() as fresh:
        raw.messages(fresh, "sim-a", "hi")
        fresh.reset_bill()
        bill = fresh.bill()
        assert [bill[name] for name in ("lines", "totals", "calls", "open")] == [[], {}, [], 0]
