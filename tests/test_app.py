"""The composition root: three planes behind one port, a drain that refuses, an end that leaves nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headgate.app import check_run_mode, check_workers
from headgate.data_plane import trusted_networks
from headgate.errors import StartupError
from headgate.kit.secret import Secret
from headgate.settings import RedisSettings, ServerSettings, Settings
from tests.app_probe import DIALECTS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the probe saw."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.app_probe", str(tmp_path_factory.mktemp("app"))],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=60,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def test_it_is_alive_and_ready(found: dict[str, Any]) -> None:
    assert (found["health"]["status"], found["ready"]["status"]) == (200, 200)


def test_management_is_served_under_api_and_asks_who_you_are(found: dict[str, Any]) -> None:
    assert found["control"]["status"] == 401


def test_a_clients_telemetry_under_api_is_the_data_planes(found: dict[str, Any]) -> None:
    assert found["courtesy"]["status"] == 200


def test_everything_else_is_the_data_plane_and_needs_a_key(found: dict[str, Any]) -> None:
    assert found["keyless"]["status"] == 401
    assert "x-headgate-exchange-id" in found["keyless"]["headers"]


@pytest.mark.parametrize("name", DIALECTS)
def test_while_it_drains_new_exchanges_are_refused_with_a_time_to_come_back(
    found: dict[str, Any], name: str
) -> None:
    answer = found[f"draining {name}"]
    assert (answer["status"], answer["headers"]["retry-after"]) == (503, "2")


def test_a_refusal_while_draining_has_the_shape_of_its_dialect(found: dict[str, Any]) -> None:
    anthropic, openai, gemini = (found[f"draining {name}"]["json"] for name in DIALECTS)
    assert anthropic["type"] == "error"
    assert anthropic["error"]["type"]
    assert "param" in openai["error"]
    assert (gemini["error"]["code"], gemini["error"]["status"]) == (503, "INTERNAL")


def test_while_it_drains_operators_are_still_served(found: dict[str, Any]) -> None:
    assert found["draining health"]["status"] == 200
    assert found["draining control"]["status"] == 401


def test_the_first_admin_is_made_once(found: dict[str, Any]) -> None:
    assert (found["has_first_admin"], found["second first_admin"]) == (True, False)


def test_after_its_end_nothing_runs_on(found: dict[str, Any]) -> None:
    assert found["tasks left"], "the background work runs while it is open"
    assert found["tasks after close"] == 1


def test_several_workers_without_shared_state_are_refused() -> None:
    with pytest.raises(StartupError, match="HEADGATE_REDIS_URL"):
        check_workers(Settings(server=ServerSettings(workers=2)))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_with_shared_state_may_start(workers: int) -> None:
    redis = RedisSettings(url=Secret("redis://h/0"))
    postgres = {"url": "postgresql://u:p@h/db"}
    check_workers(Settings(server=ServerSettings(workers=workers), redis=redis, database=postgres))


def test_simple_mode_is_refused_until_it_is_confirmed() -> None:
    with pytest.raises(StartupError, match="SIMPLE_MODE_CONFIRM=true"):
        check_run_mode(Settings(run_mode="simple"))


@pytest.mark.parametrize(
    "settings",
    [
        Settings(run_mode="simple", simple_mode_confirm=True),
        Settings(run_mode="simple", server=ServerSettings(mode="debug")),
        Settings(),
        Settings(server=ServerSettings(mode="debug")),
    ],
    ids=["confirmed", "trial", "standard", "standard trial"],
)
def test_a_run_mode_that_was_meant_may_start(settings: Settings) -> None:
    check_run_mode(settings)


def test_trusted_proxies_are_read_as_networks() -> None:
    settings = Settings(server=ServerSettings(trusted_proxies=("10.1.2.3/8", "::1")))
    assert [str(network) for network in trusted_networks(settings)] == ["10.0.0.0/8", "::1/128"]


def test_a_trusted_proxy_that_is_no_network_stops_the_start() -> None:
    with pytest.raises(StartupError, match="nonsense"):
        trusted_networks(Settings(server=ServerSettings(trusted_proxies=("nonsense",))))
