"""Demo mode: the simulator as a child process on its own port, and accounts that point at it."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from headgate.app import Application
from headgate.control.bootstrap import ensure_demo_data
from headgate.errors import StartupError

_START_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    simulator_url: str
    keys: Mapping[str, str]
    """Group name -> key, at the first start only; empty afterwards."""


def demo_overrides() -> dict[str, Any]:
    """The simulator listens on loopback without TLS; nothing else may be reached that way in earnest."""
    return {
        "security.url_allowlist": {
            "allow_private_hosts": True,
            "allow_insecure_http": True,
            "upstream_hosts": ("127.0.0.1",),
        }
    }


async def launch_simulator(stack: AsyncExitStack) -> asyncio.subprocess.Process:
    """Start the provider simulator; it gets ready while the gateway does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "headgate.simulator", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    stack.push_async_callback(_stop, process)
    return process


async def prepare_demo(application: Application, simulator: asyncio.subprocess.Process) -> Demo:
    """Make sure the demo's groups, accounts, user and keys exist and point at it. Raises `StartupError`."""
    url = await _announced_url(simulator)
    keys = await ensure_demo_data(
        application.uow, application.vault, application.clock, application.settings, simulator_url=url
    )
    return Demo(simulator_url=url, keys=keys)


async def _announced_url(process: asyncio.subprocess.Process) -> str:
    """The simulator prints its address as its first line."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_S):
            line = (await process.stdout.readline()).decode()
    except TimeoutError:
        line = ""
    start = line.find("http://")
    if start < 0:
        raise StartupError("demo: the provider simulator did not start; run `headgate simulator` to see why")
    return line[start:].split()[0].rstrip("/")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
