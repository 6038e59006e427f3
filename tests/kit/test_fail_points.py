import subprocess
import sys

import pytest

from headgate.kit.fail_points import FailPoint, FailPoints

_WALK = """
from headgate.kit.fail_points import FailPoint, FailPoints
points = FailPoints.parse({armed!r})
for number in range(1, 4):
    points.reach(FailPoint.AFTER_ADMISSION)
    points.reach(FailPoint.BEFORE_RELEASE)
    print(number, flush=True)
"""


def walk(armed: str) -> tuple[int, str]:
    """Exit code and output of a process that comes to each of two places three times."""
    done = subprocess.run(
        [sys.executable, "-c", _WALK.format(armed=armed)], capture_output=True, text=True, timeout=30
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("armed", "code", "output"),
    [
        ("", 0, "1\n2\n3\n"),
        ("after_admission", -9, ""),
        ("before_release:2", -9, "1\n"),
        ("before_release:4", 0, "1\n2\n3\n"),
        ("mid_stream", 0, "1\n2\n3\n"),
    ],
)
def test_a_process_dies_at_the_armed_place_at_the_nth_time(armed: str, code: int, output: str) -> None:
    assert walk(armed) == (code, output)


@pytest.mark.parametrize(
    "text", ["nowhere", "mid_stream:0", "mid_stream:-1", "mid_stream:x", ":1", "MID_STREAM"]
)
def test_what_is_no_fail_point_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="fail point|name:hits"):
        FailPoints.parse(text)


def test_the_refusal_names_every_place() -> None:
    with pytest.raises(ValueError, match="known are") as caught:
        FailPoints.parse("nowhere")
    assert all(place.value in str(caught.value) for place in FailPoint)
