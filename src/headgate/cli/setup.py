"""`headgate setup`: install in a browser or over REST, then serve."""

import asyncio
import secrets
import socket
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from headgate.cli.options import DataDir, console, explained, settings_from
from headgate.cli.serve import run_gateway
from headgate.errors import StartupError
from headgate.kit.clock import SystemClock
from headgate.relay.server import bind, build_server, early_error
from headgate.settings import Settings
from headgate.setup.installation import Installer
from headgate.setup.wizard import SetupWizard
from headgate.web_app import WebApp

_ANSWER_S = 0.5
"""For the answer of the installation to leave before its server does."""


def setup(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="8080")] = None,
    data_dir: DataDir = None,
) -> None:
    """Install in a browser or over REST with a token that is printed here, then run the gateway."""
    with explained():
        settings = settings_from(data_dir, None, **{"server.host": host, "server.port": port})
        installer = Installer(settings)
        if installer.is_installed:
            folder = settings.data_dir
            raise StartupError(f"{folder} is set up already; run `headgate serve --data-dir {folder}`")
        listener = bind(settings.server)
        uvloop.run(_install(settings, installer, listener.dup()))
        _serve_installed(settings, installer, listener, data_dir)


def _serve_installed(
    settings: Settings, installer: Installer, listener: socket.socket, data_dir: Path | None
) -> None:
    """On the same port, unless the installer was told another one."""
    if not installer.is_installed:  # stopped before it was done
        listener.close()
        raise typer.Exit(1)
    installed = installer.installed_settings()
    before, after = settings.server, installed.server
    if (before.host, before.port) != (after.host, after.port) and before.port != 0:
        listener.close()
        listener = bind(after)
    run_gateway(installed, listener, data_dir=data_dir)


async def _install(settings: Settings, installer: Installer, listener: socket.socket) -> None:
    token = secrets.token_urlsafe(24)
    loop = asyncio.get_running_loop()

    def stop_soon() -> None:
        loop.call_later(_ANSWER_S, server.stop)

    web = WebApp()
    wizard = SetupWizard(
        installer,
        token=token,
        clock=SystemClock(),
        on_installed=stop_soon,
        web=web,
    )
    host, port = listener.getsockname()[:2]

    def announce() -> None:
        page = "setup" if web.is_built else "setup/status"
        console.out(f"Set-up on http://{host}:{port}/{page}", highlight=False)
        console.out(f"Set-up token, good until it is done: {token}", highlight=False)

    server = build_server(wizard, settings.server, early_error=early_error, on_started=announce)
    await server.serve(sockets=[listener])
