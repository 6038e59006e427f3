"""`headgate serve`: start, say what a newcomer needs to know, run until told to stop."""

import gc
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from headgate.app import Application, check_run_mode, check_workers, open_application
from headgate.cli.demo import Demo, demo_overrides, launch_simulator, prepare_demo
from headgate.cli.options import ConfigFile, DataDir, console, explained, settings_from
from headgate.cli.workers import supervise
from headgate.relay.server import bind
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
        check_run_mode(settings)
        listener = socket.socket(fileno=fd) if fd is not None else bind(settings.server)
        if fd is None and (settings.server.workers > 1 or not demo):
            run_gateway(settings, listener, data_dir=data_dir, config=config)
        else:
            uvloop.run(_serve(settings, listener, is_demo=demo, is_worker=fd is not None))


def run_gateway(
    settings: Settings, listener: socket.socket, *, data_dir: Path | None, config: Path | None = None
) -> None:
    """Serve on the listener, in as many processes as the settings say. Raises `StartupError`."""
    check_workers(settings)
    check_run_mode(settings)
    if settings.server.workers > 1:
        raise typer.Exit(supervise(listener, settings, data_dir=data_dir, config=config))
    uvloop.run(_serve(settings, listener, is_demo=False, is_worker=False))


async def _serve(settings: Settings, listener: socket.socket, *, is_demo: bool, is_worker: bool) -> None:
    async with AsyncExitStack() as stack:
        simulator = await launch_simulator(stack) if is_demo else None
        application = await stack.enter_async_context(open_application(settings))
        demo = await prepare_demo(application, simulator) if simulator is not None else None
        await application.directory.refresh()
        _settle_garbage()
        address = "http://{}:{}".format(*_reachable(listener))

        def announce() -> None:
            if not is_worker:
                greet(application, demo, address)

        await serve_asgi(
            application.asgi,
            settings,
            sockets=[listener],
            on_started=announce,
            on_stopping=application.drain,
            on_grace_over=application.end_answers,
        )


def _settle_garbage() -> None:
    """What start-up built stays: keep it out of every later collection, and collect less often.

    Measured: the collector took 4 % of the CPU per request at the defaults of (700, 10, 10)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _reachable(listener: socket.socket) -> tuple[str, int]:
    host, port = listener.getsockname()[:2]
    return ("127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host), port  # noqa: S104


def greet(application: Application, demo: Demo | None, address: str) -> None:
    """What is printed once the port answers. Secrets are shown at the first start only."""
    _say(f"Headgate serves on {address}  (API documentation: {address}/api/docs)")
    if application.settings.run_mode == "simple":
        _say("Simple mode: usage is recorded, nobody is charged.")
    admin = application.first_admin
    if admin is not None:
        _say(f"Admin login, shown this once: {admin.email}  {admin.shown_password}")
    if demo is None:
        return
    _say(f"Demo mode: the provider is a simulator on {demo.simulator_url}; nothing leaves this machine.")
    for group, key in demo.keys.items():
        _say(f"Demo key ({group}), shown this once: {key}")
    if demo.keys:
        _say("Try it:")
        _say(curl_line(address, next(iter(demo.keys.values()))))
        return
    _say("The demo keys were shown at the first start; make another with:")
    _say("headgate key create --user demo@headgate.local --group anthropic-demo")


def _say(text: str) -> None:
    console.out(text, highlight=False)


def curl_line(address: str, key: str) -> str:
    """One line that streams an answer."""
    message = '[{"role":"user","content":"hi"}]'
    body = f'{{"model":"claude-sonnet-5-5","max_tokens":200,"stream":true,"messages":{message}}}'
    return (
        f"curl -N {address}/v1/messages -H 'x-api-key: {key}' -H 'anthropic-version: 2023-06-01'"
        f" -H 'content-type: application/json' -d '{body}'"
    )
