"""The official SDKs of the generation before (anthropic<1, openai<2, google-genai<2) through the gateway.

They conflict with the present ones: a script runs them in their own environment (`make setup-old-sdks`).
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Provision
from tests.support.gateway import Gateway, Provisioned
from tests.support.simulator import RunningSimulator

SCRIPT = Path(__file__).parent / "old_sdks_script.py"
PYTHON = Path(__file__).parents[2] / ".venv-old-sdks" / "bin" / "python"
REFUSALS = ["AuthenticationError", "NotFoundError", "BadRequestError", "RateLimitError"]
GEMINI: dict[str, Any] = {
    "same": True,
    "asked": ["demo"],
    "answered": True,
    "thoughts": True,
    "counted": True,
    "embedded": 2,
    "listed": True,
    "found": "models/gemini-2.5-flash",
}
EXPECTED: dict[str, Any] = {
    "generations": ["0", "1", "1"],
    "anthropic_json_and_stream": {"same": True, "stop": "end_turn", "output": True},
    "anthropic_tool_round": {"input": {"city": "demo"}, "stops": ["tool_use", "end_turn"]},
    "anthropic_thinking": {"kinds": ["thinking", "text"]},
    "anthropic_count_and_models": {"counted": True, "listed": True, "found": "claude-sonnet-4-6"},
    "anthropic_errors": REFUSALS,
    "openai_chat_json_and_stream": {"same": True, "usage": [False, True]},
    "openai_chat_tool_round": {"arguments": '{"city":"demo"}', "stops": ["tool_calls", "stop"]},
    "openai_responses": {"same": True, "fetched": True, "gone": "NotFoundError"},
    "openai_responses_reasoning_and_tool": {"kinds": ["reasoning", "function_call"], "answered": True},
    "openai_models_embeddings_images": {"listed": True, "found": "gpt-5", "size": 8, "picture": True},
    "openai_errors": REFUSALS,
    "gemini_on_v1beta": GEMINI,
    "gemini_on_v1": GEMINI,
    "gemini_errors": [401, 404, 400, 429],
    "asynchronous_clients": {"stop": "end_turn", "chat": True, "gemini": True},
}


@pytest.fixture(scope="module")
def seen(
    gateway: Gateway,
    simulator: RunningSimulator,
    provision: Provision,
    caller_anthropic: Provisioned,
    caller_openai: Provisioned,
    caller_gemini: Provisioned,
) -> dict[str, Any]:
    """What every case saw, from one run of the script."""
    if not PYTHON.exists():
        pytest.skip("the SDKs of the generation before are not installed; run `make setup-old-sdks`")
    mapped, limited = {}, {}
    for platform in ("anthropic", "openai", "gemini"):
        secret = {"api_key": "sim-old-mapped", "base_url": simulator.url}
        known = {**secret, "model_mapping": {"known": "known"}}
        mapped[platform] = provision(platform, account={"credentials": known}).key
        limited[platform] = provision(platform, upstream_keys=(f"sim-old-limited-{platform}",)).key
        simulator.script(f"sim-old-limited-{platform}", "status=429 retry_after=7")
    callers = {"anthropic": caller_anthropic, "openai": caller_openai, "gemini": caller_gemini}
    given = {
        "root": gateway.url,
        "keys": {platform: caller.key for platform, caller in callers.items()},
        "mapped": mapped,
        "limited": limited,
    }
    done = subprocess.run(
        [str(PYTHON), str(SCRIPT)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {line["case"]: line["seen"] for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("case", EXPECTED)
def test_the_generation_before_sees_what_it_expects(seen: dict[str, Any], case: str) -> None:
    assert seen[case] == EXPECTED[case]


def test_every_case_of_the_script_is_judged(seen: dict[str, Any]) -> None:
    assert set(seen) == set(EXPECTED)
