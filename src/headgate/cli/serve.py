"""`headgate serve`: start, say what a newcomer needs to know, run until told to stop."""

import socket
from contextlib import AsyncExitStack
from typing import Annotated

import typer
import uvloop

from headgate.app import Application, check_workers, open_application
from headgate.cli.demo import Demo, demo_overrides, start_demo
from headgate.cli.options import ConfigFile, DataDir, console, explained, settings_from
from headgate.cli.workers import supervise
from headgate.errors import StartupError
from headgate.relay.server import serve as serve_asgi
from headgate.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="8080")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    *,
    demo: Annotated[
        bool, typer.Option("--demo", help="Try it without a provider: the simulator as upstream.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes (more than one needs Redis).", show_default="1")
    ] = None,
    fd: Annotated[
        int | None, typer.Option(hidden=True, help="Inherited listening socket of a worker.")
    ] = None,
) -> None:
    """Run the gateway."""
    with explained():
        overrides = {"server.host": host, "server.port": port, "server.workers": workers}
        settings = settings_from(data_dir, config, **overrides, **(demo_overrides() if demo else {}))
        check_workers(settings)
        listener = (
            socket.socket(fileno=fd) if fd is not None else listen(settings.server.host, settings.server.port)
        )
        if settings.server.workers > 1 and fd is None:
            raise typer.Exit(supervise(listener, settings, data_dir=data_dir, config=config))
        uvloop.run(_serve(settings, listener, is_demo=demo, is_worker=fd is not None))


def listen(host: str, port: int) -> socket.socket:
    """Bind early, so that a port in use is said before anything is created. Raises `StartupError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartupError(
            f"configuration server.host/server.port: cannot listen on {host}:{port}: {error.strerror}; choose another with --host/--port"
        ) from None
    listener.listen(2048)
    listener.setblocking(False)
    return listener


async def _serve(settings: Settings, listener: socket.socket, *, is_demo: bool, is_worker: bool) -> None:
    async with AsyncExitStack() as stack:
        application = await stack.enter_async_context(open_application(settings))
        demo = await start_demo(application, stack) if is_demo else None
        await application.directory.refresh()
        address = "http://{}:{}".format(*_reachable(listener))

        def announce() -> None:
            if not is_worker:
                greet(application, demo, address)

        await serve_asgi(
            application.asgi, settings, sockets=[listener], on_started=announce, on_stopping=application.drain
        )


def _reachable(listener: socket.socket) -> tuple[str, int]:
    host, port = listener.getsockname()[:2]
    return ("127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host), port  # noqa: S104


def greet(application: Application, demo: Demo | None, address: str) -> None:
    """What is printed once the port answers. Secrets are shown at the first start only."""
    say = console.out
    say(f"Headgate serves on {address}  (API documentation: {address}/api/docs)", highlight=False)
    if application.first_admin is not None:
        say(
            f"Admin login, shown this once: {application.first_admin.email}  {application.first_admin.shown_password}",
            highlight=False,
        )
    if demo is None:
        return
    say(
        f"Demo mode: the provider is a simulator on {demo.simulator_url}; nothing leaves this machine.",
        highlight=False,
    )
    if demo.keys:
        for group, key in demo.keys.items():
            say(f"Demo key ({group}), shown this once: {key}", highlight=False)
        say("Try it:", highlight=False)
        say(curl_line(address, next(iter(demo.keys.values()))), highlight=False)
    else:
        say(
            "The demo keys were shown at the first start; make another with: headgate key create --user demo@headgate.local --group anthropic-demo",
            highlight=False,
        )


def curl_line(address: str, key: str) -> str:
    """One line that streams an answer."""
    body = '{"model":"claude-sonnet-4-5","max_tokens":200,"stream":true,"messages":[{"role":"user","content":"hi"}]}'
    return (
        f"curl -N {address}/v1/messages -H 'x-api-key: {key}' -H 'anthropic-version: 2023-06-01'"
        f" -H 'content-type: application/json' -d '{body}'"
    )
