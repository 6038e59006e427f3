"""What the web app tells the owner of a key for each client (`web/src/features/keys/recipes.ts`) works as it
stands: programs that are here run it, settings of others are read as those read them, and asked with."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.gateway import Gateway, Provisioned

WEB = Path(__file__).resolve().parents[2] / "web"
PLATFORMS = ("anthropic", "openai", "gemini")
STREAM_ENDS = {"anthropic": "message_stop", "openai": "[DONE]", "gemini": '"finishReason":"STOP"'}
pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (WEB / "node_modules/vite").is_dir(),
    reason="no Node or no web/node_modules: make web-check",
)


@dataclass(frozen=True, slots=True)
class Recipes:
    """`blocks[client][title]` is a text to copy; `link` opens CC-Switch."""

    platform: str
    url: str
    key: str
    blocks: Mapping[str, Mapping[str, str]]
    link: str

    @property
    def model(self) -> str:
        """The one that all of them name."""
        return self.blocks["opencode"]["bash, zsh"].rpartition("/")[2]


@pytest.fixture(scope="module", params=PLATFORMS)
def recipes(request: pytest.FixtureRequest, gateway: Gateway) -> Recipes:
    platform: str = request.param
    caller: Provisioned = request.getfixturevalue(f"caller_{platform}")
    told = json.loads(ran(["node", "e2e/recipes.mjs", platform, gateway.url, caller.key], cwd=WEB))
    blocks = {one["id"]: {block["title"]: block["code"] for block in one["blocks"]} for one in told}
    (link,) = (one["link"] for one in told if "link" in one)
    return Recipes(platform, gateway.url, caller.key, blocks, link)


def ran(command: list[str], cwd: Path | None = None) -> str:
    without_proxies = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        command, cwd=cwd, env=without_proxies, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def answered(platform: str, base: str, key: str, model: str) -> None:
    """A client of the platform whose address ends in `base` and that is told `key` gets an answer."""
    message: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    path, headers, body = {
        "anthropic": ("/messages", {"authorization": f"Bearer {key}"}, {**message, "max_tokens": 50}),
        "openai": ("/responses", {"authorization": f"Bearer {key}"}, {"model": model, "input": "hi"}),
        "gemini": (
            f"/models/{model}:generateContent",
            {"x-goog-api-key": key},
            {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
        ),
    }[platform]
    headers |= {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    request = urllib.request.Request(base + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert "text" in answer.read().decode()


def exported(code: str) -> tuple[dict[str, str], str]:
    """The variables that bash gives to the program of the last line, and that program."""
    *lines, program = code.split("\n")
    names = [re.match(r"export (\w+)=", line)[1] for line in lines]  # type: ignore[index]
    shown = " ".join(f'"${name}"' for name in names)
    told = ran(["bash", "-c", "\n".join([*lines, f"printf '%s\\n' {shown}"])])
    return dict(zip(names, told.splitlines(), strict=True)), program


def test_the_command_of_curl_streams_an_answer(recipes: Recipes) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    streamed = ran(["bash", "-c", recipes.blocks["curl"]["curl"]])
    assert STREAM_ENDS[recipes.platform] in streamed.replace('": "', '":"')


def test_the_lines_for_the_python_sdk_run_and_name_a_model_that_is_not_at_its_end(recipes: Recipes) -> None:
    program = recipes.blocks["sdk"]["Python"]
    assert ran([sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", program]).strip()


def test_the_lines_for_the_node_sdk_are_a_program_that_names_address_and_key(
    recipes: Recipes, tmp_path: Path
) -> None:
    """The packages themselves are not here."""
    program = recipes.blocks["sdk"]["Node.js"]
    (tmp_path / "lines.mjs").write_text(program)
    ran(["node", "--check", str(tmp_path / "lines.mjs")])
    base = re.search(r"base(?:URL|Url): '([^']+)'", program)
    assert base
    assert base[1] == recipes.url + ("/v1" if recipes.platform == "openai" else "")
    assert f"apiKey: '{recipes.key}'" in program


def test_the_variables_of_every_shell_lead_a_command_line_client_here(recipes: Recipes) -> None:
    client = {"anthropic": "claude-code", "openai": "codex", "gemini": "gemini-cli"}[recipes.platform]
    blocks = recipes.blocks[client]
    told, program = exported(blocks["bash, zsh"])
    assert program == {"claude-code": "claude", "codex": "codex", "gemini-cli": "gemini"}[client]
    powershell = dict(re.findall(r'^\$env:(\w+)="(.*)"$', blocks["PowerShell"], re.MULTILINE))
    cmd = dict(re.findall(r"^set (\w+)=(.*)$", blocks["cmd.exe"], re.MULTILINE))
    assert told == powershell == cmd
    match client:
        case "claude-code":
            written = json.loads(blocks["~/.claude/settings.json"])["env"]
            assert written == told
            base, key = told["ANTHROPIC_BASE_URL"] + "/v1", told["ANTHROPIC_AUTH_TOKEN"]
            answered("anthropic", base, key, recipes.model)
        case "codex":
            config = tomllib.loads(blocks["~/.codex/config.toml"])
            provider = config["model_providers"][config["model_provider"]]
            assert provider["wire_api"] == "responses"
            answered("openai", provider["base_url"], told[provider["env_key"]], config["model"])
            other = tomllib.loads(blocks["~/.codex/config.toml (auth.json)"])["model_providers"]["headgate"]
            assert other["requires_openai_auth"] is True
            key = json.loads(blocks["~/.codex/auth.json"])["OPENAI_API_KEY"]
            answered("openai", other["base_url"], key, config["model"])
        case "gemini-cli":
            base = told["GOOGLE_GEMINI_BASE_URL"] + "/v1beta"
            answered("gemini", base, told["GEMINI_API_KEY"], told["GEMINI_MODEL"])


def test_the_settings_of_opencode_and_cherry_studio_lead_here(recipes: Recipes) -> None:
    config = json.loads(recipes.blocks["opencode"]["~/.config/opencode/opencode.json"])
    ((name, provider),) = config["provider"].items()
    (model,) = provider["models"]
    assert shlex.split(recipes.blocks["opencode"]["bash, zsh"])[-1] == f"{name}/{model}"
    answered(recipes.platform, provider["options"]["baseURL"], provider["options"]["apiKey"], model)
    (text,) = recipes.blocks["cherry"].values()
    lines = dict(line.split(": ", 1) for line in text.splitlines())
    version = "/v1beta" if recipes.platform == "gemini" else "/v1"  # that client appends it itself
    answered(recipes.platform, lines["API Host"] + version, lines["API Key"], lines["Model"])


def test_the_link_of_cc_switch_names_address_and_key_and_its_script_asks_what_is_left(
    recipes: Recipes,
) -> None:
    told = {name: value for name, (value,) in parse_qs(urlsplit(recipes.link).query).items()}
    appended = {"anthropic": "/v1", "openai": "", "gemini": "/v1beta"}[recipes.platform]
    answered(recipes.platform, told["endpoint"] + appended, told["apiKey"], recipes.model)
    run = """
      const told = (0, eval)(Buffer.from(process.argv[1], 'base64').toString())
      const { Authorization } = told.request.headers
      const asked = { headers: { Authorization: Authorization.replace('{{apiKey}}', process.argv[2]) } }
      const answer = await fetch(told.request.url, asked)
      console.log(JSON.stringify(told.extractor(await answer.json())))
    """
    said = json.loads(ran(["node", "--input-type=module", "-e", run, told["usageScript"], told["apiKey"]]))
    assert said["isValid"] is True
    assert said["remaining"] > 0
    assert said["unit"] == "USD"
