"""One line per exchange, machine-readable, and none when nobody wants it."""

import io
import json

import pytest

from headgate.kit.clock import FakeClock
from headgate.observability.access_log import AccessLog
from headgate.observability.logging import BufferedLines
from headgate.settings import LogSettings


def written(clock: FakeClock, settings: LogSettings) -> bytes:
    stream = io.BytesIO()
    lines = BufferedLines(stream)
    AccessLog(lines, settings, clock).exchange(exchange_id="x1", status="ok", user_id=None, ms=1.5)
    lines.flush()
    return stream.getvalue()


def test_an_exchange_leaves_one_line_with_its_facts_and_time(clock: FakeClock) -> None:
    (line,) = written(clock, LogSettings()).splitlines()
    assert json.loads(line) == {
        "event": "exchange_finished", "level": "info", "at_ms": clock.now_ms(), "exchange_id": "x1",
        "status": "ok", "user_id": None, "ms": 1.5,
    }  # fmt: skip


@pytest.mark.parametrize("level", ["warning", "error"])
def test_above_info_there_is_no_access_log(clock: FakeClock, level: str) -> None:
    assert written(clock, LogSettings(level=level)) == b""
